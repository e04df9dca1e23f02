"""What an attempt at a shard has begun and finished, so that an attempt that is killed has to be repeated only in part.

A manifest is complete or it is not there. Beside it every attempt keeps one file of lines, each written at once and
under its own checksum:

- `begin`: names of which something may be at the target from now on; written before the first of their writes;
- `rows`: finished objects with their proof; in batches, so that a death costs at most one batch;
- `part`: a piece of a large object that is staged or committed, where only the service's answer told its CRC64.

The next attempt believes a row only where source and target still list the ETags that it names. What it cannot read is
a line cut off by the death of its writer, always the last one; a spoilt line anywhere else is refused, because our own
blobs would be taken for a stranger's.

Nothing is forced to the disk (fsync): a line outlives the death of the process as soon as it is handed to the system,
and what a power cut takes away costs comparing by content, never an object.
"""

from __future__ import annotations

import asyncio
import json
import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from pathlib import Path
from typing import Any, Protocol

from mappings.errors import FixTheInput
from mappings.objects import EvidenceRow, ListedObject
from mappings.states import Change, Outcome, ProofLevel, Route
from tasks.columns import microseconds
from tasks.disk import writing

BATCH = 256
"""Finished objects that one line holds at most."""
PATIENCE = 0.5
"""Seconds that a finished object waits for its line at most."""
SUFFIX = ".journal"


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of an object at the target. One without bytes and block says that the object was begun anew."""

    offset: int
    length: int
    source_crc: int | None
    """CRC64 of the bytes as they passed the mover; None where they did not."""
    target_crc: int | None
    """What the target service said."""
    etag: str = ""
    """Of the blob after this piece, "" for staged blocks."""
    block: str = ""
    """Id of a staged block."""


class Journal(Protocol):
    """What `copy_shard` asks before, and tells while, it writes."""

    def begin(self, names: Sequence[str]) -> None:
        """Called before the first write for these names; must last beyond the death of the process."""
        ...

    def note(self, rows: Sequence[EvidenceRow]) -> None:
        """These objects are finished."""
        ...

    def note_part(self, item: ListedObject, part: Part) -> None:
        """This piece of a large object is at the target."""
        ...

    def begun(self, name: str) -> bool:
        """Whether an earlier attempt, whose manifest was never finished, had begun `name`."""
        ...

    def finished(self, name: str) -> Sequence[EvidenceRow]:
        """What earlier attempts had finished under this name, in no order; several of one key are possible."""
        ...

    def parts(self, item: ListedObject) -> Sequence[Part]:
        """What earlier attempts had brought over of this generation of a large object, in the order of writing."""
        ...


class NoJournal:
    """Nothing is remembered: what is at the target without evidence is a stranger's."""

    def begin(self, names: Sequence[str]) -> None:
        return None

    def note(self, rows: Sequence[EvidenceRow]) -> None:
        return None

    def note_part(self, item: ListedObject, part: Part) -> None:
        return None

    def begun(self, name: str) -> bool:
        return False

    def finished(self, name: str) -> Sequence[EvidenceRow]:
        return ()

    def parts(self, item: ListedObject) -> Sequence[Part]:
        return ()


class FileJournal:
    """The journal of one attempt at one shard, and what earlier attempts left beside it.

    Args:
        folder: where the manifests of the shard lie; all journals in it are read.
        name: of this attempt, different from all others; its file is made at the first line.

    Raises:
        FixTheInput: a line in the middle of an earlier journal is not what this class wrote.
        ResumeLater: the disk is full (from every method that writes).
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / f"{name}{SUFFIX}"
        found = folder.glob(f"*{SUFFIX}") if folder.exists() else ()
        self._earlier = sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name))
        self._begun: set[str] = set()
        self._rows: dict[str, list[EvidenceRow]] = {}
        self._parts: dict[tuple[str, ...], list[Part]] = {}
        for path in self._earlier:
            self._read(path)
        self._handle: int | None = None
        self._held: list[EvidenceRow] = []
        self._timer: asyncio.TimerHandle | None = None
        self._wrong: BaseException | None = None

    # --- what earlier attempts did ---

    def begun(self, name: str) -> bool:
        return name in self._begun

    def finished(self, name: str) -> Sequence[EvidenceRow]:
        return self._rows.get(name, ())

    def parts(self, item: ListedObject) -> Sequence[Part]:
        return self._parts.get(_generation(item), ())

    def _read(self, path: Path) -> None:
        for kind, value in _lines(path):
            if kind == "begin":
                self._begun.update(value)
            elif kind == "rows":
                for row in _rows(value):
                    self._rows.setdefault(row.name, []).append(row)
                    self._begun.add(row.name)
            elif kind == "part":
                generation, part = tuple(value[0]), Part(*value[1])
                if part.length or part.block:
                    self._parts.setdefault(generation, []).append(part)
                else:
                    self._parts[generation] = []

    # --- what this one does ---

    def begin(self, names: Sequence[str]) -> None:
        if names:
            self._append("begin", names)

    def note(self, rows: Sequence[EvidenceRow]) -> None:
        self._held += [row for row in rows if row.target_etag and row.outcome in _FINISHED]
        if not self._held:
            return
        if len(self._held) >= BATCH:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PATIENCE, self._late)

    def note_part(self, item: ListedObject, part: Part) -> None:
        self._append("part", [_generation(item), [getattr(part, name) for name in Part.__slots__]])

    def flush(self) -> None:
        """Write what is held back."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._held:
            rows, self._held = self._held, []
            self._append("rows", _columns(rows))

    def _late(self) -> None:
        self._timer = None
        try:
            self.flush()
        except BaseException as wrong:
            # Nobody waits for a timer; the next line says it.
            self._wrong = wrong

    def _append(self, kind: str, value: Any) -> None:
        if self._wrong is not None:
            raise self._wrong
        with writing(self._path, "journal"):
            if self._handle is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            self._write(_line(kind, value))

    def _write(self, line: bytes) -> None:
        """Hand one line to the system, past all buffers: from then on it survives SIGKILL."""
        assert self._handle is not None
        left = memoryview(line)
        while left:
            left = left[os.write(self._handle, left) :]

    def close(self) -> None:
        """Write what is held back and leave the file for the next attempt. Raises nothing."""
        # Where the disk refuses, the attempt has failed already, with a reason of its own.
        with suppress(Exception):
            self.flush()
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def clear(self) -> None:
        """Close and remove all journals of the shard: the manifest knows all that stood in them."""
        self._held.clear()
        self.close()
        for path in self._path.parent.glob(f"*{SUFFIX}"):
            path.unlink(missing_ok=True)


def _generation(item: ListedObject) -> tuple[str, ...]:
    return (item.name, item.snapshot, item.version_id, item.etag, str(item.size))


# --- lines ------------------------------------------------------------------------------------------------------------


def _line(kind: str, value: Any) -> bytes:
    text = json.dumps((kind, value), separators=(",", ":")).encode("ascii")
    return b"%08x %b\n" % (zlib.crc32(text), text)


def _lines(path: Path) -> list[tuple[str, Any]]:
    # Behind the last line end stands nothing, or what the death of the writer cut off.
    lines = path.read_bytes().split(b"\n")[:-1]
    found: list[tuple[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        sum_, _, text = line.partition(b" ")
        if sum_ != b"%08x" % zlib.crc32(text):
            if number == len(lines):
                break
            raise FixTheInput(
                f"{path}, line {number}, is not what govlift wrote.",
                next_step="Restore that file from a backup of the migration folder. Without it the objects that the "
                "interrupted run had begun are compared by content, and what changed since then is refused.",
            )
        kind, value = json.loads(text)
        found.append((kind, value))
    return found


# --- rows -------------------------------------------------------------------------------------------------------------

_FINISHED = (Outcome.COPIED, Outcome.SAME)
_TIMES = ("source_last_modified", "started", "finished")
_COLUMNS = tuple(one.name for one in fields(EvidenceRow))
_values: Callable[[EvidenceRow], tuple[Any, ...]] = attrgetter(*_COLUMNS)


def _columns(rows: Sequence[EvidenceRow]) -> dict[str, Any]:
    """Rows by column: a list, or the value alone where all rows have the same, as most columns of a batch do."""
    found: dict[str, Any] = {"rows": len(rows)}
    for name, values in zip(_COLUMNS, zip(*map(_values, rows), strict=True), strict=True):
        same = values.count(values[0]) == len(values)
        if name in _TIMES:
            values = tuple(None if one is None else microseconds(one) for one in values)
        found[name] = values[0] if same else values
    return found


def _time(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KINDS: Mapping[str, Callable[[Any], Any]] = {
    "outcome": Outcome, "change": Change, "route": Route, "proof": ProofLevel, **dict.fromkeys(_TIMES, _time),
}  # fmt: skip


def _rows(columns: dict[str, Any]) -> Iterator[EvidenceRow]:
    """Rows of one line; columns that came later have their defaults, those of a newer version are passed over."""
    names = [name for name in _COLUMNS if name in columns]
    values = [_cells(name, columns[name], columns["rows"]) for name in names]
    for cells in zip(*values, strict=True):
        yield EvidenceRow(**dict(zip(names, cells, strict=True)))


def _cells(name: str, values: Any, count: int) -> list[Any]:
    kind = _KINDS.get(name)
    cells = values if isinstance(values, list) else [values] * count
    return cells if kind is None else [None if one is None else kind(one) for one in cells]
