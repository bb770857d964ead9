"""What of the documentation is made from the code: `python -m docs.generate` writes it, tests look for drift."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
