"""Raw listing pages cut into runs of names and hashed: 1 us an entry instead of 20, and no entry is built.

The entries of a page lie between its first `<Blob>` and its last `</Blob>`. Listings ascend, so a run of names is a
slice of that, and its end is found by the name that the next run begins with. What is hashed leaves out what moves
without any meaning for the copy: leases and the time of the last access.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from urllib.parse import unquote
from xml.sax.saxutils import escape

from mappings.errors import ObjectError, ReviewFindings
from tasks.copiers.base import ListsRaw

Turn = Callable[[], Awaitable[None]]
"""Waits until one request more may be sent."""

_OPEN, _CLOSE = b"<Blob>", b"</Blob>"
_NAME = re.compile(rb'<Blob><Name( Encoded="true")?>([^<]*)</Name>')
_REFERENCE = re.compile(r"&(?:#x([0-9A-Fa-f]{1,6})|#([0-9]{1,7})|(amp|lt|gt|quot|apos));")
_SPELT = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_ACCESS = re.compile(rb"<LastAccessTime>[^<]*</LastAccessTime>")
_LEASE = re.compile(
    rb"<LeaseStatus>[^<]*</LeaseStatus><LeaseState>[^<]*</LeaseState>(?:<LeaseDuration>[^<]*</LeaseDuration>)?"
)
_FREE = b"<LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState>"
_MORE, _TAIL = b"<NextMarker>", 65_536
"""Stands near the end of a page that another one follows; in the last one the element is empty, `<NextMarker />`."""
_HELD_SLICES = 4


class Unreadable(Exception):
    """The page is not of the form that can be cut by bytes; the ordinary way has to read it."""


def settled_bytes(body: bytes) -> bytes:
    """A page without what moves by itself."""
    if b"<LastAccessTime>" in body:
        body = _ACCESS.sub(b"", body)
    if body.count(_FREE) != body.count(b"<LeaseStatus>"):
        body = _LEASE.sub(_FREE, body)
    return body


class RunHashes:
    """Hashes the entries of one listing by runs of names. Pages go in in order; `close` gives the digests.

    Args:
        begins: where the runs begin, ascending; the first is the begin of the range.
        end: of the range; None has no end.
        what: the listing's name in a sentence.
        expected: digests of before; the order of names is checked in runs that differ from them. None checks none.
    """

    def __init__(
        self, begins: Sequence[str], end: str | None, what: str, expected: Sequence[str] | None = None
    ) -> None:
        self._bounds: list[str | None] = [*begins[1:], end]
        self._begins, self._what, self._expected = list(begins), what, expected
        self._sha = hashlib.sha256()
        self._slices: list[tuple[bytes, int, int]] = []
        self._found: list[str] = []
        self._last = ""
        self._started = begins[0] == ""
        self.done = False

    def feed(self, page: bytes) -> None:
        """Add a page.

        Raises:
            Unreadable: it cannot be cut by its bytes.
            ReviewFindings: names are out of order.
        """
        body = settled_bytes(page)
        place, stop = body.find(_OPEN), body.rfind(_CLOSE) + len(_CLOSE)
        if place < 0 or stop < len(_CLOSE):
            if b"<Blobs" not in body or not body.rstrip().endswith(b"</EnumerationResults>"):
                raise Unreadable
            return
        last = _name_at(body, body.rfind(_OPEN + b"<Name", place, stop))
        if not self._started:
            place = _boundary(body, place, stop, last, self._begins[0])
            if place < 0:
                return
            self._started = True
        while not self.done:
            bound = self._bounds[len(self._found)]
            at = -1 if bound is None else _boundary(body, place, stop, last, bound)
            self._add(body, place, stop if at < 0 else at)
            if at < 0:
                return
            self._finish()
            place = at

    def close(self) -> list[str]:
        """Digest of each run, hex; those that no page reached are of no entry."""
        while not self.done:
            self._finish()
        return self._found

    def _add(self, body: bytes, place: int, stop: int) -> None:
        if place == stop:
            return
        self._sha.update(memoryview(body)[place:stop])
        if self._expected is not None:
            self._slices.append((body, place, stop))
            if len(self._slices) > _HELD_SLICES:
                self._check_order()

    def _finish(self) -> None:
        number = len(self._found)
        digest = self._sha.hexdigest()
        if self._expected is not None and digest != self._expected[number]:
            self._check_order()
        self._found.append(digest)
        self._slices.clear()
        self._sha = hashlib.sha256()
        self._last = self._begins[number + 1] if number + 1 < len(self._begins) else ""
        self.done = len(self._found) == len(self._begins)

    def _check_order(self) -> None:
        """An entry in the wrong place would be missed by whoever lists the run alone."""
        number = len(self._found)
        low, high = max(self._last, self._begins[number]), self._bounds[number]
        for body, place, stop in self._slices:
            for found in _NAME.finditer(body, place, stop):
                name = _plain(found)
                if name < low or (high is not None and name >= high):
                    raise ReviewFindings(
                        f'The listing of {self._what} is not in order: "{name}" came after "{low}".',
                        next_step="This shard is not marked done. Exclude the container, or report this.",
                    )
                low = name
        self._last = low
        self._slices.clear()


def _boundary(body: bytes, place: int, stop: int, last: str, bound: str) -> int:
    """Where the first entry with a name from `bound` on begins; -1 where this page has none."""
    if last < bound:
        return -1
    at = body.find(b"<Blob><Name>" + escape(bound).encode() + b"</Name>", place, stop)
    if at >= 0:
        return at
    return next((one.start() for one in _NAME.finditer(body, place, stop) if _plain(one) >= bound), -1)


def _name_at(body: bytes, place: int) -> str:
    found = _NAME.match(body, place) if place >= 0 else None
    if found is None:
        raise Unreadable
    return _plain(found)


def _plain(found: re.Match[bytes]) -> str:
    try:
        text = found[2].decode()
        text = _REFERENCE.sub(_referred, text) if "&" in text else text
        return unquote(text, errors="strict") if found[1] else text
    except ValueError:
        raise Unreadable from None


def _referred(found: re.Match[str]) -> str:
    if found[3]:
        return _SPELT[found[3]]
    return chr(int(found[1], 16) if found[1] else int(found[2]))


async def at_once() -> None:
    """The turn of a listing that has no hours and no caps to keep to."""


async def hash_runs(
    lists: ListsRaw,
    container: str,
    begins: Sequence[str],
    end: str | None,
    what: str,
    expected: Sequence[str],
    turn: Turn = at_once,
    entries: int = 0,
) -> list[str]:
    """List a range once and hash its runs; memory is a few pages.

    Args:
        turn: awaited before each page.
        entries: expected in the range, about; 0 where nobody knows.

    Raises:
        ObjectError, GovliftError: the listing failed, or is out of order.
        Unreadable: a page cannot be cut by its bytes.
    """
    hashes = RunHashes(begins, end, what, expected)
    raw = lists.raw_pages(container, begin=begins[0], end=end, entries=entries)
    async with aclosing(ahead(in_turn(raw, turn), end)) as pages:
        async for page in pages:
            # Hashing leaves the interpreter's lock, so both sides and the network go on meanwhile.
            await asyncio.to_thread(hashes.feed, page)
            if hashes.done:
                break
    return hashes.close()


async def in_turn(pages: AsyncGenerator[bytes, None], turn: Turn) -> AsyncGenerator[bytes, None]:
    """The same pages, each asked for when its turn has come; they are closed with this."""
    more = True
    async with aclosing(pages):
        while True:
            if more:
                await turn()
            page = await anext(pages, None)
            if page is None:
                return
            more = page.rfind(_MORE, -_TAIL) >= 0
            yield page


async def ahead(pages: AsyncGenerator[bytes, None], end: str | None) -> AsyncGenerator[bytes, None]:
    """The same pages, the next one on its way while one is worked on; none is asked for behind the one with `end`.

    They are closed with this.
    """
    coming: asyncio.Future[bytes] | None = asyncio.ensure_future(anext(pages))
    try:
        while coming is not None:
            try:
                page = await coming
            except StopAsyncIteration:
                return
            coming = None if _reaches(page, end) else asyncio.ensure_future(anext(pages))
            yield page
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
        await pages.aclose()


def _reaches(page: bytes, end: str | None) -> bool:
    """Whether the last name of the page is `end` or behind it."""
    found = _NAME.match(page, page.rfind(_OPEN + b"<Name")) if end is not None else None
    return found is not None and end is not None and _plain(found) >= end


async def unchanged_runs(
    sides: tuple[ListsRaw, ListsRaw],
    container: str,
    begins: Sequence[str],
    end: str | None,
    expected: tuple[Sequence[str], Sequence[str]],
    called: tuple[str, str],
    turn: Turn = at_once,
    entries: int = 0,
) -> list[bool]:
    """For each run whether both listings are as they were. Raises as `hash_runs`."""
    try:
        async with asyncio.TaskGroup() as group:
            left, right = (
                group.create_task(hash_runs(side, container, begins, end, what, known, turn, entries))
                for side, what, known in zip(sides, called, expected, strict=True)
            )
    except BaseExceptionGroup as several:
        raise _first(several) from None
    found = zip(left.result(), right.result(), *expected, strict=True)
    return [a == c and b == d for a, b, c, d in found]


def _first(several: BaseExceptionGroup[BaseException]) -> BaseException:
    """What ended a group of tasks; the answer of a service before what followed from it."""
    flat = list(several.exceptions)
    return next((one for one in flat if isinstance(one, ObjectError)), flat[0])
