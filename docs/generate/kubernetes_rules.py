"""Generator of deploy/kubernetes/monitoring/rules.yaml: the rules of deploy/prometheus as a PrometheusRule."""

from __future__ import annotations

import textwrap

from docs.generate import ROOT

RULE_FILES = tuple(ROOT / "deploy" / "prometheus" / name for name in ("recording.yml", "alerts.yml"))
_HEAD = """# Generated from deploy/prometheus by `python -m docs.generate`.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: duet
spec:
  groups:
"""


def page() -> str:
    """Return the file, with the comments of the groups."""
    groups = [path.read_text(encoding="utf-8").partition("\ngroups:\n")[2] for path in RULE_FILES]
    return _HEAD + textwrap.indent("".join(groups), "  ")
