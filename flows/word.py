"""The word for which a led worker waits: the run to work on, and the tokens for storage that its leader has itself.

A worker that is handed tokens needs no sign-in of its own, nor the libraries for it, until they end. They travel
through the pipe between the two processes, never by argument, environment or file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mappings.errors import GovliftError
from tasks.clients.credentials import Handed

if TYPE_CHECKING:
    from flows.wiring import Bench


@dataclass(frozen=True, slots=True)
class Word:
    """What a leader tells one of its workers, once."""

    run_id: str
    tokens: Mapping[str, Handed] = field(default_factory=dict, repr=False)
    """By side, "source" and "target"; a side that is missing signs in itself."""

    @property
    def line(self) -> str:
        """As it travels, without the end of the line."""
        return json.dumps({"run": self.run_id, "tokens": dict(self.tokens)}, separators=(",", ":"))

    @classmethod
    def heard(cls, line: str) -> Word:
        """The word that `line` is."""
        told = json.loads(line)
        return cls(told["run"], {side: Handed(*token) for side, token in told["tokens"].items()})


async def word_for(bench: Bench, run_id: str) -> Word:
    """The word for a worker of this run. A sign-in that is refused now is left to the worker, who says why."""
    tokens = {}
    for side, session in (("source", bench.source_session), ("target", bench.target_session)):
        with suppress(GovliftError):
            tokens[side] = await session.storage_token()
    return Word(run_id, tokens)
