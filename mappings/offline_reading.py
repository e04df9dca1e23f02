"""What one exported file gave: resources, gaps, and an account of every entry. Filled by the readers of each shape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from mappings.model import FileRead, Gap, Resource, Subscription

REMEDY = "Export it again as JSON, e.g. with `az graph query` or `az resource list`."
NAMED_ONE_BY_ONE = 20
"""Unreadable entries of a file that have a gap of their own; those after them share one for each reason."""
_NO_INVENTORY = frozenset(("BrokenEntry", "NoType", "NotRecognised"))


_GOVERNANCE = frozenset((
    "microsoft.authorization/roleassignments", "microsoft.authorization/policyassignments",
    "microsoft.authorization/locks", "microsoft.authorization/denyassignments",
    "microsoft.authorization/classicadministrators",
))  # fmt: skip
_SUBSCRIPTION = "microsoft.resources/subscriptions"
_SCOPES = frozenset((
    "microsoft.resources/resourcegroups", "microsoft.resources/subscriptions/resourcegroups", _SUBSCRIPTION,
))  # fmt: skip


def governs(one: Resource) -> bool:
    """Whether an entry rules resources and is none of the estate, as Azure itself keeps it apart from its resources.

    Definitions (of roles and policies) are made anew in the target, as resources are, and count as such.
    """
    return one.type.lower() in _GOVERNANCE


def holds(one: Resource) -> bool:
    """Whether an entry is a resource group or subscription of the source: it holds resources and is none.

    One that a template would make, which has no id in a subscription yet, is judged as a resource.
    """
    return one.type.lower() in _SCOPES and one.id.lower().startswith("/subscriptions/")


def is_subscription(one: Resource) -> bool:
    """Whether an entry is a subscription."""
    return holds(one) and one.type.lower() == _SUBSCRIPTION


@dataclass(frozen=True, slots=True)
class Grid:
    """One table: a CSV file or a worksheet."""

    name: str
    """Name of the worksheet; "" for a CSV file."""
    rows: Sequence[tuple[int, Sequence[str]]]
    """Line or row number in the file (from 1) -> its cells. A cell that is no text was made text."""
    problems: tuple[tuple[str, str], ...] = ()
    """Place and reason of every part that could not be read."""


@dataclass(frozen=True, slots=True)
class Export:
    """One file as it was found on disk or in an archive, not yet understood."""

    name: str
    text: str | None = None
    """Content of a text file that is no table."""
    grids: tuple[Grid, ...] = ()
    notes: tuple[str, ...] = ()
    """What had to be done to read it, e.g. another encoding than UTF-8."""
    refusal: tuple[str, str, str] | None = None
    """Why it cannot be read, code, and what to do; None where it can."""
    chance_find: bool = False
    """True where a folder or archive was named and this file lay in it: then it need not be an inventory."""


@dataclass(slots=True)
class Reading:
    """One file while it is read."""

    file: str
    chance_find: bool = False
    shape: str = ""
    entries: int = 0
    unread: int = 0
    duplicates: int = 0
    resources: list[Resource] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    clouds: Counter[str] = field(default_factory=Counter)
    """Names of clouds that the file itself gives (`cloudName` of `az account list`)."""
    template_ids: set[str] = field(default_factory=set)
    """Made ids of template resources, in lower case."""
    named: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Portal name and the type it was taken for -> entries."""
    left: Counter[str] = field(default_factory=Counter)
    """Reason -> entries that are no resource of the estate."""
    _left_names: dict[str, list[str]] = field(default_factory=dict)
    _repeated: dict[tuple[str, str, str, str], list[str]] = field(default_factory=dict)
    _page_entries: int = 0
    _page_total: int | None = None
    _page_more: bool = False

    def is_a(self, shape: str) -> None:
        """Say what the file was taken for; a file may hold several shapes."""
        if shape not in self.shape.split("; "):
            self.shape = f"{self.shape}; {shape}" if self.shape else shape

    def gap(self, place: str, what: str, why: str, code: str, remedy: str = REMEDY) -> None:
        scope = f"{self.file}, {place}" if place else self.file
        self.gaps.append(Gap(scope=scope, what=what, why=why, code=code, remedy=remedy))

    def lost(self, place: str, what: str, why: str, code: str, remedy: str = REMEDY) -> None:
        """An entry that could not be read: counted, and named as a gap."""
        self.entries += 1
        self.unread += 1
        if self.unread > NAMED_ONE_BY_ONE:
            self.alike(place, "This entry.", why, code, remedy)
        else:
            self.gap(place, what, why, code, remedy)

    def alike(self, place: str, what: str, why: str, code: str, remedy: str = REMEDY) -> None:
        """Something that is missing in the same way from many entries: one gap for all of them."""
        self._repeated.setdefault((what, why, code, remedy), []).append(place)

    def leave_out(self, why: str, name: str) -> None:
        """An entry that is understood, and is no resource of the estate."""
        self.entries += 1
        self.left[why] += 1
        self._left_names.setdefault(why, []).append(name)

    def page(self, count: int, total: int | None, *, more: bool) -> None:
        """One page of a longer answer; whether pages are missing shows at the end of the file."""
        self._page_entries += count
        self._page_more = more
        if total is not None:
            self._page_total = max(total, self._page_total or 0)

    def forget_chance_find(self) -> None:
        """Where a file that only lay in a folder holds nothing that looks like a resource, it is no inventory."""
        codes = {gap.code for gap in self.gaps} | {key[2] for key in self._repeated}
        if self.chance_find and self.unread and not self.resources and not self.left and codes <= _NO_INVENTORY:
            why = self.gaps[0].why if self.gaps else "nothing in it is a resource"
            self.notes.append(f"not an inventory: none of its {self.entries:,} entries is a resource; the first: {why}")
            self.entries = self.unread = 0
            self.shape = ""
            self.gaps.clear()
            self._repeated.clear()

    def close(self) -> None:
        """Turn what was collected into gaps and notes; called once, after the last entry."""
        for (what, why, code, remedy), places in self._repeated.items():
            first = ", ".join(places[:5]) + (", ..." if len(places) > 5 else "")
            told = f"{what} ({len(places):,} times)" if len(places) > 1 else what
            self.gap(first, told, why, code, remedy)
        for why, names in self._left_names.items():
            shown = ", ".join(names[:10]) + (f" and {len(names) - 10:,} more" if len(names) > 10 else "")
            self.notes.append(f"{len(names):,} left out, {why}: {shown}")
        if self.named:
            types = [f"{name} = {kind} ({count:,})" for (name, kind), count in sorted(self.named.items())]
            more = f" and {len(types) - 20} more" if len(types) > 20 else ""
            self.notes.append(f"types by the names of the portal: {', '.join(types[:20])}{more}")
        known = self._page_total
        if known is not None and known > self._page_entries:
            missing = f"{self._page_entries:,} entries are in the file, {known:,} in all"
        elif self._page_more and known is None:
            missing = f"the last page of {self._page_entries:,} entries names a further one"
        else:
            return
        self.gap("", "Resources on further pages.", missing, "OnePageOnly",
                 "Export all pages, e.g. with `az graph query --first 1000` and its skip token.")  # fmt: skip

    def account(self) -> FileRead:
        """Where every entry of the file went."""
        governance = sum(map(governs, self.resources))
        scopes = sum(map(holds, self.resources))
        return FileRead(
            name=self.file,
            shape=self.shape,
            entries=self.entries,
            resources=len(self.resources) - governance - scopes,
            governance=governance,
            scopes=scopes,
            duplicates=self.duplicates,
            left_out=self.left.total(),
            unread=self.unread,
            gaps=len(self.gaps),
            notes=tuple(self.notes),
        )
