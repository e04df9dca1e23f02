"""Two numbers of a report that must be equal."""

from __future__ import annotations

from dataclasses import dataclass

from mappings.report_model import Check


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two numbers that must be equal. None where one of them does not exist."""

    what: str
    left_words: str
    left: int | None
    right_words: str
    right: int | None
    pending: bool = False

    @property
    def result(self) -> Check:
        if self.left is None or self.right is None:
            return Check.NOT_COMPARED
        if self.pending:
            return Check.PENDING
        return Check.EQUAL if self.left == self.right else Check.MISMATCH
