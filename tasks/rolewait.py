"""Waiting for a role that was just given: Azure says 403 on the data plane until it has spread, up to ten minutes.

Source: "Troubleshoot Azure RBAC", "Symptom - Role assignment changes are not being detected" (up to 10 minutes). Only
at the start of a run and per account; once the identity has worked on an account, a 403 there is an answer.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from mappings.errors import ObjectError

log = logging.getLogger("govlift")

T = TypeVar("T")

NOT_YET = frozenset({"AuthorizationPermissionMismatch"})
"""Codes of a missing data role. A firewall answers AuthorizationFailure, which waiting does not change."""
_PAUSES = (5.0, 10.0, 20.0)
"""Seconds before the next tries; the last one again and again."""


def is_role_missing(wrong: BaseException) -> bool:
    """Whether this is the answer to an identity whose data role is missing, or has not spread yet."""
    return isinstance(wrong, ObjectError) and wrong.status == 403 and wrong.code in NOT_YET


class RoleWait:
    """The patience of one run with new role assignments; its time counts from the first 403, for all accounts.

    Args:
        seconds: how long to wait in all; 0 does not wait.
        worked: accounts on which the identity has worked before in this migration.
        learnt: told the name of an account on which it works now for the first time.
    """

    def __init__(
        self,
        seconds: float,
        worked: Iterable[str] = (),
        learnt: Callable[[str], None] = lambda _: None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._seconds, self._worked, self._learnt = seconds, set(worked), learnt
        self._clock, self._sleep = clock, sleep
        self._until: float | None = None

    async def ready(self, accounts: Sequence[str], ask: Callable[[], Awaitable[T]]) -> T:
        """What `ask` answers; a 403 of a missing role on an account that has not worked yet is asked again.

        Args:
            accounts: storage accounts that `ask` asks, of either side.
            ask: idempotent.

        Raises:
            ObjectError: as `ask` raised it, at once or after the time is over.
        """
        tries = 0
        while True:
            try:
                answer = await ask()
            except ObjectError as wrong:
                fresh = [name for name in accounts if name not in self._worked]
                if not fresh or not is_role_missing(wrong):
                    raise
                await self._wait(wrong, fresh, tries)
                tries += 1
                continue
            for name in accounts:
                if name not in self._worked:
                    self._worked.add(name)
                    self._learnt(name)
            return answer

    async def _wait(self, wrong: ObjectError, fresh: Sequence[str], tries: int) -> None:
        now = self._clock()
        if self._until is None:
            self._until = now + self._seconds
        left = self._until - now
        if left <= 0:
            raise wrong
        pause = min(left, _PAUSES[min(tries, len(_PAUSES) - 1)])
        log.info(
            "waiting for the role on %s: %s A new role takes up to ten minutes; next try in %.0f s, %.0f s left.",
            " and ".join(fresh), wrong.sentence, pause, left,
        )  # fmt: skip
        await self._sleep(pause)
