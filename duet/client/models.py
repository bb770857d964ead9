"""Model methods of the client: versions, evaluations, comparison, promotion gate and champions."""

from __future__ import annotations

from urllib.parse import quote

from core.comparison.schemas import MetricsComparison
from core.gate.report import GateReport
from core.schemas.models import (
    Deletion,
    EvaluationPage,
    GatedMove,
    ModelDetail,
    ModelList,
    Move,
    PromotionPage,
    VersionDetail,
)
from core.schemas.shadow import ShadowTrial
from duet.client.connection import Methods, drop_none, parsed


class ModelMethods(Methods):
    """Model methods of `Client`; promotions and rollbacks need a key with scope admin."""

    def models(self) -> ModelList:
        """List all models with their versions."""
        return self._connection.get("/models", ModelList)

    def model(self, name: str) -> ModelDetail:
        """Return one model with a summary of each version."""
        return self._connection.get(_path(name), ModelDetail)

    def version(self, name: str, version: int) -> VersionDetail:
        """Return one version with its manifest."""
        return self._connection.get(_path(name, version), VersionDetail)

    def evaluations(
        self, name: str, version: int, *, limit: int | None = None, cursor: str | None = None
    ) -> EvaluationPage:
        """List the evaluations of a version, at publication and by jobs, newest first.

        Args:
            name: name of the model.
            version: version number.
            limit: maximum number of entries on the page.
            cursor: `next_cursor` of the previous page.
        """
        return self._connection.get(
            f"{_path(name, version)}/evaluations", EvaluationPage, {"limit": limit, "cursor": cursor}
        )

    def metrics_compare(self, first: str = "mlp", second: str = "cnn") -> MetricsComparison:
        """Compare the test scores of two models, such as `mlp` (its champion) or `mlp@1`."""
        return self._connection.get("/metrics/compare", MetricsComparison, {"first": first, "second": second})

    def gate(self, name: str, version: int) -> GateReport:
        """Evaluate the promotion gate for a version without promoting it."""
        return self._connection.get(f"{_path(name, version)}/gate", GateReport)

    def promote(self, name: str, version: int, *, reason: str | None = None, force: bool = False) -> GatedMove:
        """Make a version the champion, if it passes the gate.

        Args:
            name: name of the model.
            version: version number.
            reason: reason for the audit trail.
            force: promote even if the gate refuses; needs a reason.

        Raises:
            ConflictError: the gate refused; `fields["report"]` has the reasons.
        """
        body = drop_none({"reason": reason, "force": force or None})
        return self._connection.post(f"{_path(name, version)}/promote", GatedMove, json=body)

    def rollback(self, name: str, *, reason: str | None = None) -> Move:
        """Restore the previous champion, one step further back per call; the request is not retried."""
        path = f"{_path(name)}/rollback"
        return self._connection.post(path, Move, repeatable=False, json=drop_none({"reason": reason}))

    def start_shadow(
        self,
        name: str,
        version: int,
        *,
        share: float,
        label_budget: int,
        margin: float | None = None,
        max_days: float | None = None,
        promote: bool = False,
        use_feedback: bool = False,
    ) -> ShadowTrial:
        """Start a shadow trial of a version against the champion; needs a key with scope admin.

        Args:
            name: name of the model.
            version: the challenger.
            share: share of the live requests that it answers too, in (0, 1].
            label_budget: number of labelled disagreements after which the trial ends.
            margin: difference in accuracy that does not matter; 0.01 by default.
            max_days: time after which the trial ends; 14 by default.
            promote: promote the challenger through the gate, if the verdict is that it is better.
            use_feedback: count labels of `feedback` too; valid only if they do not depend on the answers.

        Raises:
            ConflictError: the model has a running trial, or the version cannot be compared with the champion.
        """
        body = drop_none({"margin": margin, "max_days": max_days, "promote": promote, "use_feedback": use_feedback})
        body |= {"version": version, "share": share, "label_budget": label_budget}
        return self._connection.post(f"{_path(name)}/shadow", ShadowTrial, repeatable=False, json=body)

    def shadow(self, name: str) -> ShadowTrial:
        """Return the running or else the newest shadow trial of a model, with its evidence."""
        return self._connection.get(f"{_path(name)}/shadow", ShadowTrial)

    def end_shadow(self, name: str, *, reason: str | None = None) -> ShadowTrial:
        """End the running shadow trial of a model; one that has ended already does not change."""
        return self._connection.post(f"{_path(name)}/shadow/end", ShadowTrial, json=drop_none({"reason": reason}))

    def archive(self, name: str, *, reason: str | None = None) -> Move:
        """Stop serving a model: it has no champion until a version is promoted; its versions stay."""
        return self._connection.post(
            f"{_path(name)}/archive", Move, repeatable=False, json=drop_none({"reason": reason})
        )

    def delete_version(self, name: str, version: int, *, reason: str | None = None) -> Deletion:
        """Delete a version permanently.

        Raises:
            ConflictError: it is the champion, ships with the project, or is read by an unfinished job.
        """
        return self._delete(_path(name, version), reason)

    def delete_model(self, name: str, *, reason: str | None = None) -> Deletion:
        """Delete all versions of a model that has no champion (see `archive`); raises as `delete_version`."""
        return self._delete(_path(name), reason)

    def _delete(self, path: str, reason: str | None) -> Deletion:
        return parsed(
            self._connection.request("DELETE", path, repeatable=False, params=drop_none({"reason": reason})), Deletion
        )

    def promotions(self, name: str, *, limit: int | None = None, cursor: int | None = None) -> PromotionPage:
        """List the audit trail of promotions and rollbacks, newest first; arguments as for `evaluations`."""
        return self._connection.get(f"{_path(name)}/promotions", PromotionPage, {"limit": limit, "cursor": cursor})


def _path(name: str, version: int | None = None) -> str:
    model = f"/models/{quote(name, safe='')}"
    return model if version is None else f"{model}/versions/{version}"
