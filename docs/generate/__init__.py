"""Generated documentation: `python -m docs.generate` writes it, and tests check that it is up to date."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
