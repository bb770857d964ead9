"""docs/findings.md: its claims are checked against the records, and its placeholders need a recorded figure."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from jinja2 import FileSystemLoader

from core.errors import ConfigurationError, DataError
from core.repository.evaluation import StrangeImages
from core.statistics.intervals import ConfidenceInterval
from training.analysis.report import render
from training.analysis.report.findings import Findings, VersionResults
from training.analysis.report.render import FINDINGS_TEMPLATE, findings_page

TEMPLATE = re.sub(
    r"\{#.*?#\}", "", (Path(render.__file__).parent / FINDINGS_TEMPLATE).read_text(encoding="utf-8"), flags=re.DOTALL
)
_CLAIM = re.compile(r'\{% call claim\("([^"]+)", .*?%\}(.*?)\{% endcall %\}', re.DOTALL)
HOLD_EITHER_WAY = {
    "balanced", "machines", "final runs", "hardest class", "temperature", "failing methods",
    "fgsm", "own classes", "copies", "shared mistakes", "cats and dogs", "similarity", "corruptions ahead",
    "shift unmeasured", "tuning", "augmentation", "strongest controls", "moved maps", "mean over corruptions",
    "preprocessing", "trained on", "ladder", "parts of the ladder",
}  # fmt: skip
"""Claims that treat both models alike, or hold for the mlp too."""


def exchanged(findings: Findings) -> Findings:
    """Findings with the records of mlp and cnn exchanged."""

    def renamed(side: VersionResults, like: VersionResults) -> VersionResults:
        family = {"family": like.manifest.family, "version": like.manifest.version}
        return dataclasses.replace(side, manifest=side.manifest.model_copy(update=family))

    def reversed_(estimate: ConfidenceInterval) -> ConfidenceInterval:
        return ConfidenceInterval(value=-estimate.value, low=-estimate.high, high=-estimate.low)

    first, second = findings.sides
    pairwise, together = findings.pairwise, findings.together
    paired = pairwise.paired.model_copy(update={"difference": reversed_(pairwise.paired.difference)})
    rows = tuple(
        row.model_copy(update={"first": row.second, "second": row.first, "difference": reversed_(row.difference)})
        for row in pairwise.per_class
    )
    robustness = tuple(
        row.model_copy(
            update={
                "first": row.second,
                "second": row.first,
                "difference": reversed_(row.difference),
                "kept_difference": reversed_(row.kept_difference),
            }
        )
        for row in findings.robustness
    )
    return dataclasses.replace(
        findings,
        first=renamed(second, first),
        second=renamed(first, second),
        pairwise=pairwise.model_copy(update={"paired": paired, "per_class": rows}),
        robustness=robustness,
        together=dataclasses.replace(together, second_right_when_sure=together.right_when_agreed),
    )


def test_broken_claims_are_quoted(shipped: Findings) -> None:
    paired = shipped.pairwise.paired.model_copy(
        update={"difference": ConfidenceInterval(value=0.01, low=0.005, high=0.015)}
    )
    changed = dataclasses.replace(shipped, pairwise=shipped.pairwise.model_copy(update={"paired": paired}))
    with pytest.raises(DataError) as failed:
        findings_page(changed)
    text = str(failed.value)
    assert text.startswith("the records contradict 2 claims of findings.md.j2: rewrite these sentences")
    assert '- accuracy: "- **Clean images of the ten classes: cnn@5.** It classifies 95.0%' in text
    assert '- accuracy difference: "cnn@5 is more accurate than mlp@4' in text


def test_out_of_distribution_kinds_have_rows_if_measured(shipped: Findings) -> None:
    measured = StrangeImages(
        kind="digits", images=1797, auroc=ConfidenceInterval(value=0.8, low=0.79, high=0.81), flag_rate=0.423
    )
    C = shipped.second.reference
    others = tuple(one for one in shipped.second.robustness.strange or () if one.kind != "digits")
    for strange in (others, (*others, measured)):
        robustness = shipped.second.robustness.model_copy(update={"strange": strange})
        page = findings_page(
            dataclasses.replace(shipped, second=dataclasses.replace(shipped.second, robustness=robustness))
        )
        assert (f"| {C} | digits | 1,797 | 0.80" in page) == (measured in strange)
        assert page.count(f"| {C} | digits |") == (measured in strange)


def test_claims_fail_with_exchanged_records(shipped: Findings) -> None:
    names = [name for name, _ in _CLAIM.findall(TEMPLATE)]
    assert len(names) == len(set(names)) == TEMPLATE.count("{% endcall %}") > 30
    with pytest.raises(DataError) as failed:
        findings_page(exchanged(shipped))
    broken = set(re.findall(r'^- ([^:]+): "', str(failed.value), flags=re.MULTILINE))
    assert set(names) - broken == HOLD_EITHER_WAY


def test_comparing_sentences_are_claims() -> None:
    unguarded = re.sub(r"\{%.*?%\}|\{\{.*?\}\}", " ", _CLAIM.sub("", TEMPLATE), flags=re.DOTALL)
    comparisons = r"\b(than|ahead|wins|better|worse|more accurate|faster|slower|best of|significant)\b"
    assert re.findall(comparisons, unguarded) == []


def test_template_has_no_handwritten_numbers() -> None:
    prose = re.sub(r"\{%.*?%\}|\{\{.*?\}\}", " ", TEMPLATE, flags=re.DOTALL)
    allowed = "CIFAR-10|32x32|2x2|95%|95th|90%|255|\\[0, 1\\]|int8|float32|(in|ex)cludes? 0|from 0 to 1|F1"
    allowed += "|vector with 1 for|0 for the others"
    assert re.findall(r"\d+", re.sub(allowed, "", prose)) == []


@pytest.fixture
def page_of(shipped: Findings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Renders the findings page from another template."""
    environment = render._environment()
    environment.loader = FileSystemLoader(tmp_path)
    monkeypatch.setattr(render, "_environment", lambda: environment)

    def page(text: str) -> str:
        (tmp_path / FINDINGS_TEMPLATE).write_text(text, encoding="utf-8")
        return findings_page(shipped)

    return page


@pytest.mark.parametrize(
    ("placeholder", "reason"),
    [
        ("{{ cnn.scores.recall }}", "no attribute 'recall'"),
        ("{{ cnn.scores.recall | percent }}", "no attribute 'recall'"),
        ("{{ conditions.frost.second | interval }}", "no attribute 'frost'"),
        ("{{ cnn.manifest.metrics.validation_accuracy }}", "the figure was not measured"),
        ("{{ cnn.manifest.metrics.validation_accuracy | percent }}", "the figure was not measured"),
        ("{% if cnn.manifest.metrics.validation_accuracy > 0.9 %}x{% endif %}", "not supported"),
    ],
)
def test_placeholder_without_figure_names_its_line(
    placeholder: str, reason: str, page_of: Callable[[str], str]
) -> None:
    with pytest.raises(DataError) as failed:
        page_of(f"# Page\n\n{placeholder}\n")
    assert str(failed.value).startswith("findings.md.j2, line 3: no figure for this placeholder in the records (")
    assert reason in str(failed.value)


def test_placeholder_is_filled_from_the_records(shipped: Findings, page_of: Callable[[str], str]) -> None:
    text = '{% call claim("always", true) %}\n{{ cnn.scores.accuracy | percent }}\nof all\n{% endcall %}\nimages\n'
    assert page_of(text) == f"{shipped.second.scores.accuracy.value:.1%} of all\nimages\n"


def test_findings_page_of_other_families_is_refused(shipped: Findings) -> None:
    reordered = dataclasses.replace(shipped, first=shipped.second, second=shipped.first)
    with pytest.raises(ConfigurationError, match="compares mlp with cnn, not cnn with mlp: run `duet report mlp cnn"):
        findings_page(reordered)
