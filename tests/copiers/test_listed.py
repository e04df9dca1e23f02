"""Both sides of a shard, listed: what is read of a listing, and that none is left open."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import tasks
from mappings.objects import Written
from tests.copiers.bench_of import Pair
from tests.copiers.raw_pages import RawSource, RawTarget

PRODUCT = Path(tasks.__file__).parent


class RawPair(Pair):
    def __init__(self, mode: str) -> None:
        super().__init__(mode=mode)
        self.reader = RawSource(self.source)
        self.writer = RawTarget(self.target, {"src": self.reader})
        for number in range(400):
            self.source.write("c", f"x{number:03}", bytes(4), label=False)


@contextmanager
def none_dropped() -> Iterator[None]:
    """Fails where an async generator of the product is dropped before its end, for the loop to close some time."""
    dropped: list[str] = []
    hooks = sys.get_asyncgen_hooks()
    assert hooks.finalizer is not None
    close = hooks.finalizer

    def drop(generator: AsyncGenerator[Any, Any]) -> None:
        if Path(generator.ag_code.co_filename).is_relative_to(PRODUCT):
            dropped.append(generator.ag_code.co_qualname)
        close(generator)

    sys.set_asyncgen_hooks(finalizer=drop)
    try:
        yield
    finally:
        sys.set_asyncgen_hooks(*hooks)
    assert dropped == []


@pytest.mark.parametrize("mode", ["pull", "stream"])
async def test_interrupted_in_the_middle_no_listing_is_dropped(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutation that must fail it: marching over the listings without closing them when the march breaks off."""
    pair, begun = RawPair(mode), 0

    async def stuck(*_: object, **__: object) -> Written:
        nonlocal begun
        begun += 1
        await asyncio.get_running_loop().create_future()
        raise AssertionError("it was cancelled")

    monkeypatch.setattr(pair.writer, "put_blob", stuck)
    monkeypatch.setattr(pair.writer, "put_blob_from_url", stuck)
    with none_dropped():
        running = asyncio.create_task(pair.run())
        # The objects that wait fill the queue, so the run stands between two pages of the listings.
        for _ in range(2000):
            await asyncio.sleep(0)
        # However few a page holds, as they are 3 here.
        assert begun and pair.source.calls["list"] < 134 / 2
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


async def test_a_run_that_ends_drops_none() -> None:
    pair = RawPair("pull")
    with none_dropped():
        await pair.run()
    pair.assert_equal()
