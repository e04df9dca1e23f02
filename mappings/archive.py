"""Archived blobs in a plan: how many, how long it takes to bring them online, what is billed, and the commands for it.

govlift never changes the source (guarantee 5), and Set Blob Tier is a write; so the owner runs these commands, and a
re-sync copies what is online by then (docs/adr, "Archived blobs").

Sources: Learn, "Blob rehydration from the archive tier" (Standard priority up to 15 hours; High under one hour for
blobs below 10 GB), "Access tiers for blob data" (archive: early deletion before 180 days; retrieval is billed by GB and
by operation), REST "Set Blob Tier" (`x-ms-rehydrate-priority`). Read 2026-11-22.
"""

from __future__ import annotations

from collections.abc import Sequence

from mappings import traits
from mappings.model import ContainerSurvey

HIGH_BELOW = 10 * 1000**3
"""Bytes of one blob up to which High priority may finish within an hour."""
STANDARD_HOURS, HIGH_HOURS, EARLY_DELETION_DAYS = 15, 1, 180


def archive_lines(surveys: Sequence[ContainerSurvey], mode: str) -> list[str]:
    """What `govlift plan` says of archived blobs; nothing where there are none.

    Args:
        surveys: of the containers that the plan copies.
        mode: `copy.archive`.
    """
    held = [one for one in surveys if one.traits.get(traits.ARCHIVED)]
    if not held:
        return []
    lines = ["", "Archived blobs"]
    for account in sorted({one.account for one in held}):
        counts = traits.added(one.traits for one in held if one.account == account)
        number, size = counts[traits.ARCHIVED], counts[traits.ARCHIVED_BYTES]
        fits = counts[traits.ARCHIVED_LARGEST] < HIGH_BELOW
        quick = f"under {HIGH_HOURS} hour" if fits else f"under {HIGH_HOURS} hour only for those below 10 GB"
        lines += [
            f"  {account}: {number:,} blobs, {size / 2**30:,.2f} GiB",
            f"    online after up to {STANDARD_HOURS} hours (Standard priority), {quick} (High priority)",
            f"    billed: retrieval of {size / 1000**3:,.2f} GB, {number:,} tier changes at the source; for those "
            f"younger than {EARLY_DELETION_DAYS} days in the archive the rest of that time",
        ]
    if mode != "rehydrate":
        return [*lines, '  They are left out. To move them, set archive = "rehydrate" in [copy] and plan again.']
    lines.append("  Their owner brings them online; govlift changes nothing at the source. For each container:")
    for one in sorted(held, key=lambda one: (one.account, one.container)):
        lines += [f"    {line}" for line in commands(one.account, one.container)]
    return [*lines, "  Then run `govlift resync --apply`: what is online is copied, proved, and archived again there."]


def commands(account: str, container: str) -> list[str]:
    """The az commands that list the archived blobs of a container and bring them online."""
    where = f"--account-name {account} --container-name '{container}' --auth-mode login"
    listed = f"archived-{account}-{container.strip('$')}.txt"
    return [
        f"az storage blob list {where} --num-results '*' --query \"[?properties.blobTier=='Archive'].name\" -o tsv"
        f" > {listed}",
        f'while IFS= read -r name; do az storage blob set-tier {where} --name "$name" --tier Hot'
        f" --rehydrate-priority Standard; done < {listed}",
    ]
