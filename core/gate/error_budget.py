"""Error budget of the gate: significance level of each attempt on a holdout, which falls with every version.

All versions of a family that were trained on one data set share its holdout. Each published version is one attempt to
replace the champion, because its holdout accuracy is known from then on, whether or not it is promoted. Attempt k may
err with the probability budget / (k (k + 1)). These levels sum to the budget over any number of attempts. By the union
bound, versions that are not better than the champion, offered once each in the order of their publication, are promoted
as a gain with a total probability of at most the budget, however their predictions depend on each other. The same
holds for versions that are worse by the margin and are promoted as not inferior. This is alpha spending (Lan & DeMets
1983, "Discrete sequential boundaries for clinical trials"; for a sequence of hypotheses: Foster & Stine 2008,
"Alpha-investing").
"""

from __future__ import annotations

from core.errors import RepositoryError
from core.gate.report import Attempt
from core.repository.manifest import Manifest
from core.repository.repository import ModelRepository


def attempt_level(budget: float, number: int) -> float:
    """One-sided significance level of attempt `number`, counted from 1, for a one-sided budget on (0, 1)."""
    return budget / (number * (number + 1))


def attempt_at(budget: float, number: int) -> Attempt:
    """Record of attempt `number` for the report."""
    level = attempt_level(budget, number)
    return Attempt(
        number=number,
        level=level,
        budget=budget,
        sentence=(
            f"attempt {number} on this holdout: it may err with a probability of {level:.2g}, and all attempts "
            f"together with {budget:g}"
        ),
    )


def attempt_of(repository: ModelRepository, candidate: Manifest, champion: int, budget: float) -> Attempt:
    """Attempt of a candidate to replace the version `champion`.

    Its number is the number of versions that were published before it. Deleted versions count, because numbers are
    never reused; existing versions of another data set do not count. A candidate that is older than the champion counts
    as if it had been published after the champion.
    """
    family, newest = candidate.family, max(candidate.version, champion)
    elsewhere = sum(
        _other_data(repository, family, version, candidate.data.name)
        for version in repository.numbers(family)
        if version < newest
    )
    return attempt_at(budget, max(1, newest - 1 - elsewhere))


def _other_data(repository: ModelRepository, family: str, version: int, data: str) -> bool:
    try:
        return repository.manifest(family, version).data.name != data
    except RepositoryError:
        return False
