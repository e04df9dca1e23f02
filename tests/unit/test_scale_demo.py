"""What `make scale-demo` takes for whole: what a killed worker had written, and another found equal, is there."""

from __future__ import annotations

import pytest

from flows.scaledemo import all_is_there


@pytest.mark.parametrize(
    ("listed", "copied", "same", "there"),
    [(10, 10, 0, True), (10, 6, 4, True), (10, 9, 0, False), (10, 0, 10, False), (0, 0, 0, False)],
)
def test_what_was_adopted_is_there(listed: int, copied: int, same: int, there: bool) -> None:
    """Breaks when objects that a dead worker had finished count as missing, or a demo that copied nothing passes."""
    assert all_is_there({"listed": listed, "copied": copied, "same": same}) is there
