"""Manifests: exact, in order, atomic, unchangeable; and the check of evidence against the chain."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tracemalloc
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from mappings.errors import DoNotTrust, FixTheInput, ResumeLater
from mappings.objects import EvidenceRow, ObjectKey
from mappings.runs import Claim, RunKind
from mappings.shards import Span
from mappings.states import Change, Outcome, ProofLevel, Route
from tasks.ledger import Ledger
from tasks.manifests import (
    ROWS_PER_GROUP,
    ManifestWriter,
    check_evidence,
    manifest_hash,
    manifest_meta,
    manifest_path,
    previous_rows,
    read_manifest,
    read_meta,
    read_parts,
)
from tests.ledger.build import NOW, WHOLE, row, shard

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
TIMES = st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(9000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
ROWS = st.builds(
    row,
    NAMES,
    st.sampled_from(["", "2026-11-22T14:00:00.0000001Z", "2026-11-22T14:00:00.0000002Z"]),
    size=st.integers(0, 2**50),
    source_last_modified=TIMES,
    outcome=st.sampled_from(Outcome),
    change=st.sampled_from(Change),
    route=st.none() | st.sampled_from(Route),
    proof=st.none() | st.sampled_from(ProofLevel),
    target_etag=st.text(st.characters(exclude_categories=["Cs"])),
    started=st.none() | TIMES,
    finished=st.none() | TIMES,
    attempts=st.integers(1, 1000),
)


def written(path: Path, rows: list[EvidenceRow], meta: dict[str, Any] | None = None) -> str:
    writer = ManifestWriter(path, meta=meta or {})
    for each in rows:
        writer.write(each)
    return writer.close()


@pytest.mark.slow
@hypothesis_settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROWS, max_size=20, unique_by=lambda each: each.key))
def test_rows_come_back_exactly(tmp_path: Path, rows: list[EvidenceRow]) -> None:
    rows.sort(key=lambda each: each.key.sort_key)
    path = tmp_path / "m.parquet"
    path.unlink(missing_ok=True)
    assert written(path, rows) == manifest_hash(path)
    back = list(read_manifest(path))
    assert back == rows
    assert all(isinstance(each.outcome, Outcome) and each.source_last_modified.tzinfo is UTC for each in back)


@pytest.mark.slow
def test_row_groups_keep_order_and_bound_memory(tmp_path: Path) -> None:
    """Breaks when the writer keeps all rows until `close`."""
    path = tmp_path / "m.parquet"
    writer = ManifestWriter(path, meta={})
    tracemalloc.start()
    for number in range(4 * ROWS_PER_GROUP + 1):
        writer.write(row(f"{number:08d}"))
    assert len(writer._rows) <= ROWS_PER_GROUP
    tracemalloc.stop()
    writer.close()
    names = [each.name for each in read_manifest(path)]
    assert names == sorted(names)
    assert len(names) == 4 * ROWS_PER_GROUP + 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("b", ""), ("a", "")),
        (("a", ""), ("a", "")),
        (("a", ""), ("a", "2026-01-01")),
        (("a", "2026-01-02"), ("a", "2026-01-01")),
        (("a", ""), ("B", "")),
        (("\U00010000", ""), ("\uffee", "")),
    ],
)
def test_rows_out_of_key_order_are_refused(tmp_path: Path, first: tuple[str, str], second: tuple[str, str]) -> None:
    writer = ManifestWriter(tmp_path / "m.parquet", meta={})
    writer.write(row(*first))
    with pytest.raises(ValueError, match="does not come after"):
        writer.write(row(*second))
    writer.abort()


def test_keys_sort_snapshots_oldest_first_before_their_base() -> None:
    keys = [
        ObjectKey("a", "2026-01-01"),
        ObjectKey("a", "2026-01-02"),
        ObjectKey("a"),
        ObjectKey("a ", "2025"),
        ObjectKey("b"),
    ]
    assert sorted({*keys}) == keys
    assert keys[0] < keys[2] <= keys[2] < keys[3]


def test_nothing_stands_under_the_final_name_before_close(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "m.parquet"
    writer = ManifestWriter(path, meta={})
    writer.write(row("a"))
    assert [each.name for each in path.parent.iterdir()] == ["m.parquet.partial"]
    writer.close()
    assert [each.name for each in path.parent.iterdir()] == ["m.parquet"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o440


def test_abort_leaves_nothing_and_is_idempotent(tmp_path: Path) -> None:
    writer = ManifestWriter(tmp_path / "m.parquet", meta={})
    writer.write(row("a"))
    writer.abort()
    writer.abort()
    assert list(tmp_path.iterdir()) == []
    done = ManifestWriter(tmp_path / "n.parquet", meta={})
    done.close()
    done.abort()
    assert [each.name for each in tmp_path.iterdir()] == ["n.parquet"]


def test_a_finished_manifest_is_never_written_again(tmp_path: Path) -> None:
    written(tmp_path / "m.parquet", [row("a")])
    with pytest.raises(FileExistsError):
        ManifestWriter(tmp_path / "m.parquet", meta={})


def test_naive_times_are_refused_and_others_become_utc(tmp_path: Path) -> None:
    elsewhere = NOW.astimezone(timezone(timedelta(hours=-5)))
    written(tmp_path / "m.parquet", [row("a", source_last_modified=elsewhere)])
    (back,) = read_manifest(tmp_path / "m.parquet")
    assert back.source_last_modified == NOW
    writer = ManifestWriter(tmp_path / "n.parquet", meta={})
    writer.write(row("a", started=datetime(2026, 1, 1)))  # noqa: DTZ001
    with pytest.raises(ValueError, match="time zone"):
        writer.close()
    writer.abort()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_resumable(tmp_path: Path) -> None:
    (tmp_path / "m.parquet.partial").symlink_to("/dev/full")
    with pytest.raises(ResumeLater, match="full"):
        written(tmp_path / "m.parquet", [row(f"{number:06d}") for number in range(3 * ROWS_PER_GROUP)])
    assert not (tmp_path / "m.parquet").exists()


def test_a_full_disk_can_be_aborted(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs a device that is always full")
    (tmp_path / "m.parquet.partial").symlink_to("/dev/full")
    writer = ManifestWriter(tmp_path / "m.parquet", meta={})
    writer.write(row("a"))
    with pytest.raises(ResumeLater):
        writer.close()
    writer.abort()
    del writer
    assert list(tmp_path.iterdir()) == []
    assert "Exception ignored" not in capfd.readouterr().err


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root writes everywhere")
    tmp_path.chmod(0o500)
    with pytest.raises(FixTheInput):
        ManifestWriter(tmp_path / "m.parquet", meta={})


@pytest.mark.parametrize("content", [None, b"", b"PAR1 no", b"x" * 100])
def test_what_is_no_manifest_is_said(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "m.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DoNotTrust):
        list(read_manifest(path))
    with pytest.raises(DoNotTrust):
        read_meta(path)


def test_meta_says_what_the_file_is(tmp_path: Path) -> None:
    claim = Claim("run-1", shard(3, begin="b", end=None), "h:1:a", 1, 2, NOW)
    assert manifest_path(claim) == "evidence/hollisdata/docs/00003/run-1-2.parquet"
    path = tmp_path / manifest_path(claim)
    written(path, [], manifest_meta(claim, tool_version="0.1.0"))
    meta = read_meta(path)
    assert (meta["run"], meta["shard"], meta["begin"], meta["end"]) == ("run-1", claim.shard.id, "b", None)
    assert meta["tool_version"] == "0.1.0"


def test_parts_give_only_their_own_names(tmp_path: Path) -> None:
    written(tmp_path / "old", [row(name, size=1) for name in "abcd"])
    written(tmp_path / "new", [row(name, size=2) for name in "abcd"])
    rows = read_parts(tmp_path, [Span("", "b", "old"), Span("b", "d", "new"), Span("d", None, "old")])
    assert [(each.name, each.size) for each in rows] == [("a", 1), ("b", 2), ("c", 2), ("d", 1)]


class TestEvidence:
    def run(self, ledger: Ledger, folder: Path) -> list[Path]:
        run_id = ledger.writer.begin_run(RunKind.MIGRATE, plan_id="p", now=NOW)
        ledger.writer.open_shards(run_id, [shard(0, end="m"), shard(1, begin="m")])
        paths = []
        for claim in ledger.writer.claim(run_id, owner="h:1:a", most=9, lease_seconds=9, now=NOW):
            place = manifest_path(claim)
            found = written(folder / place, [row(claim.shard.begin + "a")], manifest_meta(claim, tool_version="0"))
            ledger.writer.finish(claim, tally=WHOLE, manifest=place, manifest_hash=found, now=NOW)
            paths.append(folder / place)
        return paths

    def test_whole(self, ledger: Ledger, tmp_path: Path) -> None:
        self.run(ledger, tmp_path)
        (tmp_path / "evidence" / "left.parquet").write_bytes(b"a killed process left this")
        assert check_evidence(tmp_path, ledger.reader) == []
        assert [each.name for each in previous_rows(tmp_path, ledger.reader, shard(5))] == ["a", "ma"]

    def test_one_flipped_byte_is_found(self, ledger: Ledger, tmp_path: Path) -> None:
        """Breaks when files are compared by size or time."""
        first, second = self.run(ledger, tmp_path)
        content = bytearray(first.read_bytes())
        content[len(content) // 2] ^= 1
        first.chmod(0o640)
        first.write_bytes(content)
        second.unlink()
        problems = check_evidence(tmp_path, ledger.reader)
        assert len(problems) == 2
        assert "altered" in problems[0]
        assert "cannot be read" in problems[1]

    def test_a_changed_row_of_the_ledger_is_found(self, ledger: Ledger, tmp_path: Path) -> None:
        self.run(ledger, tmp_path)
        with ledger.writer._change() as connection:
            connection.exec_driver_sql("UPDATE shard SET manifest_hash = 'x'")
        assert len(check_evidence(tmp_path, ledger.reader)) == 2


def test_a_worker_writes_manifests_without_pandas(tmp_path: Path) -> None:
    """Breaks when writing imports what no worker needs: it takes a second, and memory in each of them."""
    code = (
        "import sys; from tests.ledger.build import row; from tasks.manifests import ManifestWriter\n"
        "from pathlib import Path\n"
        "writer = ManifestWriter(Path(sys.argv[1]), meta={})\n"
        "[writer.write(row(name)) for name in ('a', 'b', 'ü')]\n"
        "writer.close(); sys.exit('pandas' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "m.parquet")], check=False)
    assert done.returncode == 0
    assert [one.name for one in read_manifest(tmp_path / "m.parquet")] == ["a", "b", "ü"]
