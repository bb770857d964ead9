"""The command `python -m docs.generate`."""

from __future__ import annotations

from docs.generate.files import made_files


def main() -> None:
    """Write every file that is made from the code alone."""
    for path, text in made_files().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
