"""What a copy of this very estate cannot keep, counted, and said before the start. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mappings import traits
from mappings.account_settings import AccountDetails
from mappings.model import ContainerSurvey
from mappings.settings import Copy


def counted_losses(
    surveys: Sequence[ContainerSurvey], details: Mapping[str, AccountDetails], copy: Copy
) -> tuple[str, ...]:
    """One line for each loss that this estate really has, with its number.

    Args:
        surveys: of the containers that the plan copies.
        details: settings of their accounts, by account.
    """
    lines: list[str] = []
    for account in sorted({one.account for one in surveys}):
        of_account = [one for one in surveys if one.account == account]
        counts = traits.added(one.traits for one in of_account)
        lines += _lines(account, counts, sum(one.snapshots for one in of_account), details.get(account), copy)
    return tuple(lines)


def _lines(
    account: str, counts: Mapping[str, int], snapshots: int, details: AccountDetails | None, copy: Copy
) -> list[str]:
    def number(trait: str) -> str:
        return f"{counts[trait]:,}"

    replayed = details is not None and details.versioning and copy.versions == "all"
    lines = []
    if snapshots:
        lines.append(f"{account}: {snapshots:,} snapshots get new snapshot times; content and order are kept.")
    if counts.get(traits.VERSIONS):
        what = "get new version ids; content and order are kept" if replayed else "are not copied"
        lines.append(f"{account}: {number(traits.VERSIONS)} previous versions {what}.")
    elif details is not None and details.versioning and copy.versions == "current":
        lines.append(f'{account}: previous versions are not copied and were not counted (copy.versions is "current").')
    if counts.get(traits.DELETED):
        lines.append(
            f"{account}: {number(traits.DELETED)} deleted names have previous versions only; they stay out, because "
            "a copy would bring back what was deleted."
        )
    if counts.get(traits.LEASED):
        lines.append(f"{account}: {number(traits.LEASED)} blobs are leased; the copies have no lease.")
    if counts.get(traits.ARCHIVED):
        size = counts[traits.ARCHIVED_BYTES] / 2**30
        do = "are left out" if copy.archive == "exclude" else "wait for rehydration at the source"
        lines.append(f"{account}: {number(traits.ARCHIVED)} archived blobs ({size:,.2f} GiB) {do}.")
    if counts.get(traits.COMING):
        lines.append(
            f"{account}: {number(traits.COMING)} blobs are on their way out of the archive; a re-sync takes them."
        )
    if counts.get(traits.KEYED):
        under = "those that copy.target_keys names" if copy.target_keys else "the target account's own keys"
        lines.append(
            f"{account}: {number(traits.KEYED)} blobs are under customer-provided keys; those without a key in "
            f"copy.customer_keys are left out, and the copies of the others are under {under}."
        )
    if counts.get(traits.HELD):
        lines.append(
            f"{account}: {number(traits.HELD)} blobs have a retention date or legal hold of their own (version-level "
            "immutability), which is reported per object and not set."
        )
    if counts.get(traits.DIRECTORIES):
        lines.append(
            f"{account}: {number(traits.DIRECTORIES)} directories arrive; POSIX access lists do not, because "
            "they name identities of the source's tenant."
        )
    if details is not None and details.last_access:
        lines.append(f"{account}: last access times begin anew; lifecycle rules that use them wait accordingly.")
    return lines
