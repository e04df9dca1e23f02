"""Names that an attempt began to write, kept so that an attempt that is killed can be told from a stranger.

A manifest is complete or it is not there. So what a killed attempt wrote stands in no evidence, and the next one finds
it at the target: equal content is adopted, whoever wrote it; other content (the source has moved on meanwhile) may be
overwritten only where this file says that we had begun it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Protocol

from mappings.errors import FixTheInput


class Intents(Protocol):
    """What `copy_shard` asks before and tells while it writes."""

    def begin(self, name: str) -> None:
        """Called before the first write for `name`; must last beyond the death of the process."""
        ...

    def begun(self, name: str) -> bool:
        """Whether an earlier attempt, whose manifest was never finished, had begun `name`."""
        ...


class NoIntents:
    """Nothing is remembered: what is at the target without evidence is a stranger's."""

    def begin(self, name: str) -> None:
        return None

    def begun(self, name: str) -> bool:
        return False


class IntentFile:
    """Intents of one shard, in one file beside its manifests: one JSON string per line.

    Args:
        path: made at the first `begin`; names in it from earlier attempts count as begun. Remove it (`clear`) when the
            manifest of the shard is finished.

    Raises:
        FixTheInput: a line in the middle of the file is not what this class wrote.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._earlier = frozenset(_read(path))
        self._now: set[str] = set()
        self._handle: int | None = None

    def begin(self, name: str) -> None:
        if name in self._earlier or name in self._now:
            return
        if self._handle is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        # One write per line, past Python's buffers: it survives SIGKILL.
        os.write(self._handle, (json.dumps(name) + "\n").encode())
        self._now.add(name)

    def begun(self, name: str) -> bool:
        return name in self._earlier

    def close(self) -> None:
        """Close the file and leave it."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def clear(self) -> None:
        """Close and remove the file: the manifest knows all that stood in it."""
        self.close()
        self._path.unlink(missing_ok=True)


def _read(path: Path) -> list[str]:
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    # The last line is empty, or was cut off by the death of its writer before the write that it announced.
    names = []
    for number, line in enumerate(lines[:-1], start=1):
        try:
            names.append(str(json.loads(line)))
        except ValueError:
            raise FixTheInput(
                f"{path}, line {number}, is not a name that govlift wrote.", next_step="Restore or remove that file."
            ) from None
    return names
