"""Clients in memory that can begin a request without a coroutine, as the express asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from mappings.errors import ObjectError, SlowDown
from mappings.objects import ListedObject
from tasks.clients.crc64 import crc64
from tasks.copiers.base import ReadThen, WrittenThen
from tests.copiers.bench_of import Pair
from tests.copiers.memory_cloud import MemorySource, MemoryTarget

P = TypeVar("P", bound=Pair)


class Begun:
    """A request as a task that tells its callback."""

    def __init__(self, asked: Coroutine[Any, Any, Any], told: Callable[[Any], None], refused: Callable[[float], None]):
        async def go() -> None:
            try:
                found = await asked
            except SlowDown as wrong:
                refused(wrong.retry_after or 0.0)
            except ObjectError:
                refused(0.0)
            else:
                told(found)

        self.task, self._asked = asyncio.create_task(go()), asked

    async def cancel(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        # Where the task had not even begun, nobody else ends it.
        self._asked.close()


class StartingSource(MemorySource):
    starts = True
    begun = 0

    def pull_url_at_hand(self, container: str, item: ListedObject) -> str | None:
        return f"memory://{self.account}/{container}//{item.name}"

    def start_read(
        self, container: str, item: ListedObject, then: ReadThen, *, offset: int = 0, length: int | None = None
    ) -> Begun:
        self.begun += 1

        async def read() -> bytes:
            return b"".join([part async for part in self.read(container, item, offset=offset, length=length)])

        return Begun(read(), lambda data: then(data, crc64(data), 0.0), lambda wait: then(None, 0, wait))


class StartingTarget(MemoryTarget):
    starts = True
    begun = 0

    def start_put_blob_from_url(
        self, container: str, item: ListedObject, url: str, *, if_match: str | None, then: WrittenThen
    ) -> Begun:
        self.begun += 1
        asked = self.put_blob_from_url(container, item, url, if_match=if_match)
        return Begun(asked, lambda written: then(written, 0.0), lambda wait: then(None, wait))

    def start_put_blob(
        self, container: str, item: ListedObject, data: bytes, *, if_match: str | None, crc: int, then: WrittenThen
    ) -> Begun:
        self.begun += 1
        asked = self.put_blob(container, item, data, if_match=if_match, crc=crc)
        return Begun(asked, lambda written: then(written, 0.0), lambda wait: then(None, wait))


class StartingPair(Pair):
    """As `Pair`, between clients that can begin a request."""

    def __init__(self, *, mode: str = "auto") -> None:
        super().__init__(mode=mode)
        self.reader: StartingSource = StartingSource(self.source)
        self.writer: StartingTarget = StartingTarget(self.target, {"src": self.reader})


def filled(pair: P, count: int = 300) -> P:
    for number in range(count):
        pair.source.write("c", f"x{number:05}", bytes([number % 251 + 1]) * (number % 13), label=number % 3 == 0)
    return pair
