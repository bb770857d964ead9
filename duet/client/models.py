"""What the client asks of models and their versions: what there is, how good it is, and which one answers."""

from __future__ import annotations

from urllib.parse import quote

from core.comparison.schemas import MetricsComparison
from core.gate.report import GateReport
from core.schemas.models import ModelDetail, ModelList, VersionDetail
from core.schemas.promotions import EvaluationPage, GatedMove, Move, PromotionPage
from duet.client.connection import Methods, drop_none


class ModelMethods(Methods):
    """Of `Client`. Promotions and rollbacks need a key of scope admin."""

    def models(self) -> ModelList:
        """Every model with its versions."""
        return self._connection.get("/models", ModelList)

    def model(self, name: str) -> ModelDetail:
        """One model with what each version says of itself."""
        return self._connection.get(_path(name), ModelDetail)

    def version(self, name: str, version: int) -> VersionDetail:
        """One version with its whole manifest."""
        return self._connection.get(_path(name, version), VersionDetail)

    def evaluations(
        self, name: str, version: int, *, limit: int | None = None, cursor: str | None = None
    ) -> EvaluationPage:
        """What was measured of a version: as it was published, then by jobs, newest first.

        Args:
            name: of the model.
            version: of it.
            limit: most entries on the page.
            cursor: `next_cursor` of the page before.
        """
        return self._connection.get(
            f"{_path(name, version)}/evaluations", EvaluationPage, {"limit": limit, "cursor": cursor}
        )

    def metrics_compare(self, first: str = "mlp", second: str = "cnn") -> MetricsComparison:
        """Test scores of two models, such as `mlp` for its champion or `mlp@1`, and their difference."""
        return self._connection.get("/metrics/compare", MetricsComparison, {"first": first, "second": second})

    def gate(self, name: str, version: int) -> GateReport:
        """What speaks for and against a version as champion; changes nothing."""
        return self._connection.get(f"{_path(name, version)}/gate", GateReport)

    def promote(self, name: str, version: int, *, reason: str | None = None, force: bool = False) -> GatedMove:
        """Make a version the champion, if it passes the gate.

        Args:
            name: of the model.
            version: of it.
            reason: why, for the audit trail.
            force: although the gate refuses; needs a reason.

        Raises:
            ConflictError: the gate refused; `fields["report"]` says why.
        """
        body = drop_none({"reason": reason, "force": force or None})
        return self._connection.post(f"{_path(name, version)}/promote", GatedMove, json=body)

    def rollback(self, name: str, *, reason: str | None = None) -> Move:
        """Return to the champion before the present one, a step further back each time; never retried."""
        path = f"{_path(name)}/rollback"
        return self._connection.post(path, Move, repeatable=False, json=drop_none({"reason": reason}))

    def promotions(self, name: str, *, limit: int | None = None, cursor: int | None = None) -> PromotionPage:
        """Who promoted or rolled back what, when and why, newest first; arguments as of `evaluations`."""
        return self._connection.get(f"{_path(name)}/promotions", PromotionPage, {"limit": limit, "cursor": cursor})


def _path(name: str, version: int | None = None) -> str:
    model = f"/models/{quote(name, safe='')}"
    return model if version is None else f"{model}/versions/{version}"
