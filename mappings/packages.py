"""Migration packages: which resources move together, in which order, and what stands in their way.

How packages are made, and why:

1. A resource group is the unit in which its owners already make, change and delete things (Cloud Adoption Framework:
   "resources in a group share a lifecycle"), so a package begins as one group.
2. What serves several groups is split off: a foundation type (network, identity, keys, names, images, monitoring) that
   two or more other groups use, anything else that three or more use, and the foundation types of a hub (a group with a
   gateway, firewall or circuit), each with what it needs of its own group. Otherwise one hub network or one workspace
   would tie the whole estate into a single package, or the network would come last.
3. Groups are joined where a reference between them cannot work across two clouds (a machine and its disks, a site and
   its plan), and a group that a service manages goes with that service.
4. Between packages only an order is left. Needs that run in a circle are cut inside that circle, and each cut is named.

Every resource is in exactly one package. The result does not depend on the order of the inventory.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mappings.dependencies import Dependencies, EdgeKind, parent_of
from mappings.model import Inventory, Resource, Verdict
from mappings.movetables import Coupling
from mappings.ordering import levels, ordered
from mappings.states import VerdictKind

SHARED_BY = 3
"""A resource that this many other groups use is split off, whatever its type."""
FOUNDATION_SHARED_BY = 2
"""The same for foundation types."""

_SPLIT = "#shared"
_FILLERS = str.maketrans("", "", "-_ ")


class Stage(StrEnum):
    """What a package is for; the stages come one after the other."""

    FOUNDATION = "foundation"
    DATA = "data"
    APPLICATIONS = "applications"


STAGES = tuple(Stage)


class Standing(StrEnum):
    """Whether a package can be moved as things are."""

    CLEAR = "clear"
    OPEN = "open"
    """Nothing blocks it, but some of its resources have no verdict yet."""
    WAITS = "waits"
    """It uses resources of other packages that are blocked."""
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Package:
    """Resources that move together."""

    name: str
    stage: Stage
    wave: int
    """From 1."""
    members: tuple[int, ...]
    """Positions in `Inventory.resources`, in order of id."""
    groups: tuple[str, ...]
    """Names of the resource groups that it is made of."""
    why: str
    """How it came to be."""
    needs: tuple[str, ...]
    """Packages that come before it because it uses them."""
    blocked: tuple[int, ...]
    """Members whose verdict is blocked."""
    unknown: tuple[int, ...]
    waits_for: tuple[int, ...]
    """Blocked resources of other packages that its members use."""

    @property
    def standing(self) -> Standing:
        if self.blocked:
            return Standing.BLOCKED
        if self.waits_for:
            return Standing.WAITS
        return Standing.OPEN if self.unknown else Standing.CLEAR


@dataclass(frozen=True, slots=True)
class Cut:
    """A need that the order does not keep, because the packages need each other in a circle."""

    package: str
    needs: str
    """Comes later, or in the same wave."""
    references: int
    example: str
    """One of the references, for a reader."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What packages keep of one resource: the inventory itself may lie on disk and is gone through once."""

    id: str
    name: str
    type: str
    resource_group: str
    subscription_id: str
    application: str
    """Value of its application tag, "" where it has none."""

    @property
    def short(self) -> str:
        return f"{self.type.rpartition('/')[2]} {self.name.rpartition('/')[2]}"

    @property
    def cell(self) -> str:
        """The id of its resource group in lower case, else of its subscription."""
        scope = f"/subscriptions/{self.subscription_id.lower()}"
        return f"{scope}/resourcegroups/{self.resource_group.lower()}" if self.resource_group else scope


@dataclass(frozen=True, slots=True)
class Packages:
    """Every package of an inventory, by wave, then in the order in which they are cut over."""

    packages: tuple[Package, ...]
    cuts: tuple[Cut, ...]
    package_of: tuple[str, ...]
    """For every position of the inventory the name of its package."""
    units: tuple[Unit, ...]
    """For every position of the inventory what the tables show of it."""

    def wave(self, number: int) -> tuple[Package, ...]:
        return tuple(package for package in self.packages if package.wave == number)

    @property
    def waves(self) -> tuple[int, ...]:
        return tuple(sorted({package.wave for package in self.packages}))


def make_packages(
    inventory: Inventory, verdicts: Sequence[Verdict], found: Dependencies, coupling: Coupling
) -> Packages:
    """Group an inventory into migration packages and put them in order.

    Args:
        verdicts: of these resources, in any order; a resource without one counts as unknown.
        found: its dependencies.
    """
    return _Maker(inventory, verdicts, found, coupling).make()


class _Maker:
    """One making of packages. Pieces are named by text that does not depend on positions."""

    def __init__(
        self, inventory: Inventory, verdicts: Sequence[Verdict], found: Dependencies, coupling: Coupling
    ) -> None:
        tags = coupling.app_tags
        self._units = tuple(_unit(resource, tags) for resource in inventory.resources)
        self._found = found
        self._coupling = coupling
        self._ids = [unit.id.lower() for unit in self._units]
        self._types = [unit.type.lower() for unit in self._units]
        self._kinds = {verdict.resource_id.lower(): verdict.verdict for verdict in verdicts}
        self._subscriptions = {s.id.lower(): s.name or s.id for s in inventory.subscriptions}
        known = {one: n for n, one in enumerate(self._ids)}
        self._root = [self._top_of(n, known) for n in range(len(self._ids))]
        self._cell = [unit.cell for unit in self._units]
        for n, root in enumerate(self._root):
            self._cell[n] = self._cell[root]
        self._sets_order = _order_rules(coupling)

    def make(self) -> Packages:
        shared = self._serving_several()
        pieces = self._split(shared)
        joined, reasons = self._join(pieces, shared)
        members: defaultdict[str, list[int]] = defaultdict(list)
        for n, piece in enumerate(pieces):
            members[joined.top(piece)].append(n)
        names = self._names(members)
        home = [names[joined.top(piece)] for piece in pieces]
        split = frozenset(name for piece, name in names.items() if piece.endswith(_SPLIT))
        why = {
            names[piece]: self._why(reasons.get(piece), n, split=piece.endswith(_SPLIT)) for piece, n in members.items()
        }
        return self._in_order({names[piece]: n for piece, n in members.items()}, home, why, split)

    # --- which resources belong together ---

    def _top_of(self, n: int, known: Mapping[str, int]) -> int:
        above = parent_of(self._ids[n], known)
        while above is not None and above != n:
            n, above = above, parent_of(self._ids[above], known)
        return n

    def _serving_several(self) -> frozenset[int]:
        """The top-level resources that several other groups use."""
        users: defaultdict[int, set[str]] = defaultdict(set)
        for edge in self._found.edges:
            if edge.kind is not EdgeKind.CONTAINS and self._orders(edge.source, edge.via):
                root = self._root[edge.target]
                if self._cell[edge.source] != self._cell[root]:
                    users[root].add(self._cell[edge.source])
        return frozenset(
            root
            for root, cells in users.items()
            if len(cells) >= (FOUNDATION_SHARED_BY if self._is_foundation(root) else SHARED_BY)
        )

    def _split(self, shared: frozenset[int]) -> list[str]:
        """The piece of each resource: its group, or that part of its group which has to be there before others."""
        roots = set(self._root)
        hubs = {self._cell[root] for root in roots if self._types[root] in self._coupling.hub}
        first = shared | {root for root in roots if self._cell[root] in hubs and self._is_foundation(root)}
        needs: defaultdict[int, set[int]] = defaultdict(set)
        for edge in self._found.edges:
            if edge.kind is not EdgeKind.CONTAINS and self._orders(edge.source, edge.via):
                one, other = self._root[edge.source], self._root[edge.target]
                if self._cell[one] == self._cell[other]:
                    needs[one].add(other)
        # What they need of their own group (the address of a gateway) comes with them.
        early, open_ = set(first), sorted(first)
        while open_:
            for other in needs[open_.pop()] - early:
                early.add(other)
                open_.append(other)
        # A group that would leave only foundation types behind stays whole.
        mixed = {self._cell[root] for root in roots if root not in early and not self._is_foundation(root)}
        return [
            self._cell[n] + _SPLIT if root in early and self._cell[n] in mixed else self._cell[n]
            for n, root in enumerate(self._root)
        ]

    def _join(self, pieces: list[str], shared: frozenset[int]) -> tuple[_Sets, dict[str, list[str]]]:
        joined = _Sets()
        reasons: defaultdict[str, list[str]] = defaultdict(list)
        hard = {(rule.from_, to): rule.why for rule in self._coupling.hard for to in rule.to}
        for edge in self._found.edges:
            one, other = pieces[edge.source], pieces[edge.target]
            if edge.kind is not EdgeKind.USES or one == other or self._root[edge.target] in shared:
                continue
            source, target = self._types[edge.source], self._types[edge.target]
            why = hard.get((source, target)) or hard.get((source, "*"))
            if why:
                joined.join(one, other)
                reasons[one].append(f"{self._units[edge.source].short} uses {self._units[edge.target].short}: {why}")
        present = {piece.partition("#")[0]: piece for piece in sorted(pieces, reverse=True)}
        for manager, group in self._found.managed:
            if group in present and pieces[manager] != present[group]:
                joined.join(pieces[manager], present[group])
                reasons[pieces[manager]].append(
                    f"{self._units[manager].short} manages the resource group {group.rpartition('/')[2]}"
                )
        gathered: defaultdict[str, list[str]] = defaultdict(list)
        for piece, told in sorted(reasons.items()):
            gathered[joined.top(piece)] += sorted(told)
        return joined, gathered

    # --- names ---

    def _names(self, members: Mapping[str, list[int]]) -> dict[str, str]:
        wanted = {piece: self._wanted_name(piece, n) for piece, n in members.items()}
        several = Counter(name.lower() for name in wanted.values())
        names: dict[str, str] = {}
        taken: set[str] = set()
        for piece in sorted(members):
            name = wanted[piece]
            if several[name.lower()] > 1:
                name = f"{name} ({self._subscription_of(piece)})"
            # Two groups of one application in one subscription: a number keeps them apart.
            number, first = 2, name
            while name.lower() in taken:
                name, number = f"{first} {number}", number + 1
            taken.add(name.lower())
            names[piece] = name
        return names

    def _wanted_name(self, piece: str, members: list[int]) -> str:
        roots = [n for n in members if self._root[n] == n] or members
        if piece.endswith(_SPLIT):
            return f"shared of {self._group_name(members)}"
        values = [value for n in roots if (value := self._units[n].application)]
        counted = Counter(value.lower() for value in values)
        best = min(counted, key=lambda one: (-counted[one], one)) if counted else ""
        if best and counted[best] * 2 > len(roots):
            return min(value for value in values if value.lower() == best)
        return self._group_name(members)

    def _group_name(self, members: list[int]) -> str:
        counted = Counter(self._cell[n] for n in members)
        largest = min(counted, key=lambda cell: (-counted[cell], cell))
        spelt = sorted({self._units[n].resource_group for n in members if self._cell[n] == largest})
        return (spelt[0] if spelt else "") or self._subscription_of(largest)

    def _subscription_of(self, piece: str) -> str:
        parts = piece.split("/")
        return self._subscriptions.get(parts[2], parts[2]) if len(parts) > 2 else "no subscription"

    def _why(self, reasons: list[str] | None, members: list[int], *, split: bool) -> str:
        groups = sorted({self._units[n].resource_group for n in members if self._units[n].resource_group})
        if reasons:
            more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
            return f"{len(groups)} resource groups that move at one moment: {reasons[0]}{more}."
        if split:
            return f"Split off from {', '.join(groups[:3])}: others build on it, so it is made before them."
        return f"Resource group {groups[0]}." if groups else "Resources without a resource group."

    # --- order ---

    def _orders(self, source: int, via: str) -> bool:
        paths = self._sets_order.get(self._types[source])
        if paths is None:
            return True
        return bool(paths) and not any(via == path or via.startswith(path + ".") for path in paths)

    def _is_foundation(self, root: int) -> bool:
        return self._types[root] in self._coupling.foundation

    def _stage(self, members: list[int], *, split: bool) -> Stage:
        if split and any(self._is_foundation(n) for n in members):
            return Stage.FOUNDATION
        rest = [n for n in members if self._root[n] == n and not self._is_foundation(n)]
        if not rest:
            return Stage.FOUNDATION
        stores = all(self._types[n].partition("/")[0] in self._coupling.stores for n in rest)
        return Stage.DATA if stores else Stage.APPLICATIONS

    def _in_order(
        self, members: dict[str, list[int]], home: list[str], why: Mapping[str, str], split: frozenset[str]
    ) -> Packages:
        references, examples, waits = self._between(home)
        stage = {name: STAGES.index(self._stage(n, split=name in split)) for name, n in members.items()}
        order = ordered(members, references, stage)
        cut = set(order.cut)
        kept = sorted(pair for pair in references if pair not in cut)
        # What a package of an early stage needs belongs to that stage itself.
        needed_by: defaultdict[str, list[str]] = defaultdict(list)
        for needing, needed in kept:
            needed_by[needed].append(needing)
        for name in reversed(order.names):
            stage[name] = min([stage[name], *(stage[one] for one in needed_by[name])])
        level = self._levels(order.names, kept, stage)
        numbers = {key: n for n, key in enumerate(sorted({(stage[m], level[m]) for m in members}), start=1)}
        needs: defaultdict[str, list[str]] = defaultdict(list)
        for needing, needed in kept:
            needs[needing].append(needed)
        packages = [
            self._package(
                name, members[name], STAGES[stage[name]], numbers[stage[name], level[name]], why[name],
                tuple(needs[name]), tuple(sorted(waits[name], key=lambda n: self._ids[n])),
            )
            for name in order.names
        ]  # fmt: skip
        packages.sort(key=lambda package: package.wave)
        cuts = tuple(Cut(one, other, references[one, other], examples[one, other]) for one, other in order.cut)
        return Packages(tuple(packages), cuts, tuple(home), self._units)

    @staticmethod
    def _levels(names: Sequence[str], kept: list[tuple[str, str]], stage: Mapping[str, int]) -> dict[str, int]:
        inside = [(one, other) for one, other in kept if stage[one] == stage[other]]
        return levels(names, inside, {})

    def _between(
        self, home: list[str]
    ) -> tuple[dict[tuple[str, str], int], dict[tuple[str, str], str], defaultdict[str, set[int]]]:
        references: Counter[tuple[str, str]] = Counter()
        examples: dict[tuple[str, str], str] = {}
        waits: defaultdict[str, set[int]] = defaultdict(set)
        for edge in self._found.edges:
            one, other = home[edge.source], home[edge.target]
            if one == other or edge.kind is EdgeKind.CONTAINS or not self._orders(edge.source, edge.via):
                continue
            references[one, other] += 1
            source, target = self._units[edge.source], self._units[edge.target]
            told = f"{source.short} names {target.short} in {edge.via}"
            examples[one, other] = min(told, examples.get((one, other), told))
            if self._kind(edge.target) is VerdictKind.BLOCKED:
                waits[one].add(edge.target)
        return dict(references), examples, waits

    def _kind(self, n: int) -> VerdictKind:
        return self._kinds.get(self._ids[n], VerdictKind.UNKNOWN)

    def _package(
        self,
        name: str,
        members: list[int],
        stage: Stage,
        wave: int,
        why: str,
        needs: tuple[str, ...],
        waits: tuple[int, ...],
    ) -> Package:
        inside = tuple(sorted(members, key=lambda n: self._ids[n]))
        groups = sorted({self._units[n].resource_group for n in inside if self._units[n].resource_group})
        return Package(
            name=name,
            stage=stage,
            wave=wave,
            members=inside,
            groups=tuple(groups),
            why=why,
            needs=needs,
            blocked=tuple(n for n in inside if self._kind(n) is VerdictKind.BLOCKED),
            unknown=tuple(n for n in inside if self._kind(n) is VerdictKind.UNKNOWN),
            waits_for=waits,
        )


class _Sets:
    """Disjoint sets of texts; the smallest text stands for its set, whatever the order of joining."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}

    def top(self, name: str) -> str:
        while (above := self._above.get(name, name)) != name:
            self._above[name] = self._above.get(above, above)
            name = above
        return name

    def join(self, one: str, other: str) -> None:
        first, second = sorted((self.top(one), self.top(other)))
        self._above[second] = first


def _unit(resource: Resource, app_tags: Sequence[str]) -> Unit:
    tags = {key.lower().translate(_FILLERS): value for key, value in resource.tags.items()}
    application = next((str(tags[key]).strip() for key in app_tags if str(tags.get(key) or "").strip()), "")
    return Unit(
        resource.id, resource.name, resource.type, resource.resource_group, resource.subscription_id, application
    )


def _order_rules(coupling: Coupling) -> dict[str, tuple[str, ...]]:
    """Type -> paths whose references set no order; an empty tuple stands for all of them."""
    rules: dict[str, tuple[str, ...]] = {}
    for rule in coupling.no_order:
        for kind in rule.types:
            rules[kind] = (*rules.get(kind, ()), *rule.paths)
    return rules
