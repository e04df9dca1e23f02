"""What each resource needs of others, read from its own description: ids and host names found anywhere in it.

An ARM id may stand in any property, as a key of `identity.userAssignedIdentities`, or in a tag such as
`hidden-link:/subscriptions/...`; ids are compared without regard to case (ARM, "Resource IDs"). A reference to a child
("subnet s of network v") is a reference to the nearest resource of the inventory above it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mappings.clouds import CLOUDS
from mappings.model import Inventory, Resource
from mappings.movetables import Coupling


class EdgeKind(StrEnum):
    """How one resource needs another; the first of several kinds counts."""

    CONTAINS = "contains"
    """The source is a child of the target."""
    USES = "uses"
    """The source names the target's id."""
    NAMES = "names"
    """The source names a host that is the target's."""


@dataclass(frozen=True, slots=True)
class Edge:
    """`source` needs `target`; both are positions in `Inventory.resources`."""

    source: int
    target: int
    kind: EdgeKind
    via: str
    """Path of the property (or tag) that says so, in lower case."""


@dataclass(frozen=True, slots=True)
class Dangling:
    """A reference to something that the inventory does not have."""

    source: int
    target_id: str
    """The resource that is named, in lower case."""
    via: str
    hint: str
    """Why it may be missing."""


@dataclass(frozen=True, slots=True)
class Dependencies:
    """All references of an inventory; at most one edge from one resource to another."""

    edges: tuple[Edge, ...]
    dangling: tuple[Dangling, ...]
    managed: tuple[tuple[int, str], ...] = ()
    """Resource -> id (lower case) of a resource group that it manages itself."""


_ID = re.compile(
    r"/subscriptions/[^/\s\"'\\]+/(?:resourcegroups/[^/\"'\\]+?/)?providers/[a-z0-9.]+"
    r"(?:/[^/\s\"'\\,;?#&<>{}|\[\]]+)+"
)
_BROKEN = re.compile(r"[\"'\\\n\r?#&<>{}|\[\]]")
_HOST = re.compile(r"[a-z0-9.-]{6,253}")
_SERVICES = ("blob", "file", "queue", "table", "dfs")
_STORAGE = frozenset({"microsoft.storage/storageaccounts", "microsoft.classicstorage/storageaccounts"})
# Role and policy definitions, deployments and locations are named everywhere and are nobody's dependency.
_NO_RESOURCE = ("microsoft.authorization/", "microsoft.resources/", "microsoft.management/", "microsoft.marketplace")
_SHORTEST_ID = 40
"""`/subscriptions/<36>/...` is longer; shorter text is not searched. Test estates with short ids are longer too."""


def find_dependencies(inventory: Inventory, coupling: Coupling) -> Dependencies:
    """Read every reference of an inventory; time and memory follow its size, not its square.

    Args:
        coupling: which paths are back references, which hosts are whose.
    """
    return _Reader(inventory, coupling).read()


def parent_of(resource_id: str, known: Mapping[str, int]) -> int | None:
    """The nearest resource above `resource_id` (lower case) among the known ids; None where there is none."""
    cut = resource_id.rpartition("/")[0]
    return _at_or_above(cut, known)


def _at_or_above(text: str, known: Mapping[str, int]) -> int | None:
    while "/providers/" in text:
        if (found := known.get(text)) is not None:
            return found
        text = text.rpartition("/")[0]
    return None


def strings_in(resource: Resource) -> Iterator[tuple[str, str]]:
    """Every text in properties, identity and tags with its path in lower case; keys that hold an id count as text."""
    stack: list[tuple[str, object]] = [
        ("", resource.properties),
        ("identity", resource.identity),
        ("tags", resource.tags),
    ]
    while stack:
        path, node = stack.pop()
        # The exact type first: an isinstance check against an abstract class costs more than the rest of the walk.
        if type(node) is dict or (type(node) is not list and isinstance(node, Mapping)):
            prefix = f"{path}." if path else ""
            for key, value in node.items():
                if "/" in key:
                    yield path, key
                kind = type(value)
                if isinstance(value, str):
                    yield prefix + key.lower(), value
                elif kind in _PARTS or (kind not in _LEAVES and isinstance(value, (Mapping, Sequence))):
                    stack.append((prefix + key.lower(), value))
        elif isinstance(node, Sequence):
            for value in node:
                kind = type(value)
                if isinstance(value, str):
                    yield path, value
                elif kind in _PARTS or (kind not in _LEAVES and isinstance(value, (Mapping, Sequence))):
                    stack.append((path, value))


_PARTS = frozenset({dict, list, tuple})
_LEAVES = frozenset({int, float, bool, type(None)})
"""What JSON has besides texts, lists and objects."""


class _Reader:
    """One reading of one inventory."""

    def __init__(self, inventory: Inventory, coupling: Coupling) -> None:
        self._resources = inventory.resources
        self._ids = [resource.id.lower() for resource in inventory.resources]
        self._known = {one: n for n, one in enumerate(self._ids)}
        self._back: dict[str, tuple[str, ...]] = {}
        for entry in coupling.back_reference:
            self._back[entry.type] = (*self._back.get(entry.type, ()), *entry.paths)
        self._groups = frozenset(coupling.group_keys)
        self._hosts = self._own_hosts(inventory, coupling)
        self._scanned = {s.id.lower() for s in inventory.subscriptions} or {one.split("/")[2] for one in self._ids}
        self._unlisted = tuple(gap.scope.lower() for gap in inventory.gaps)
        self._edges: dict[tuple[int, int], Edge] = {}
        self._dangling: dict[tuple[int, str], Dangling] = {}
        self._managed: set[tuple[int, str]] = set()

    def read(self) -> Dependencies:
        for n in range(len(self._ids)):
            above = parent_of(self._ids[n], self._known)
            if above is not None and above != n:
                self._edges[n, above] = Edge(n, above, EdgeKind.CONTAINS, "id")
        for n, resource in enumerate(self._resources):
            back = (*self._back.get(resource.type.lower(), ()), *self._back.get("*", ()))
            for path, text in strings_in(resource):
                self._look(n, path, text, back)
        return Dependencies(
            tuple(self._edges[key] for key in sorted(self._edges)),
            tuple(self._dangling[key] for key in sorted(self._dangling)),
            tuple(sorted(self._managed)),
        )

    def _look(self, n: int, path: str, text: str, back: tuple[str, ...]) -> None:
        if len(text) >= _SHORTEST_ID or "/" in text:
            lowered = text.lower()
            if "/providers/" in lowered and "/subscriptions/" in lowered:
                reversed_ = any(path == one or path.startswith(one + ".") for one in back)
                for found in _ids_in(lowered):
                    self._refer(n, found, path, reversed_)
                return
        if path in self._groups:
            self._manages(n, text.lower())
        elif self._hosts and "." in text:
            for word in _HOST.findall(text.lower()):
                target = self._hosts.get(word.strip("."))
                if target is not None:
                    self._add(n, target, EdgeKind.NAMES, path)

    def _refer(self, n: int, found: str, path: str, reversed_: bool) -> None:
        target = _at_or_above(found, self._known)
        if target is None:
            if not reversed_:
                self._miss(n, found, path)
        elif reversed_:
            self._add(target, n, EdgeKind.USES, path)
        else:
            self._add(n, target, EdgeKind.USES, path)

    def _add(self, source: int, target: int, kind: EdgeKind, path: str) -> None:
        # What a resource says of itself, of its children and of its parent is no dependency of its own.
        one, other = self._ids[source], self._ids[target]
        if source == target or one.startswith(other + "/") or other.startswith(one + "/"):
            return
        there = self._edges.get((source, target))
        if there is None or (there.kind is EdgeKind.NAMES and kind is EdgeKind.USES):
            self._edges[source, target] = Edge(source, target, kind, path)

    def _miss(self, n: int, found: str, path: str) -> None:
        named = _top(found)
        if named is None or self._ids[n].startswith(named + "/"):
            return
        self._dangling.setdefault((n, named), Dangling(n, named, path, self._hint(named)))

    def _hint(self, named: str) -> str:
        subscription = named.split("/")[2]
        if subscription not in self._scanned:
            return f"Subscription {subscription} is not part of this inventory."
        if any(named.startswith(scope) for scope in self._unlisted if scope.count("/") >= 4):
            return "Its resource group could not be listed; see what was not scanned."
        return "It was deleted, or the identity may not read it."

    def _manages(self, n: int, text: str) -> None:
        if not text.startswith("/subscriptions/"):
            text = f"{self._ids[n].partition('/resourcegroups/')[0]}/resourcegroups/{text}"
        if text.count("/") == 4 and not self._ids[n].startswith(text + "/"):
            self._managed.add((n, text))

    def _own_hosts(self, inventory: Inventory, coupling: Coupling) -> dict[str, int]:
        paths: dict[str, tuple[str, ...]] = {}
        for entry in coupling.host:
            paths[entry.type] = (*paths.get(entry.type, ()), *entry.paths)
        suffix = CLOUDS[inventory.cloud].storage_suffix if inventory.cloud in CLOUDS else ""
        hosts: dict[str, int] = {}
        for n, resource in enumerate(inventory.resources):
            kind = resource.type.lower()
            for path, text in strings_in(resource) if kind in paths else ():
                if "." in text and any(path == one or path.startswith(one + ".") for one in paths[kind]):
                    for word in _HOST.findall(text.lower()):
                        hosts.setdefault(word.strip("."), n)
            if suffix and kind in _STORAGE:
                # Exported lists often have no properties; the names of storage endpoints follow from the account's.
                for service in _SERVICES:
                    hosts.setdefault(f"{resource.name.lower()}.{service}.{suffix}", n)
        return hosts


def _ids_in(lowered: str) -> list[str]:
    if lowered.startswith("/subscriptions/") and not _BROKEN.search(lowered):
        # The whole text is one id; names may hold blanks and brackets.
        return [lowered.strip().rstrip("/")]
    return [found.rstrip("/.:)") for found in _ID.findall(lowered)]


def _top(found: str) -> str | None:
    """The top-level resource that an id names; None where it names none of a resource group, or no resource at all."""
    parts = found.split("/")
    # "", subscriptions, s, resourcegroups, g, providers, namespace, type, name
    if len(parts) < 9 or parts[3] != "resourcegroups" or parts[5] != "providers":
        return None
    if f"{parts[6]}/{parts[7]}".startswith(_NO_RESOURCE) or parts[7] == "locations":
        return None
    return "/".join(parts[:9])
