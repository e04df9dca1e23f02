"""Waiting for a role that was just given: bounded, only where it is new, and only for that answer."""

from __future__ import annotations

import pytest

from mappings.errors import ObjectError, ObjectRefused, SlowDown
from tasks.rolewait import RoleWait

NOT_YET = ObjectRefused("no role", code="AuthorizationPermissionMismatch", status=403)


class Cloud:
    """Refuses `times` times, by its own clock."""

    def __init__(self, times: int, wrong: ObjectError = NOT_YET) -> None:
        self.times, self.wrong = times, wrong
        self.now, self.asked = 0.0, 0
        self.learnt: list[str] = []

    async def ask(self) -> str:
        self.asked += 1
        if self.asked <= self.times:
            raise self.wrong
        return "yes"

    async def sleep(self, seconds: float) -> None:
        self.now += seconds

    def patience(self, seconds: float, *worked: str) -> RoleWait:
        return RoleWait(seconds, worked, self.learnt.append, clock=lambda: self.now, sleep=self.sleep)


async def test_a_new_role_is_waited_for_and_remembered() -> None:
    """Breaks when the first 403 ends the run, or each account is waited for again."""
    cloud = Cloud(4)
    waits = cloud.patience(600)
    assert await waits.ready(["a", "b"], cloud.ask) == "yes"
    assert cloud.learnt == ["a", "b"] and cloud.asked == 5 and 30 < cloud.now < 120
    cloud.times = 9
    with pytest.raises(ObjectRefused):
        await waits.ready(["a"], cloud.ask)
    assert cloud.asked == 6, "it worked here before, so a 403 is an answer"


async def test_the_wait_is_bounded_for_all_accounts_together() -> None:
    """Breaks when each account has the whole time: forty accounts without a role would take hours to say so."""
    cloud = Cloud(10_000)
    waits = cloud.patience(600)
    for account in "abc":
        with pytest.raises(ObjectRefused):
            await waits.ready([account], cloud.ask)
    assert cloud.now == 600 and cloud.learnt == []


@pytest.mark.parametrize(
    ("wrong", "seconds", "worked"),
    [
        (ObjectRefused("firewall", code="AuthorizationFailure", status=403), 600, ()),
        (SlowDown("busy", code="ServerBusy", status=503), 600, ()),
        (NOT_YET, 600, ("a",)),
        (NOT_YET, 0, ()),
    ],
)
async def test_other_answers_are_not_waited_for(wrong: ObjectError, seconds: float, worked: tuple[str, ...]) -> None:
    """Breaks when a closed firewall, or an account that used to work, costs ten minutes."""
    cloud = Cloud(1, wrong)
    with pytest.raises(type(wrong)):
        await cloud.patience(seconds, *worked).ready(["a"], cloud.ask)
    assert (cloud.asked, cloud.now) == (1, 0.0)
