"""The dry run of a re-sync: a look at both sides that says what the run then does, and writes nothing."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest

from flows.foreseeing import foresee
from flows.wiring import Bench
from mappings.ahead import EXCLUDED, ONLY_AT_TARGET, REFUSED, Ahead, ahead_rows, ahead_to_json
from mappings.errors import ExitCode, FixTheInput, ObjectError
from mappings.filters import Filters
from mappings.objects import BlobType, HttpHeaders
from mappings.plan import CreateContainer, CreateStorageAccount
from mappings.plan_text import sealed
from mappings.states import Change
from tasks.foresee import foresee_shard
from tests.copiers.bench_of import RULES
from tests.copiers.test_carry import NOW, SHARD, Migration
from tests.copiers.test_carry import migration as migration_of
from tests.unit.test_console import GOOD

migration = migration_of
HEADERS = HttpHeaders(content_type="text/plain", content_md5=b"")


async def ahead_of(migration: Migration, *filters: Filters, **rules: object) -> Ahead:
    """What a look says; it must not write, nor read any content."""
    sides = migration.source, migration.target
    before = [Counter(side.calls) for side in sides]
    state, head = migration.target.state("c"), migration.ledger.reader.head()
    found = await foresee_shard(
        SHARD, migration.folder, migration.ledger.reader, replace(RULES, **rules), filters,  # type: ignore[arg-type]
        migration.reading, migration.writing,
    )  # fmt: skip
    asked = [set(side.calls - was) for side, was in zip(sides, before, strict=True)]
    assert asked[0] <= {"list"} and asked[1] <= {"list"}, "a look lists, and does nothing else"
    assert migration.target.state("c") == state and migration.ledger.reader.head() == head
    return found


async def test_each_kind_of_change_is_foreseen_with_its_bytes(migration: Migration) -> None:
    """Mutation that must fail it: any kind taken for another, or bytes counted of what only gets new tags."""
    source, target = migration.source, migration.target
    source.write("c", "keep", b"k" * 9, headers=HEADERS)
    source.write("c", "page", bytes(512), blob_type=BlobType.PAGE)
    await migration.run()
    source.write("c", "new", b"n" * 7)
    source.write("c", "n03", b"c" * 30, metadata={"k": "v"}, tags={"t": "v"})
    source.write("c", "n09", b"x" * 9, metadata={"k": "v"}, tags={"t": "v"})
    source.change("c", "n04", moves=False, tags={"t": "new"})
    source.change("c", "n10", metadata={"k": "new"})
    source.change("c", "n05", moves=False, tier="Cool", tier_inferred=False)
    source.delete("c", "n06")
    target.change("c", "n07", moves=False, tags={})
    target.write("c", "n08", b"theirs")
    source.write("c", "stranger", b"s" * 11)
    target.write("c", "stranger", b"other")
    source.write("c", "equal", b"e" * 5)
    target.write("c", "equal", b"e" * 5)
    target.write("c", "theirs", b"t")
    source.write("c", "out.tmp", b"o" * 3)
    found = await ahead_of(migration, exclude_blobs=("*.tmp",))
    assert found.objects == {
        Change.NEW: 2,  # "new", and "equal" that has no evidence
        Change.CONTENT: 1,
        Change.SUSPECT: 1,  # "n09": written anew, with the same size and label
        Change.METADATA: 1,  # its ETag has moved, so that its content is compared
        Change.TAGS: 1,
        Change.TIER: 1,
        Change.DRIFTED: 2,  # tags taken off at the target, and content overwritten there
        Change.SAME: 22 - 8,
        EXCLUDED: 1,
        REFUSED: 1,
        ONLY_AT_TARGET: 2,
    }
    assert found.listed == len(source.containers_["c"])
    assert found.copied == (3, 7 + 30 + 8), "new, n03 and n08"
    assert found.compared == (3, 5 + 9 + 10)
    assert found.at_most == (6, 69)


@pytest.mark.slow
async def test_the_look_says_what_the_run_then_does(migration: Migration) -> None:
    """Over many estates at random: kinds, and objects and bytes that travel, are those of the run that follows.

    Mutation that must fail it: a look that decides otherwise than the engine.
    """
    await migration.run()
    for seed in range(25):
        dice = random.Random(seed)
        for name in [*migration.source.containers_["c"]]:
            match dice.randrange(8):
                case 0:
                    migration.source.write("c", name, dice.randbytes(dice.randrange(30)))
                case 1:
                    migration.source.change("c", name, moves=False, tags={"t": str(seed)})
                case 2:
                    migration.source.change("c", name, metadata={"k": str(seed)})
                case 3 if len(migration.source.containers_["c"]) > 12:
                    migration.source.delete("c", name)
                case 4:
                    migration.target.write("c", name, dice.randbytes(5))
        for number in range(dice.randrange(4)):
            migration.source.write("c", f"s{seed:02}-{number}", dice.randbytes(12))
        ahead = await ahead_of(migration)
        record = await migration.run()
        rows = migration.rows(record)
        did = Counter(row.change.value for row in rows if row.change not in (Change.DELETED, Change.EXTRA))
        if record.carried:
            did = Counter(same=len(rows))
        kinds = Counter({kind: n for kind, n in ahead.objects.items() if kind != ONLY_AT_TARGET})
        assert +kinds - Counter(suspect=kinds["suspect"], refused=kinds[REFUSED]) <= did, seed
        assert ahead.listed == record.tally.listed and ahead.objects.get(ONLY_AT_TARGET, 0) == record.tally.deleted
        travelled = [row for row in rows if row.route is not None and not record.carried]
        least, most = ahead.copied, ahead.at_most
        assert least[0] <= len(travelled) <= most[0] and least[1] <= sum(row.size for row in travelled) <= most[1], seed


async def test_missing_history_is_new_and_its_base_is_written_again(migration: Migration) -> None:
    """Mutation that must fail it: a snapshot that is passed over, or a look that gives up where the engine asks."""
    await migration.run()
    migration.source.take_snapshot("c", "n05")
    found = await ahead_of(migration)
    assert (found.objects[Change.NEW], found.objects[Change.CONTENT], found.objects[Change.SAME]) == (1, 1, 19)
    assert found.copied == (2, 10)
    await migration.run()
    again = await ahead_of(migration)
    assert again.objects == {Change.SAME: 21} and again.copied == (0, 0)


async def test_filters_hold_for_the_look_as_for_the_run(migration: Migration) -> None:
    """Mutation that must fail it: a look that takes what the plan's filters leave out."""
    await migration.run()
    migration.source.write("c", "n01", b"changed")
    migration.source.write("c", "n02", b"changed")
    found = await ahead_of(migration, Filters(exclude=("n01",)))
    assert found.copied == (1, 7) and found.objects[EXCLUDED] == 1


async def test_a_shard_that_cannot_be_listed_says_so(migration: Migration) -> None:
    """Mutation that must fail it: a container that is gone, told as one in which nothing is left to do."""
    await migration.run()
    del migration.source.containers_["c"]
    with pytest.raises(ObjectError):
        await ahead_of(migration)


class SignedIn:
    """A session of which nothing is asked."""

    def prove(self) -> None:
        return None

    async def aclose(self) -> None:
        return None


async def test_the_command_looks_at_the_whole_plan_and_says_what_it_could_not_see(
    migration: Migration, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mutation that must fail it: ending with 0 although a part was not listed, or not seeing a new container."""
    config = migration.folder / "migration.toml"
    config.write_text(GOOD, encoding="utf-8")
    monkeypatch.setattr(Bench, "_session", lambda bench, side: SignedIn())
    monkeypatch.setattr(Bench, "source_blobs", lambda bench, account: migration.reading)
    monkeypatch.setattr(Bench, "target_blobs", lambda bench, account, named=None: migration.writing)
    made = CreateStorageAccount("dst", "g", "usgovvirginia", "StorageV2", "Standard_LRS", "/src", "src")
    plan = sealed((made, CreateContainer("dst", "c", "src"), SHARD), (), (), created_at=NOW)
    migration.ledger.writer.save_plan(plan, now=NOW)
    with pytest.raises(FixTheInput, match="Nothing was copied yet"):
        await foresee(config, {})
    await migration.run()
    migration.source.write("c", "n03", b"changed")
    migration.source.write("fresh", "one", b"12")
    head = migration.ledger.reader.head()
    outcome = await foresee(config, {})
    summary = outcome.summary
    assert outcome.exit_code is ExitCode.OK and summary["plan"] == plan.id
    assert summary["ahead"]["copied"] == {"objects": 1, "bytes": 7}
    assert summary["new_containers"] == [{"account": "src", "container": "fresh", "objects": 1, "bytes": 2}]
    assert (summary["expected"]["objects"], summary["expected"]["bytes"]) == (2, 9)
    assert "  content: 1, 7 B: content changed" in summary["lines"]
    assert "  new container, besides these: src/fresh: 1 objects, 2 B" in summary["lines"]
    del migration.source.containers_["c"]
    blind = await foresee(config, {})
    assert blind.exit_code is ExitCode.FINDINGS
    assert [one["where"] for one in blind.summary["not_looked_at"]] == ["src/c"]
    assert migration.ledger.reader.latest_plan() == plan, "the plan grows in the run, not in the look"
    assert [event.kind for event in migration.ledger.reader.events(after=head.events)] == []


def test_what_was_found_is_told_kind_by_kind() -> None:
    one = Ahead({"new": 2, "same": 5, ONLY_AT_TARGET: 1}, {"new": 30}, (2, 30))
    both = one + Ahead({"new": 1, REFUSED: 1}, {"new": 4, REFUSED: 9}, (0, 0), (1, 4))
    told = ahead_to_json(both)
    assert told["objects"] | {"new": 3, "same": 5, REFUSED: 1, ONLY_AT_TARGET: 1} == told["objects"]
    assert sum(told["objects"].values()) == 10 and told["listed"] == 9
    assert told["bytes"] == {"new": 34, REFUSED: 9}
    assert (told["copied"], told["compared"]) == ({"objects": 2, "bytes": 30}, {"objects": 1, "bytes": 4})
    assert [row[:3] for row in ahead_rows(both)] == [
        ("new", 3, 34), ("same", 5, None), (REFUSED, 1, 9), (ONLY_AT_TARGET, 1, None)
    ]  # fmt: skip
