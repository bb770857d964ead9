"""Check of the audit trail: a replay of the shipped promotions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from tests.audit.formulas import Claim, log10_mcnemar, printed, same_p
from tests.audit.sources import MODELS, Sources, Version


def gate_trail(sources: Sources) -> Iterator[Claim]:
    """Replay of the shipped audit trail: it ends at the champions, and each promotion passed or was forced openly."""
    path = MODELS / "promotions.jsonl"
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.is_file() else []
    entries = {line["entry"]: line for line in lines if line["entry"] <= sources.aliases["last_entry"]}
    champions: dict[str, int | None] = {}
    for _, entry in sorted(entries.items()):
        family, target = entry["family"], entry["to_version"]
        name = f"trail entry {entry['entry']}: {entry['action']} {family}@{target}"
        before = champions.get(family)
        yield Claim(name, f"replaces {entry['from_version']}", f"{before}", before == entry["from_version"])
        if entry["action"] != "delete":
            champions[family] = target
        if entry["action"] == "promote":
            yield from _promotion(sources, name, entry["evidence"] or {}, family)
    for version in sources.champions:
        last = champions.get(version.family)
        yield Claim(
            f"{version.reference}: champion by the trail", f"{version.number}", f"{last}", last == version.number
        )


def _promotion(sources: Sources, name: str, evidence: dict[str, object], family: str) -> Iterator[Claim]:
    report = evidence.get("gate")
    if not isinstance(report, dict):
        yield Claim(name, "a report of the gate", "none", False)
        return
    forced = bool(evidence.get("forced"))
    outcome = "passed" if report["passed"] else "forced" if forced else "refused"
    yield Claim(name, "passed or forced", outcome, report["passed"] or forced)
    reference = f"{family}@{report['candidate']}"
    if forced:
        paragraphs = [part for page in sources.pages.values() for part in re.split(r"\n(?=- |\n)", page)]
        said = any(reference in part and "forced" in part for part in paragraphs)
        yield Claim(f"{name}: the pages say that it was forced", "true", str(said).lower(), said)
    versions = [Version(family, number) for number in (report["candidate"], report["champion"]) if number is not None]
    known = report["comparison"]
    if known and all(version.folder.is_dir() for version in versions):
        new_N, old_N = (version.holdout[0].argmax(axis=1) == version.holdout[1] for version in versions)
        difference = float(new_N.mean() - old_N.mean())
        yield printed(f"{name}: gain on the holdout", f"{known['difference']['value']:.6f}", difference)
        log10 = log10_mcnemar(int((new_N & ~old_N).sum()), int((old_N & ~new_N).sum()))
        yield same_p(f"{name}: McNemar", f"{known['mcnemar_p']:.2e}", log10)
