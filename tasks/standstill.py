"""Looks whether a shard that is worked on still moves, and ends the work on it where it does not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mappings.objects import EvidenceRow
from mappings.standstill import LIMIT_SECONDS, LOOK_SECONDS, Sign, Stillness, after, is_over

if TYPE_CHECKING:
    from tasks.copiers.journal import Journal
    from tasks.copiers.pace import Pace
    from tasks.ledger.reader import LedgerReader

EVENT = "shard.stood-still"
"""Kind of the ledger's events; the log line has the same name."""
_NAMED = 5


class StoodStill(Exception):
    """Nothing has moved on this shard for so long that the work on it was ended; `sentence` says what was in flight."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


@dataclass(frozen=True)
class Watch:
    """How a shard is watched.

    Args:
        limit: seconds without any movement after which it is given up.
    """

    limit: float = LIMIT_SECONDS
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep


class Flight:
    """A journal that also knows which names are begun and not finished."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._names: dict[str, None] = {}
        # Asked for every object that is listed: without a step in between.
        self.begun, self.finished, self.parts = journal.begun, journal.finished, journal.parts
        self.note_part = journal.note_part

    def begin(self, names: Sequence[str]) -> None:
        self._journal.begin(names)
        self._names.update(dict.fromkeys(names))

    def note(self, rows: Sequence[EvidenceRow]) -> None:
        self._journal.note(rows)
        pop = self._names.pop
        for row in rows:
            pop(row.name, None)

    def told(self, busy: int) -> str:
        """What is in flight, for a reader.

        Args:
            busy: objects that hold a place; those that only read so far have no name here.
        """
        names = list(self._names)
        number = max(busy, len(names))
        if not number:
            return "nothing in flight: the listing, or AzCopy, did not go on"
        some = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
        return f"{number} {'object' if number == 1 else 'objects'} in flight{f' ({some})' if names else ''}"


@asynccontextmanager
async def watched(
    watch: Watch, pace: Pace, counts: Callable[[], tuple[int, ...]], in_flight: Callable[[int], str]
) -> AsyncIterator[None]:
    """End the block when nothing has moved in it for `watch.limit` seconds.

    Args:
        pace: of the account that it writes to; what that holds back does not stand still.
        counts: as `mappings.standstill.Sign.counts`.
        in_flight: told how many objects hold a place, says what they are.

    Raises:
        StoodStill: nothing moved; the block was cancelled.
    """
    holder = asyncio.current_task()
    assert holder is not None
    before, why = holder.cancelling(), ""

    async def look() -> None:
        nonlocal why
        still = after(Stillness(), Sign(watch.clock(), counts(), pace.held))
        while not is_over(still, watch.limit):
            await watch.sleep(LOOK_SECONDS)
            still = after(still, Sign(watch.clock(), counts(), pace.held))
        why = f"nothing has moved for {still.seconds / 60:.0f} minutes, with {in_flight(pace.busy)}"
        holder.cancel()

    looking = asyncio.create_task(look())
    try:
        yield
    except asyncio.CancelledError:
        # Where somebody else wants it to end too, it ends.
        if why and holder.uncancel() <= before:
            raise StoodStill(why) from None
        raise
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


def times_still(reader: LedgerReader, run_id: str, shard_id: str) -> int:
    """How often a shard has stood still since its run was begun or taken up again."""
    since = max((one.number for one in reader.events("run.resumed") if one.detail["run"] == run_id), default=0)
    found = (one.detail for one in reader.events(EVENT, after=since))
    return sum(detail["run"] == run_id and detail["shard"] == shard_id for detail in found)
