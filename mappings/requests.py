"""How many requests a copy takes, by class and side, and which lines of Azure's price list it touches. Pure.

From counts and sizes alone the number of blocks of each object is not known, so every number is a pair: it lies between
the two, whatever the sizes of the single objects. Classes: "Map each REST operation to a price". No prices: those are
the customer's contract.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mappings.states import ProofLevel, Route

PAGE = 5_000
"""Entries of one page of List Blobs (REST, "List Blobs")."""
SOURCES = (
    "https://learn.microsoft.com/azure/storage/blobs/map-rest-apis-transaction-categories",
    "https://azure.microsoft.com/pricing/details/storage/blobs/",
)


@dataclass(frozen=True, slots=True)
class Between:
    """A number that lies between these two, both included."""

    low: int = 0
    high: int = 0

    def __add__(self, other: Between) -> Between:
        return Between(self.low + other.low, self.high + other.high)


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests to the accounts of one side, by Azure's operation classes."""

    write: Between = Between()
    list: Between = Between()
    """With those that create containers, as in the price list."""
    read: Between = Between()
    other: Between = Between()

    def __add__(self, more: Requests) -> Requests:
        return Requests(self.write + more.write, self.list + more.list, self.read + more.read, self.other + more.other)


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes at which requests are cut, in bytes; as in the rules of the copy."""

    block: int
    """Of one streamed block."""
    whole_pull: int
    """Largest blob that one Put Blob From URL takes."""
    pull_block: int
    read: int
    """Of one Get Blob by the mover."""
    page_write: int
    """Of one Put Page or Append Block."""


@dataclass(frozen=True, slots=True)
class Load:
    """Some objects that travel alike."""

    route: Route
    objects: int
    bytes: int
    only_blocks: bool = True
    """False where page or append blobs are among them, whose writes are smaller. Of a page blob only ranges that are
    not empty travel, each by requests of its own: what is empty makes less, many small ranges can make more."""


def copy_requests(loads: Iterable[Load], sizes: Sizes, proof: ProofLevel) -> tuple[Requests, Requests]:
    """Requests at source and target for the content of these objects."""
    source, target = Requests(), Requests()
    for load in loads:
        match load.route:
            case Route.PULL:
                at_source, at_target = _pulled(load, sizes, proof)
            case Route.STREAM:
                at_source, at_target = _streamed(load, sizes)
            case Route.AZCOPY:
                at_source, at_target = _carried(load, sizes)
        source, target = source + at_source, target + at_target
    return source, target


def _pulled(load: Load, sizes: Sizes, proof: ProofLevel) -> tuple[Requests, Requests]:
    """The target service reads the source once for each of its writes; a proof above L1 reads the source once more."""
    block = sizes.pull_block if load.only_blocks else sizes.page_write
    largest = sizes.whole_pull if load.only_blocks else sizes.page_write
    low = max(load.objects, -(-load.bytes // largest)) if load.only_blocks else load.objects
    writes = Between(low, load.objects + load.bytes // block + load.bytes // largest)
    again = _reads(load, sizes)
    reads = writes + again if proof >= ProofLevel.L2 else writes
    back = again if proof is ProofLevel.L3 else Between()
    return Requests(read=reads), Requests(write=writes, read=back)


def _streamed(load: Load, sizes: Sizes) -> tuple[Requests, Requests]:
    block = sizes.block if load.only_blocks else min(sizes.block, sizes.page_write)
    low = max(load.objects, -(-load.bytes // sizes.block)) if load.only_blocks else load.objects
    return Requests(read=_reads(load, sizes)), Requests(write=Between(low, load.objects + 2 * (load.bytes // block)))


def _carried(load: Load, sizes: Sizes) -> tuple[Requests, Requests]:
    """AzCopy has the target service read the source too, by writes of no less than a Put Page; then govlift reads both
    sides. What AzCopy asks besides is its own affair, and not counted."""
    writes = Between(load.objects, load.objects + load.bytes // sizes.page_write)
    again = _reads(load, sizes)
    return Requests(read=writes + again), Requests(write=writes, read=again)


def _reads(load: Load, sizes: Sizes) -> Between:
    low = max(load.objects, -(-load.bytes // sizes.read)) if load.only_blocks else load.objects
    return Between(low, load.objects + load.bytes // sizes.read)


def listing_requests(shards: Iterable[int], containers: int, *, again: bool = False) -> tuple[Requests, Requests]:
    """Requests at source and target that look: listings of the march and of the verification, and container settings.

    Args:
        shards: objects of each shard.
        containers: of the plan.
        again: it is a re-sync: the look for what has changed lists both sides, and where something has the march and
            the verification list it once more each.
    """
    counts = list(shards)
    # The last page of a shard is full, and does not tell that it is the last, where the objects fill it to the end.
    whole = Between(sum(max(1, -(-objects // PAGE)) for objects in counts), sum(n // PAGE + 1 for n in counts))
    settings = Between(2 * containers, 2 * containers)
    if again:
        listed = Between(whole.low, 3 * whole.high)
        return Requests(list=listed, other=settings), Requests(list=listed, other=settings)
    # The march and the verification behind it list the source; at a first copy the march finds the target empty.
    source = Requests(list=Between(2 * whole.low, 2 * whole.high), other=settings)
    found = Between(len(counts) + whole.low + containers, 2 * whole.high + containers)
    return source, Requests(list=found, other=Between(2 * containers, 4 * containers))


@dataclass(frozen=True, slots=True)
class CostLine:
    """One line of the price list that the copy touches."""

    side: str
    """"source" or "target"."""
    item: str
    """As the price list calls it."""
    unit: str
    amount: Between


def cost_lines(
    source: Requests, target: Requests, *, read_at_source: Between, cool: int, written: int
) -> tuple[CostLine, ...]:
    """The lines of the price list, with amounts and without prices.

    Args:
        read_at_source: bytes read there, by the target service and by the mover.
        cool: bytes that may lie in Cool or Cold at the source, and are read at least once.
        written: bytes that come to lie at the target.
    """
    lines = [
        CostLine(side, item, "operations", amount)
        for side, asked in (("source", source), ("target", target))
        for item, amount in (
            ("Write operations", asked.write),
            ("List and create container operations", asked.list),
            ("Read operations", asked.read),
            ("All other operations", asked.other),
        )
        if amount.high
    ]
    lines.append(CostLine("source", "Data transfer out (between the clouds)", "bytes", read_at_source))
    if cool:
        times = max(1, -(-read_at_source.high // max(1, written)))
        lines.append(CostLine("source", "Data retrieval (Cool, Cold)", "bytes", Between(0, cool * times)))
    lines.append(CostLine("target", "Data storage", "bytes", Between(written, written)))
    return tuple(lines)
