"""/v2/...: the Open Inference Protocol v2, so that its clients can talk to this service as to any other."""

from __future__ import annotations

from fastapi import APIRouter

from service.api.routes.v2 import infer, models, server

ROUTERS: tuple[APIRouter, ...] = (server.router, models.router, infer.router)
