"""Command `python -m docs.generate`: writes the files that depend only on the code and the shipped versions."""

from __future__ import annotations

from pathlib import Path

from core.repository.repository import ModelRepository
from docs.generate import ROOT, dashboard, kubernetes_rules, metrics, openapi, settings
from docs.generate.scores import with_scores


def generated_files() -> dict[Path, str]:
    """Return the content of each generated file."""
    readme, shipped = ROOT / "README.md", ModelRepository(ROOT / "nowhere", ROOT / "models")
    return {
        readme: with_scores(readme.read_text(encoding="utf-8"), shipped),
        ROOT / "openapi.json": openapi.page(),
        ROOT / "docs" / "settings.md": settings.page(),
        ROOT / "docs" / "metrics.md": metrics.page(),
        ROOT / "deploy" / "grafana" / "duet.json": dashboard.page(),
        ROOT / "deploy" / "kubernetes" / "monitoring" / "rules.yaml": kubernetes_rules.page(),
    }


def main() -> None:
    """Write the generated files."""
    for path, text in generated_files().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
