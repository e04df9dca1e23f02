"""Order in directed graphs: what goes first, and which needs are cut where they run in a circle. Knows no Azure."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Weights = Mapping[tuple[str, str], int]
"""(who needs, what is needed) -> how many references say so."""


@dataclass(frozen=True, slots=True)
class Order:
    """An order in which everything comes after what it needs, apart from the needs that were cut."""

    names: tuple[str, ...]
    cut: tuple[tuple[str, str], ...]
    """(who needs, what is needed): these run in a circle, and the second comes later all the same."""


def ordered(names: Iterable[str], needs: Weights, rank: Mapping[str, int]) -> Order:
    """Put `names` in order; needs are cut only inside circles, the lightest as far as a greedy choice finds them.

    The circles are the strongly connected components (Kosaraju 1978, Sharir 1981); inside one the order is the greedy
    one of Eades, Lin and Smyth (1993): what has the most behind it and the least before it comes next. The result
    depends on names and weights only, not on the order in which they are given.

    Args:
        rank: smaller comes first where the needs leave the choice.
    """
    known = sorted(names)
    before: defaultdict[str, set[str]] = defaultdict(set)
    after: defaultdict[str, set[str]] = defaultdict(set)
    for needing, needed in needs:
        if needing != needed:
            before[needing].add(needed)
            after[needed].add(needing)
    home: dict[str, int] = {}
    for number, circle in enumerate(_circles(known, before, after)):
        for name in circle:
            home[name] = number
    inner: dict[int, list[str]] = defaultdict(list)
    for name in known:
        inner[home[name]].append(name)
    place = dict.fromkeys(known, 0)
    for members in inner.values():
        if len(members) > 1:
            for position, name in enumerate(_greedy(members, needs, before, after, rank)):
                place[name] = position
    cut = {
        (needing, needed)
        for needing, needed in needs
        if needing != needed and home[needing] == home[needed] and place[needed] > place[needing]
    }
    return Order(tuple(_topological(known, before, after, cut, rank)), tuple(sorted(cut)))


def levels(names: Iterable[str], needs: Iterable[tuple[str, str]], floor: Mapping[str, int]) -> dict[str, int]:
    """The smallest level of each name that is above the level of all it needs and not below its floor.

    Args:
        names: in an order in which everything comes after what it needs.
    """
    before: defaultdict[str, list[str]] = defaultdict(list)
    for needing, needed in needs:
        before[needing].append(needed)
    level: dict[str, int] = {}
    for name in names:
        level[name] = max([floor.get(name, 0), *(level[needed] + 1 for needed in before[name])])
    return level


def _circles(known: list[str], before: Mapping[str, set[str]], after: Mapping[str, set[str]]) -> list[list[str]]:
    """Strongly connected components, without recursion."""
    finished: list[str] = []
    seen: set[str] = set()
    for start in known:
        if start in seen:
            continue
        seen.add(start)
        stack = [(start, iter(sorted(after.get(start, ()))))]
        while stack:
            name, rest = stack[-1]
            following = next((one for one in rest if one not in seen), None)
            if following is None:
                finished.append(name)
                stack.pop()
            else:
                seen.add(following)
                stack.append((following, iter(sorted(after.get(following, ())))))
    circles: list[list[str]] = []
    taken: set[str] = set()
    for start in reversed(finished):
        if start in taken:
            continue
        taken.add(start)
        circle, open_ = [start], [start]
        while open_:
            for one in before.get(open_.pop(), ()):
                if one not in taken:
                    taken.add(one)
                    circle.append(one)
                    open_.append(one)
        circles.append(circle)
    return circles


def _greedy(
    members: list[str],
    needs: Weights,
    before: Mapping[str, set[str]],
    after: Mapping[str, set[str]],
    rank: Mapping[str, int],
) -> list[str]:
    inside = set(members)

    def key(name: str) -> tuple[int, int, str]:
        # Negative, since the heap gives the smallest: rank first, then least before it and most behind it.
        return rank.get(name, 0), weight_before[name] - weight_after[name], name

    weight_before = {n: sum(needs[n, m] for m in before.get(n, ()) if m in inside) for n in members}
    weight_after = {n: sum(needs[m, n] for m in after.get(n, ()) if m in inside) for n in members}
    heap = [key(name) for name in members]
    heapq.heapify(heap)
    out: list[str] = []
    left = set(members)
    while heap:
        entry = heapq.heappop(heap)
        name = entry[2]
        if name not in left or entry != key(name):
            continue
        left.remove(name)
        out.append(name)
        for one in after.get(name, ()):
            if one in left:
                weight_before[one] -= needs[one, name]
                heapq.heappush(heap, key(one))
        for one in before.get(name, ()):
            if one in left:
                weight_after[one] -= needs[name, one]
                heapq.heappush(heap, key(one))
    return out


def _topological(
    known: list[str],
    before: Mapping[str, set[str]],
    after: Mapping[str, set[str]],
    cut: set[tuple[str, str]],
    rank: Mapping[str, int],
) -> list[str]:
    open_ = {name: sum((name, one) not in cut for one in before.get(name, ())) for name in known}
    heap = [(rank.get(name, 0), name) for name in known if not open_[name]]
    heapq.heapify(heap)
    out: list[str] = []
    while heap:
        _, name = heapq.heappop(heap)
        out.append(name)
        for one in after.get(name, ()):
            if (one, name) not in cut:
                open_[one] -= 1
                if not open_[one]:
                    heapq.heappush(heap, (rank.get(one, 0), one))
    return out
