"""Whether a customer may use the regions of a plan: some are reserved for one customer segment. No override opens them.

Source: as `mappings.regions.RESERVED` and the notice `dod-regions` of csp/program.toml.
"""

from __future__ import annotations

from mappings.errors import AskForApproval
from mappings.plan import CreateResourceGroup, CreateStorageAccount, Plan
from mappings.program_rules import Segment
from mappings.regions import GOVERNMENT_REGIONS, RESERVED, normal


def reserved_regions(plan: Plan) -> tuple[str, ...]:
    """Regions of the plan's steps that are reserved for one customer segment, by name."""
    made = (step for step in plan.steps if isinstance(step, CreateResourceGroup | CreateStorageAccount))
    return tuple(sorted({normal(step.region) for step in made} & RESERVED.keys()))


def require_segment(regions: tuple[str, ...], segment: Segment | None, *, sheet_name: str) -> None:
    """Refuse regions that are reserved for another segment than the customer's.

    Args:
        regions: normalised.
        segment: of the program sheet; None where nobody has filled it in, which is no permission.
        sheet_name: file name of the sheet, for the sentence.

    Raises:
        AskForApproval: one of them is reserved; names it, the segment and what to do.
    """
    refused = [region for region in regions if region in RESERVED and RESERVED[region] != segment]
    if not refused:
        return
    said = f'customer.segment in {sheet_name} is "{segment}"' if segment else f"{sheet_name} names no customer.segment"
    owners = " and ".join(sorted({_OWNERS[Segment(RESERVED[region])] for region in refused}))
    verb = "are" if len(refused) > 1 else "is"
    raise AskForApproval(
        f"{' and '.join(refused)} {verb} reserved for {owners}, and {said}.",
        next_step=f"Name another target region in migration.toml ({', '.join(GOVERNMENT_REGIONS)}) and plan again; "
        f'only for a customer of that kind set segment = "{RESERVED[refused[0]]}" under [customer].',
    )


_OWNERS = {Segment.DOD: "the US Department of Defense"}
"""Who a segment is, in a sentence."""
