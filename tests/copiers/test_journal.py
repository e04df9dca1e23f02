"""The journal: what it keeps through a death, what it refuses, and what a resume is spared by it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from mappings.errors import FixTheInput, ObjectRefused
from mappings.objects import BlobType, EvidenceRow
from mappings.states import Change, Outcome
from tasks.copiers.journal import BATCH, FileJournal, Part
from tests.copiers.bench_of import Pair, killed_at
from tests.copiers.memory_cloud import Account

ITEM = Account("a").write("c", "big", b"x" * 64).item


async def rows(names: list[str]) -> list[EvidenceRow]:
    """Rows as a run makes them."""
    pair = Pair()
    for name in names:
        pair.source.write("c", name, b"x", metadata={"k": "ü"})
    return list((await pair.run()).values())


async def test_what_was_written_outlives_its_process_and_ends_with_the_manifest(tmp_path: Path) -> None:
    """Breaks when a name, a row or a part is lost at a crash, is altered on the way, or stays for ever."""
    folder = tmp_path / "deep"
    first = FileJournal(folder, "run-1")
    assert not folder.exists()
    first.begin(["a\nb ü", "c"])
    done = await rows(["a\nb ü"])
    first.note(done)
    first.note_part(ITEM, Part(0, 8, None, 2**63 + 1, "e", ""))
    first.flush()
    second = FileJournal(folder, "run-2")
    assert second.begun("a\nb ü") and second.begun("c") and not second.begun("d")
    assert list(second.finished("a\nb ü")) == done
    assert list(second.parts(ITEM)) == [Part(0, 8, None, 2**63 + 1, "e", "")]
    assert not second.parts(replace(ITEM, etag="other"))
    second.begin(["d"])
    assert not second.begun("d"), "only earlier attempts count"
    second.clear()
    assert not list(folder.iterdir())


async def test_a_batch_is_one_line_and_waits_half_a_second_at_most(tmp_path: Path) -> None:
    """Breaks when each row is a write of its own, or a row waits for a batch that never fills."""
    journal = FileJournal(tmp_path, "run-1")
    (row,) = await rows(["a"])
    for number in range(BATCH):
        journal.note([replace(row, name=f"{number}")])
    assert len((tmp_path / "run-1.journal").read_bytes().splitlines()) == 1
    journal.note([row])
    assert not FileJournal(tmp_path, "run-2").finished("a")
    await asyncio.sleep(0.7)
    assert FileJournal(tmp_path, "run-2").finished("a")


@pytest.mark.parametrize("torn", [b"0", b"00000000 [", b'deadbeef ["begin",["x"]]\n', b"\0" * 50, b"\0" * 9 + b"\n"])
def test_a_line_cut_off_by_a_death_is_passed_over(tmp_path: Path, torn: bytes) -> None:
    """Breaks when a torn tail spoils what stands before it, or is believed."""
    FileJournal(tmp_path, "run-1").begin(["a"])
    with (tmp_path / "run-1.journal").open("ab") as file:
        file.write(torn)
    journal = FileJournal(tmp_path, "run-2")
    assert journal.begun("a") and not journal.begun("x")


def test_a_spoilt_line_in_the_middle_is_refused(tmp_path: Path) -> None:
    """Breaks when a journal that cannot be read counts as empty: our own blobs would be taken for a stranger's."""
    journal = FileJournal(tmp_path, "run-1")
    journal.begin(["a"])
    journal.begin(["b"])
    path = tmp_path / "run-1.journal"
    path.write_bytes(path.read_bytes().replace(b'"a"', b'"x"'))
    with pytest.raises(FixTheInput, match="line 1"):
        FileJournal(tmp_path, "run-2")


async def test_columns_that_came_later_or_are_not_known_do_no_harm(tmp_path: Path) -> None:
    """Breaks when an upgrade in the middle of a migration cannot read the journal of the version before."""
    import zlib

    journal = FileJournal(tmp_path, "run-1")
    done = await rows(["a"])
    journal.note(done)
    journal.flush()
    path = tmp_path / "run-1.journal"
    lines = []
    for line in path.read_bytes().splitlines():
        text = line.split(b" ", 1)[1].replace(b'"target_version"', b'"of a newer version"')
        lines.append(b"%08x %b\n" % (zlib.crc32(text), text))
    path.write_bytes(b"".join(lines))
    assert list(FileJournal(tmp_path, "run-2").finished("a")) == done


# --- what a resume is spared ------------------------------------------------------------------------------------------


def many(count: int) -> Pair:
    pair = Pair()
    for number in range(count):
        pair.source.write("c", f"x{number:03}", bytes([number % 251]) * 5, tags={"t": "1"})
    return pair


async def test_a_recorded_object_is_neither_copied_nor_read_again() -> None:
    """Breaks when a journalled row is not believed although both ETags stand, or is not in the manifest as it was."""
    pair = many(40)
    pair.journal().note(list((await many(0).run()).values()))
    await killed_late(pair)
    journalled = {row.name: row for name in pair.target.containers_["c"] for row in pair.journal().finished(name)}
    assert 20 < len(journalled) < 40
    pair.source.calls.clear()
    pair.target.calls.clear()
    found = await pair.run()
    again = sum(count for what, count in pair.target.calls.items() if what.startswith("put_blob"))
    assert again == 40 - len(journalled) and pair.source.calls["read"] <= 2 * again
    assert all(found[(name, "")] == row for name, row in journalled.items())
    assert (pair.tally.copied, pair.tally.listed) == (40, 40)
    pair.assert_equal()


async def killed_late(pair: Pair) -> None:
    """Run until most is done and journalled, then die."""
    seen = 0

    def die(operation: str, name: str) -> None:
        nonlocal seen
        seen += operation.startswith("put_blob")
        if seen == 30:
            raise asyncio.CancelledError

    pair.target.hook = die
    real, pair.journal = pair.journal, lambda: eager(real())  # type: ignore[method-assign]
    with pytest.raises(asyncio.CancelledError):
        await pair.run()
    pair.target.hook, pair.journal = None, real  # type: ignore[method-assign]


def eager(journal: FileJournal) -> FileJournal:
    """Each row on its own, so that what was journalled is known."""
    note = journal.note

    def at_once(rows):  # type: ignore[no-untyped-def]
        note(rows)
        journal.flush()

    journal.note = at_once  # type: ignore[method-assign]
    return journal


async def test_a_row_is_not_believed_where_either_side_has_moved_on() -> None:
    """Breaks when the journal is believed without a look at the listings."""
    pair = many(40)
    await killed_late(pair)
    pair.source.write("c", "x000", b"newer than the journal")
    pair.target.write("c", "x001", b"drift")
    pair.source.change("c", "x002", moves=False, tags={"t": "2"})
    rows = await pair.run()
    pair.assert_equal()
    assert rows[("x000", "")].source_etag == pair.source.containers_["c"]["x000"].item.etag
    assert rows[("x002", "")].change is Change.TAGS
    assert rows[("x003", "")].change is Change.NEW and rows[("x003", "")].outcome is Outcome.COPIED


@pytest.mark.parametrize("kind", [BlobType.APPEND, BlobType.PAGE, BlobType.BLOCK])
@pytest.mark.parametrize("mode", ["pull", "stream"])
async def test_a_large_object_goes_on_where_it_stopped(kind: BlobType, mode: str) -> None:
    """Breaks when pieces that are at the target, provably ours, are sent or pulled again."""
    pair = Pair(mode=mode)
    size = 16 if kind is not BlobType.PAGE else 8192
    data = bytes(n % 251 for n in range(size * 8)) if kind is not BlobType.PAGE else b"p" * (512 * 8)
    pair.source.write("c", "x", data, blob_type=kind, label=False)
    writes = ("append", "append_from_url", "put_pages", "put_block", "put_block_from_url")
    count = 0

    def die(operation: str, name: str) -> None:
        nonlocal count
        count += operation in writes
        if count == 5:
            raise asyncio.CancelledError

    pair.target.hook = die
    with pytest.raises(asyncio.CancelledError):
        await pair.run(page_write=512)
    pair.target.hook = None
    before = sum(pair.target.calls[one] for one in writes)
    await pair.run(page_write=512)
    pair.assert_equal()
    pieces = len(data) // (512 if kind is BlobType.PAGE else 8)
    done = 4 if kind is not BlobType.BLOCK else 1
    assert sum(pair.target.calls[one] for one in writes) - before <= pieces - done


async def test_pieces_of_another_generation_or_another_writer_are_not_used() -> None:
    """Breaks when an append blob is continued on top of a prefix that is not provably ours."""
    for spoil in ("source", "target"):
        pair = Pair(mode="stream")
        pair.source.write("c", "x", b"A" * 64, blob_type=BlobType.APPEND, label=False)
        await killed_at(pair, 12)
        assert 0 < len(pair.target.containers_["c"]["x"].data) < 64
        if spoil == "source":
            pair.source.write("c", "x", b"B" * 64, blob_type=BlobType.APPEND, label=False)
        else:
            there = pair.target.containers_["c"]["x"]
            there.data = b"C" * len(there.data)
            pair.target.change("c", "x")
        row = (await pair.run())[("x", "")]
        assert row.outcome is Outcome.COPIED
        pair.assert_equal()


async def test_a_journal_that_was_left_behind_does_not_outdo_a_newer_manifest() -> None:
    """Breaks when a stale row is taken for evidence: what is unchanged would count as drifted, and be copied again."""
    pair = many(3)
    stale = list((await pair.run()).values())
    for number in range(3):
        pair.source.write("c", f"x{number:03}", b"newer")
    await pair.run()
    left = pair.journal()
    left.note(stale)
    left.flush()
    before = pair.writes()
    rows = await pair.run()
    assert pair.writes() == before and {row.change for row in rows.values()} == {Change.SAME}


@pytest.mark.parametrize("mode", ["pull", "stream"])
async def test_what_was_written_and_not_recorded_is_known_as_ours(mode: str) -> None:
    """Breaks when the journal does not hold a name before its first write: the source moves on, and ours is refused."""
    pair = Pair(mode=mode)
    for name in ("a", "b", "c", "d"):
        pair.source.write("c", name, b"x", label=False)

    def die(operation: str, name: str) -> None:
        if "a" in pair.target.containers_["c"]:
            raise asyncio.CancelledError

    pair.source.hook = pair.target.hook = die
    with pytest.raises(asyncio.CancelledError):
        await pair.run(concurrency=1)
    pair.source.hook = pair.target.hook = None
    assert not pair.journal().finished("a")
    pair.source.write("c", "a", b"longer", label=False)
    assert (await pair.run())[("a", "")].outcome is Outcome.COPIED
    pair.assert_equal()


async def test_what_was_begun_stays_ours_where_the_source_moves_while_it_is_compared() -> None:
    """Breaks when that fails and is forgotten: the next run would take our own blob for a stranger's, for ever."""
    pair = Pair()
    pair.source.write("c", "a", b"old", label=False)
    left = pair.journal()
    left.begin(["a"])
    left.close()
    pair.target.write("c", "a", b"old")
    generations = iter((b"new",))

    def move(operation: str, name: str) -> None:
        if operation == "read" and (data := next(generations, None)) is not None:
            pair.source.write("c", "a", data, label=False)

    pair.source.hook = move
    assert (await pair.run())[("a", "")].outcome is Outcome.COPIED
    pair.assert_equal()


async def test_a_failed_comparison_of_what_was_begun_does_not_make_it_a_strangers() -> None:
    """Breaks when the row of the failure does not say that the target's blob is ours."""
    pair = Pair()
    pair.source.write("c", "a", b"new", label=False)
    left = pair.journal()
    left.begin(["a"])
    left.close()
    pair.target.write("c", "a", b"old")

    def refuse(operation: str, name: str) -> None:
        if operation == "read":
            raise ObjectRefused("Not today.", code="Refused", status=403)

    pair.target.hook = refuse
    assert (await pair.run())[("a", "")].outcome is Outcome.FAILED
    pair.target.hook = None
    assert (await pair.run())[("a", "")].outcome is Outcome.COPIED
    pair.assert_equal()


@pytest.mark.parametrize("mode", ["pull", "stream"])
async def test_a_write_of_the_dead_attempt_that_arrives_late_is_ours(mode: str) -> None:
    """Breaks when what a killed process had sent last, and the source has outgrown since, is taken for a stranger's."""
    pair = Pair(mode=mode)
    pair.source.write("c", "a", b"new", label=False)
    left = pair.journal()
    left.begin(["a"])
    left.close()
    late = iter((b"of another size",))

    def land(operation: str, name: str) -> None:
        if operation.startswith("put_blob") and (data := next(late, None)) is not None:
            pair.target.write("c", "a", data)

    pair.target.hook = land
    assert (await pair.run())[("a", "")].outcome is Outcome.COPIED
    pair.assert_equal()
