"""Long-running operations of ARM: begun by one request, asked after by others, finished in their own time."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from sandbox.armwire import ArmError
from sandbox.holdings import Body

LASTS = 1.2
"""Seconds that an operation takes: longer than the one second after which clients ask for the first time."""
RETRY_AFTER = {"Retry-After": "1"}

Work = Callable[[], Awaitable[Body | None]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation under way or ended."""

    id: str
    task: asyncio.Task[Body | None]


class Operations:
    """The operations of one cloud."""

    def __init__(self) -> None:
        self._known: dict[str, Operation] = {}

    def begin(self, work: Work) -> str:
        """Begin an operation that does `work` at its end; returns its id."""

        async def run() -> Body | None:
            await asyncio.sleep(LASTS)
            return await work()

        operation = Operation(str(uuid.uuid4()), asyncio.create_task(run()))
        self._known[operation.id] = operation
        return operation.id

    def poll(self, request: web.Request, operation_id: str) -> web.Response:
        """What a poll of the operation's Location answers: 202 while it runs, then 200 with the outcome.

        Raises:
            ArmError: no such operation, or it failed with this.
        """
        operation = self._known.get(operation_id)
        if operation is None:
            raise ArmError(404, "OperationNotFound", f"The operation '{operation_id}' was not found.")
        if not operation.task.done():
            location = str(request.url.with_scheme("https"))
            return web.Response(status=202, headers={"Location": location, **RETRY_AFTER})
        body = operation.task.result()
        return web.Response(status=200) if body is None else web.json_response(body)

    async def stop(self) -> None:
        """Drop what still runs."""
        tasks = [operation.task for operation in self._known.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
