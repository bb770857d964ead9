"""/v2: routes of the Open Inference Protocol v2."""

from __future__ import annotations

from fastapi import APIRouter

from service.api.routes.v2 import infer, metadata

ROUTERS: tuple[APIRouter, ...] = (metadata.router, infer.router)
