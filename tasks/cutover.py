"""Stage `cutover`: decided by `mappings.gates`; until every gate can be shown green, it refuses."""

from __future__ import annotations

from collections.abc import Sequence

from prefect import task
from prefect.cache_policies import NO_CACHE

from mappings.errors import AskForApproval
from mappings.gates import CutoverDecision


@task(name="cutover", cache_policy=NO_CACHE, persist_result=False)
def cutover(decision: CutoverDecision) -> Sequence[str]:
    """Obey the decision.

    Raises:
        AskForApproval: the decision is a refusal; the reasons are in the sentence.
    """
    if not decision.allowed:
        raise AskForApproval(
            "Cutover is refused: " + " ".join(decision.reasons),
            next_step="Clear the reasons above, run `govlift resync --apply`, and ask for the cutover again.",
        )
    return decision.reasons
