"""Evidence on disk: one Parquet file per shard attempt, one row per object, in key order, never changed once finished.

Rows go through in groups of bounded size, so memory does not grow with the number of objects. A file is written under
`<name>.partial` and renamed when it is whole; what a killed process leaves behind is never taken for a manifest.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import fields
from datetime import UTC
from operator import attrgetter
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from mappings.codec import canonical_json
from mappings.errors import DoNotTrust
from mappings.objects import EvidenceRow, ObjectKey
from mappings.plan import CopyShard
from mappings.runs import Claim
from mappings.shards import Span
from mappings.states import Change, Outcome, ProofLevel, Route
from tasks.columns import column
from tasks.disk import writing

if TYPE_CHECKING:
    import pyarrow as pa

    from tasks.ledger.reader import LedgerReader

SCHEMA_VERSION = "1"
ROWS_PER_GROUP = 2000
_META_KEY = b"govlift"
_COLUMNS = tuple(field.name for field in fields(EvidenceRow))
_LATER = frozenset({"code", "version", "target_version"})
"""Columns, texts all, that the first version of the schema had not."""
_TIMES = ("source_last_modified", "started", "finished")


def manifest_path(claim: Claim) -> str:
    """Path of the manifest of this attempt, relative to the migration folder."""
    shard = claim.shard
    name = f"{claim.run_id}-{claim.attempt}.parquet"
    return f"evidence/{shard.source_account}/{shard.container}/{shard.number:05d}/{name}"


def manifest_meta(claim: Claim, *, tool_version: str) -> dict[str, Any]:
    """What a manifest says of itself."""
    shard = claim.shard
    return {
        "schema_version": SCHEMA_VERSION,
        "tool_version": tool_version,
        "run": claim.run_id,
        "attempt": claim.attempt,
        "shard": shard.id,
        "begin": shard.begin,
        "end": shard.end,
        "source_account": shard.source_account,
        "target_account": shard.target_account,
        "container": shard.container,
    }


class ManifestWriter:
    """Writes one manifest; `close` or `abort` ends it. Not for more than one thread at once.

    Args:
        path: the finished file; its folder is made. Must not exist.
        meta: about the file, as `manifest_meta` gives; anything with a JSON form.

    Raises:
        ResumeLater: the disk is full (from every method).
        FixTheInput: the folder cannot be written.
    """

    def __init__(self, path: Path, *, meta: Mapping[str, Any]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        if path.exists():
            raise FileExistsError(f"{path} is a finished manifest")
        self._path = path
        self._partial = path.with_name(path.name + ".partial")
        self._rows: list[EvidenceRow] = []
        self._last: ObjectKey | None = None
        self._last_name = ""
        self._schema = _schema().with_metadata({_META_KEY: canonical_json(meta).encode("ascii")})
        self._pa = pa
        self._writer: pq.ParquetWriter | None = None
        with writing(path, "manifest"):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = self._partial.open("wb")
            try:
                self._writer = pq.ParquetWriter(self._file, self._schema, compression="zstd")
            except BaseException:
                self.abort()
                raise

    def write(self, row: EvidenceRow) -> None:
        """Add one row.

        Raises:
            ValueError: its key does not come after the one before; a manifest has each key once, in order.
        """
        # Different names decide alone; keys are made only within one name.
        if not self._last_name < row.name:
            last = self._rows[-1].key if self._rows else self._last
            if last is not None and not last < row.key:
                raise ValueError(f"{row.key} does not come after {last}")
        self._last_name = row.name
        self._rows.append(row)
        if len(self._rows) >= ROWS_PER_GROUP:
            with writing(self._path, "manifest"):
                self._flush()

    def keep(self, table: pa.Table) -> None:
        """Add rows of another manifest as they stand; columns that it has not are empty.

        Raises:
            ValueError: they do not come after what was written.
        """
        if not table.num_rows:
            return
        (first,), (last,) = ([ObjectKey(*key) for key in _keys(table.slice(at, 1))] for at in (0, table.num_rows - 1))
        before = self._rows[-1].key if self._rows else self._last
        if before is not None and not before < first:
            raise ValueError(f"{first} does not come after {before}")
        self._last_name = last.name
        with writing(self._path, "manifest"):
            if self._rows:
                self._flush()
            assert self._writer is not None
            self._writer.write_table(_completed(table, self._schema), row_group_size=ROWS_PER_GROUP)
            self._last = last

    def close(self) -> str:
        """Finish the file: on disk, under its name, read-only. Returns its SHA-256, hex."""
        if self._writer is None:
            raise ValueError(f"{self._path} is closed already")
        with writing(self._path, "manifest"):
            if self._rows:
                self._flush()
            self._writer.close()
            self._writer = None
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._partial.chmod(0o440)
            self._partial.rename(self._path)
            _sync_folder(self._path.parent)
            return manifest_hash(self._path)

    def abort(self) -> None:
        """Give up and remove what was written. Idempotent; after `close` it does nothing."""
        writer, self._writer = self._writer, None
        self._rows.clear()
        for part in (writer, self._file):
            # Closing writes what is left in buffers, which a full disk refuses, and which is not wanted.
            with suppress(OSError):
                if part is not None:
                    part.close()
        self._partial.unlink(missing_ok=True)

    def _flush(self) -> None:
        columns = zip(*map(_values, self._rows), strict=True)
        arrays = [column(values, field.type) for field, values in zip(self._schema, columns, strict=True)]
        table = self._pa.Table.from_arrays(arrays, schema=self._schema)
        assert self._writer is not None
        self._writer.write_table(table, row_group_size=ROWS_PER_GROUP)
        self._last = self._rows[-1].key
        self._rows.clear()


def read_manifest(path: Path) -> Iterator[EvidenceRow]:
    """The rows of a finished manifest, in key order, a row group at a time.

    Raises:
        DoNotTrust: the file is gone, or is no manifest.
    """
    import pyarrow.parquet as pq

    with readable(path), pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=ROWS_PER_GROUP):
            # A manifest of an older version lacks the columns that came later.
            had = set(batch.schema.names)
            columns = [batch.column(name).to_pylist() if name in had or name not in _LATER else [""] * len(batch)
                       for name in _COLUMNS]  # fmt: skip
            for values in zip(*columns, strict=True):
                yield _row(dict(zip(_COLUMNS, values, strict=True)))


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Say of a manifest that is gone or damaged what it means: `DoNotTrust`."""
    import pyarrow as pa

    try:
        yield
    except FileNotFoundError:
        raise DoNotTrust(f"The manifest {path} is gone.", next_step=_RESTORE) from None
    except (pa.ArrowException, KeyError, OSError) as wrong:
        if isinstance(wrong, OSError) and wrong.errno:
            raise
        raise DoNotTrust(f"{path} cannot be read as a manifest ({type(wrong).__name__}).", next_step=_RESTORE) from None


def read_parts(folder: Path, parts: list[Span[str]]) -> Iterator[EvidenceRow]:
    """The rows that `LedgerReader.previous_manifests` points at, in key order.

    Args:
        folder: the migration folder.
        parts: ascending, without overlap.
    """
    for part in parts:
        for row in read_manifest(folder / part.covered_by):
            if part.holds(row.name):
                yield row


def changes_in(path: Path, *, carried: bool = False) -> dict[str, int]:
    """How many rows of a manifest have each change; reads that one column. Raises as `read_manifest`.

    Args:
        carried: it is the evidence of a later run, which found nothing changed.
    """
    import pyarrow.parquet as pq

    with readable(path):
        counted = pq.read_table(path, columns=["change"]).column("change").value_counts().to_pylist()
    changes: dict[str, int] = {}
    for one in counted:
        stands = not carried or one["values"] in (Change.DELETED.value, Change.EXTRA.value)
        change = str(one["values"]) if stands else Change.SAME.value
        changes[change] = changes.get(change, 0) + int(one["counts"])
    return changes


def read_meta(path: Path) -> dict[str, Any]:
    """What a manifest says of itself; raises as `read_manifest`."""
    import json

    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        meta = pq.read_schema(path).metadata
        return dict(json.loads(meta[_META_KEY]))
    except FileNotFoundError:
        raise DoNotTrust(f"The manifest {path} is gone.", next_step=_RESTORE) from None
    except (pa.ArrowException, KeyError, TypeError, ValueError) as wrong:
        raise DoNotTrust(f"{path} cannot be read as a manifest ({type(wrong).__name__}).", next_step=_RESTORE) from None


def manifest_hash(path: Path) -> str:
    """SHA-256 of the file, hex.

    Raises:
        FileNotFoundError: there is none.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_evidence(folder: Path, reader: LedgerReader) -> list[str]:
    """What is wrong with the evidence of a migration, one sentence each; [] proves that nothing was altered or removed.

    Every manifest that a run ever recorded is hashed again and compared with the event chain, and the chain with
    itself. A manifest that no event names (its process was killed before it could record it) is no evidence.

    Args:
        folder: the migration folder.
        reader: of its ledger.
    """
    problems = reader.check_chain()
    recorded: dict[str, str] = {}
    printed: dict[str, str] = {}
    for event in reader.events():
        if event.kind == "shard.printed":
            printed[f"{event.detail['manifest']}.prints"] = event.detail["prints_hash"]
        if event.kind in ("shard.done", "shard.failed") and event.detail["manifest"]:
            recorded[event.detail["manifest"]] = event.detail["manifest_hash"]
    for place, expected in sorted(recorded.items()):
        try:
            found = manifest_hash(folder / place)
        except OSError as wrong:
            problems.append(f"{place} cannot be read: {wrong.strerror}.")
            continue
        if found != expected:
            problems.append(f"{place} was altered: its SHA-256 is not the one recorded.")
    for place, expected in sorted(printed.items()):
        # Prints that are gone only make the next run slower.
        if (folder / place).exists() and manifest_hash(folder / place) != expected:
            problems.append(f"{place} was altered: its SHA-256 is not the one recorded.")
    for ref in reader.manifests():
        if recorded.get(ref.manifest) != ref.hash:
            problems.append(f"The ledger's row of {ref.shard_id} in run {ref.run_id} does not agree with its events.")
    return problems


def previous_rows(folder: Path, reader: LedgerReader, shard: CopyShard) -> Iterator[EvidenceRow]:
    """What was recorded before for the objects in the range of `shard`, in key order, newest evidence."""
    return read_parts(folder, reader.previous_manifests(shard))


_RESTORE = "Restore the evidence folder from a backup of the migration folder."


def _schema() -> pa.Schema:
    import pyarrow as pa

    time = pa.timestamp("us", tz="UTC")
    special = dict.fromkeys(_TIMES, time) | {"size": pa.int64(), "proof": pa.int8(), "attempts": pa.int32()}
    return pa.schema([(name, special.get(name, pa.string())) for name in _COLUMNS])


def _keys(table: pa.Table) -> Iterator[tuple[str, ...]]:
    columns = [table.column(name).to_pylist() for name in ("name", "snapshot", "version") if name in table.column_names]
    yield from zip(*columns, strict=True)


def _completed(table: pa.Table, schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    for field in schema:
        if field.name not in table.column_names:
            table = table.append_column(field, pa.array([""] * table.num_rows, field.type))
    return table.select(schema.names).cast(schema)


_values: Callable[[EvidenceRow], tuple[Any, ...]] = attrgetter(*_COLUMNS)


def _row(values: dict[str, Any]) -> EvidenceRow:
    for name in _TIMES:
        if values[name] is not None:
            values[name] = values[name].astimezone(UTC)
    values["outcome"] = Outcome(values["outcome"])
    values["change"] = Change(values["change"])
    values["route"] = None if values["route"] is None else Route(values["route"])
    values["proof"] = None if values["proof"] is None else ProofLevel(values["proof"])
    return EvidenceRow(**values)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself last through a power cut; only POSIX systems can."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
