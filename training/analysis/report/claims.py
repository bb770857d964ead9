"""Guards of hand-written sentences: a sentence whose condition no longer holds stops the generation of the page."""

from __future__ import annotations

from collections.abc import Callable

from jinja2 import UndefinedError

from core.errors import DataError


class Claims:
    """Conditions under which the sentences of one page are true.

    A template wraps a sentence that depends on a comparison:

        {% call claim("name", condition) %}The sentence.{% endcall %}
    """

    def __init__(self) -> None:
        self._broken: list[str] = []

    def guard(self, name: str, holds: bool, caller: Callable[[], str]) -> str:
        """Return the sentence, which Jinja renders with `caller`, and note it if its condition is false."""
        try:
            sentence = " ".join(caller().split())
        except (UndefinedError, DataError) as error:
            if holds:
                raise
            sentence = f"a placeholder of the sentence has no figure either: {error}"
        if not holds:
            self._broken.append(f'- {name}: "{sentence}"')
        return f"{sentence}\n"

    def require_all(self, template: str) -> None:
        """Check that every condition was true.

        Raises:
            DataError: the records contradict at least one sentence; the message quotes each.
        """
        if self._broken:
            raise DataError(
                f"the records contradict {len(self._broken)} claims of {template}; rewrite these "
                "sentences and their conditions, then run `duet report --docs` again:\n" + "\n".join(self._broken)
            )
