"""Names in the target: valid, deterministic, and as close to the source's as the target allows.

Sources: ARM, Microsoft.Storage and Microsoft.Resources in "Naming rules and restrictions for Azure resources" (Learn,
azure-resource-manager/management/resource-name-rules): storage accounts 3-24 lower-case letters and digits, unique in
the cloud; resource groups 1-90 word characters, parentheses, hyphens and periods, no period at the end.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from mappings.errors import FixTheInput

_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_LONGEST_ACCOUNT = 24
_LONGEST_GROUP = 90
_TRIES = 25
"""More names than this are taken only if the check itself is wrong."""


def is_account_name(name: str) -> bool:
    """Whether ARM takes `name` for a storage account."""
    return _ACCOUNT.fullmatch(name) is not None


def candidates(source: str, source_id: str = "") -> Iterator[str]:
    """Names to try for the target of storage account `source`, best first, all valid, none twice, without end.

    The name itself (the target has another DNS suffix, so it is often free), then with "gov", then with a short hash.

    Args:
        source: the source account's name.
        source_id: its ARM id, which makes the hash its own; `source` where it is not known.
    """
    base = re.sub(r"[^a-z0-9]", "", source.lower())
    given: set[str] = set()
    for name in itertools.chain(_readable(base), _hashed(base, source_id or source)):
        if name not in given and is_account_name(name):
            given.add(name)
            yield name


def target_account_name(source: str, source_id: str, is_free: Callable[[str], bool]) -> str:
    """The first candidate that `is_free` accepts.

    Raises:
        FixTheInput: none of the first 25 is free.
    """
    for name in itertools.islice(candidates(source, source_id), _TRIES):
        if is_free(name):
            return name
    raise FixTheInput(
        f"No free name was found in the target for storage account {source} ({_TRIES} were tried).",
        next_step="Choose one yourself: set it in migration.toml under [target.account_names].",
    )


def resource_group_names(
    groups: Iterable[tuple[str, str]], prefix: str, chosen: Mapping[str, str] | None = None
) -> Mapping[str, str]:
    """Target name of every source resource group, distinct without regard to case.

    Args:
        groups: (ARM id, name) of each. Two subscriptions may hold groups of one name; the first id keeps it.
        prefix: `target.resource_group_prefix`, may be "".
        chosen: `target.group_names`, source name -> the customer's own name, which takes no prefix.
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    own = {source.lower(): name for source, name in (chosen or {}).items()}
    for group_id, name in sorted(groups, key=lambda group: group[0].lower()):
        whole = own.get(name.lower(), prefix + name)
        wanted = _group_name(whole)
        if wanted.lower() in taken:
            wanted = _group_name(whole, ending="-" + _short_hash(group_id.lower()))
        taken.add(wanted.lower())
        names[group_id] = wanted
    return names


def _readable(base: str) -> Iterator[str]:
    yield base
    yield base[: _LONGEST_ACCOUNT - 3] + "gov"


def _hashed(base: str, source_id: str) -> Iterator[str]:
    for count in itertools.count():
        salt = f"#{count}" if count else ""
        mark = _short_hash(source_id.lower() + salt)
        yield base[: _LONGEST_ACCOUNT - len(mark)] + mark


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:6]


def _group_name(name: str, *, ending: str = "") -> str:
    kept = re.sub(r"[^\w().-]", "-", name)[: _LONGEST_GROUP - len(ending)]
    return (kept + ending).rstrip(".") or "group"
