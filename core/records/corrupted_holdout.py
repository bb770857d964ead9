"""Record of accuracy and flag rate on corrupted holdout images, which the promotion gate compares.

The corruptions are the four extra kinds of CIFAR-10-C, never those of the robustness report. New versions have this
record among their files. For older versions it is measured later and stored in the folder of reports.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from core.records.base import Bools, ReportedData, ReportedModel, pack_bits, unpack_bits
from core.repository.graph_records import Probability
from core.repository.manifest import Sha256
from core.strict_model import StrictModel

CORRUPTED_HOLDOUT_NAME = "corrupted_holdout.json"
Shares = npt.NDArray[np.float64]


class CorruptedCondition(StrictModel):
    """One kind of corruption at one severity; bits are packed by `pack_bits`, in the order of the holdout."""

    name: str
    severity: int = Field(ge=1, le=5)
    accuracy: Probability
    flag_rate: Probability = Field(description="share of images flagged as out of distribution")
    right: str = Field(description="packed bits: correctly classified images")
    flagged: str = Field(description="packed bits: flagged images")

    @classmethod
    def of(cls, name: str, severity: int, right_N: Bools, flagged_N: Bools) -> CorruptedCondition:
        """The condition from correct (`right_N`) and flagged (`flagged_N`) images, bool [N]."""
        return cls(
            name=name,
            severity=severity,
            accuracy=float(right_N.mean()),
            flag_rate=float(flagged_N.mean()),
            right=pack_bits(right_N),
            flagged=pack_bits(flagged_N),
        )


class CorruptedHoldout(StrictModel):
    """One version on a fixed, stratified subset of the holdout, under each kind of corruption."""

    schema_version: Literal[1] = 1
    model: ReportedModel
    data: ReportedData = Field(description="`images` and `seed` of the subset of the holdout")
    split_digest: Sha256 = Field(description="digest of the split that the holdout belongs to")
    seed: int = Field(description="of the corruptions")
    conditions: tuple[CorruptedCondition, ...] = Field(min_length=1)

    @property
    def accuracy(self) -> float:
        """Mean over all conditions."""
        return float(np.mean([each.accuracy for each in self.conditions]))

    @property
    def flag_rate(self) -> float:
        """Mean over all conditions."""
        return float(np.mean([each.flag_rate for each in self.conditions]))

    @property
    def images_key(self) -> tuple[object, ...]:
        """Key of the corrupted images: equal for two records of the same images and corruptions."""
        conditions = tuple((each.name, each.severity) for each in self.conditions)
        return self.data, self.split_digest, self.seed, conditions

    def share_right(self) -> Shares:
        """Share of conditions under which each image is classified correctly, float64 [N]."""
        return self._shares([each.right for each in self.conditions])

    def share_flagged(self) -> Shares:
        """Share of conditions under which each image is flagged, float64 [N]."""
        return self._shares([each.flagged for each in self.conditions])

    def _shares(self, bits: list[str]) -> Shares:
        return np.asarray(np.mean([unpack_bits(each, self.data.images) for each in bits], axis=0), np.float64)
