"""Previous versions: replayed oldest first, once, whatever interrupts it."""

from __future__ import annotations

import asyncio

import pytest

from mappings.objects import EvidenceRow
from mappings.states import Change, Outcome, ProofLevel
from tests.copiers.bench_of import Pair, killed_at


class History(Pair):
    """A pair whose accounts both keep versions."""

    def __init__(self, *, mode: str = "auto", target: bool = True) -> None:
        super().__init__(mode=mode)
        self.source.versioning, self.target.versioning = True, target
        self.reader.versions, self.writer.versions = True, target

    def _listed(self) -> dict[str, list[str]]:
        names = {*self.source.containers_["c"], *(name for _, name in self.source.versions)}
        return {
            name: [
                *([""] if name in self.source.containers_["c"] else []),
                *(one.item.snapshot for one in self.source.snapshots.get(("c", name), [])),
                *(one.item.version_id for one in self.source.versions.get(("c", name), [])),
            ]
            for name in names
        }

    def told(self, side: str, name: str) -> list[tuple[bytes, dict[str, str]]]:
        """Content and metadata of each generation, oldest first, the current one last."""
        account = self.source if side == "source" else self.target
        kept = [*account.versions.get(("c", name), [])]
        if (base := account.containers_["c"].get(name)) is not None:
            kept.append(base)
        return [(one.data, dict(one.item.metadata)) for one in kept]

    def assert_same_history(self, *names: str) -> None:
        for name in names:
            assert self.told("target", name) == self.told("source", name), name


def three(pair: Pair, name: str = "a") -> None:
    for n in range(3):
        pair.source.write("c", name, f"generation {n}".encode(), metadata={"n": str(n)})


def changes(rows: dict[tuple[str, str], EvidenceRow]) -> list[Change]:
    return [row.change for row in rows.values()]


@pytest.mark.parametrize(("proof", "gives_crc"), [(ProofLevel.L3, True), (ProofLevel.L2, False)])
async def test_history_that_only_reading_back_can_prove_is_proved(proof: ProofLevel, gives_crc: bool) -> None:
    """Breaks when what was just written is read back under the snapshot time or version id that the source knows."""
    pair = History(mode="pull")
    pair.target.gives_crc = gives_crc
    three(pair)
    pair.source.write("c", "b", b"one")
    pair.source.take_snapshot("c", "b")
    pair.source.write("c", "b", b"two")
    rows = await pair.run(proof=proof)
    assert {(row.outcome, (row.proof or 0) >= proof) for row in rows.values()} == {(Outcome.COPIED, True)}
    pair.assert_same_history("a")


@pytest.mark.parametrize("mode", ["pull", "stream"])
async def test_history_arrives_in_order_and_once(mode: str) -> None:
    """Breaks when an order is lost, a version is written twice, or a second run writes again."""
    pair = History(mode=mode)
    three(pair)
    pair.source.write("c", "b", b"only one")
    rows = await pair.run()
    pair.assert_same_history("a", "b")
    assert all(row.outcome is Outcome.COPIED for row in pair.manifest)
    assert {row.target_version for row in pair.manifest if row.version} == {
        one.item.version_id for one in pair.target.versions[("c", "a")]
    }
    before = pair.writes()
    rows = await pair.run()
    assert pair.writes() == before and set(changes(rows)) == {Change.SAME}


async def test_a_resync_appends_what_is_new_and_moves_no_content_twice() -> None:
    """Breaks when the version that the target holds as its current one is written again."""
    pair = History(mode="pull")
    three(pair)
    await pair.run()
    pair.target.calls.clear()
    pair.source.write("c", "a", b"generation 3", metadata={"n": "3"})
    await pair.run()
    assert pair.target.calls["put_blob_from_url"] == 1
    pair.assert_same_history("a")
    pair.source.write("c", "a", b"generation 4")
    pair.source.write("c", "a", b"generation 5")
    pair.target.calls.clear()
    await pair.run()
    assert pair.target.calls["put_blob_from_url"] == 2
    pair.assert_same_history("a")
    pair.source.change("c", "a", metadata={"only": "metadata"})
    pair.target.calls.clear()
    await pair.run()
    assert (pair.target.calls["put_blob_from_url"], pair.target.calls["set_metadata"]) == (0, 1)
    pair.assert_same_history("a")


async def test_snapshots_among_versions_cost_no_further_write() -> None:
    """A snapshot makes a version on both sides (Learn, "Blob versioning"); breaks when it makes two at the target."""
    pair = History(mode="pull")
    pair.source.write("c", "a", b"one")
    pair.source.take_snapshot("c", "a")
    pair.source.write("c", "a", b"two")
    await pair.run()
    pair.assert_same_history("a")
    assert [one.data for one in pair.target.snapshots[("c", "a")]] == [b"one"]
    before = pair.writes()
    await pair.run()
    assert pair.writes() == before


async def test_a_target_without_versioning_says_what_it_lacks() -> None:
    pair = History(target=False)
    three(pair)
    await pair.run()
    left = [row for row in pair.manifest if row.version]
    assert [row.outcome for row in left] == [Outcome.EXCLUDED] * 2 and "no previous versions" in left[0].reason
    assert pair.told("target", "a") == [(b"generation 2", {"n": "2"})]


async def test_the_history_of_a_deleted_name_is_left_out_with_the_reason() -> None:
    """Breaks when a blob that the source does not have appears at the target."""
    pair = History()
    three(pair)
    pair.source.delete("c", "a")
    await pair.run()
    assert [row.outcome for row in pair.manifest] == [Outcome.EXCLUDED] * 3
    assert "deleted at the source" in pair.manifest[0].reason and not pair.target.containers_["c"]


async def test_a_name_deleted_after_its_copy_keeps_its_history_at_the_target() -> None:
    pair = History()
    three(pair)
    await pair.run()
    pair.source.delete("c", "a")
    await pair.run()
    assert [one.data for one in pair.target.versions[("c", "a")]] == [b"generation 0", b"generation 1"]
    assert "a" in pair.target.containers_["c"], "nothing is deleted at the target"
    told = {row.version: row for row in pair.manifest}
    assert told[""].change is Change.DELETED


@pytest.mark.parametrize("step", range(1, 24))
@pytest.mark.parametrize("mode", ["pull", "stream"])
async def test_killed_in_mid_history_the_next_run_makes_the_same_history(mode: str, step: int) -> None:
    """Breaks when a killed replay leaves a version out, in another place, or the base blob with older content."""
    pair = History(mode=mode)
    three(pair)
    await killed_at(pair, step)
    await pair.run()
    told = pair.told("target", "a")
    wanted = pair.told("source", "a")
    assert told[-1] == wanted[-1]
    rest = iter(told)
    assert all(one in rest for one in wanted), "every generation, in order; a killed attempt may have left one more"
    extra = [row for row in pair.manifest if row.change is Change.EXTRA]
    assert len(told) - len(wanted) == len(extra), "and what it left is reported"


async def test_a_version_removed_in_mid_copy_does_not_become_the_base_blob() -> None:
    """Breaks when a version that is gone is looked for by name alone: the base blob's bytes would go in its place."""
    pair = History(mode="stream")
    three(pair)

    def lifecycle(operation: str, name: str) -> None:
        if operation == "read":
            pair.source.versions[("c", "a")] = pair.source.versions[("c", "a")][1:]
            pair.source.hook = None

    pair.source.hook = lifecycle
    found: list[EvidenceRow] = []
    from tasks.copiers.engine import copy_shard
    from tasks.progress import Progress, ShardProgress
    from tests.copiers.bench_of import SHARD

    await copy_shard(
        SHARD, pair.reader, pair.writer, iter([]), found.append, pair.rules, pair.routes, ShardProgress(Progress()),
        journal=pair.journal(),
    )  # fmt: skip
    await asyncio.sleep(0)
    assert found[0].outcome is Outcome.EXCLUDED and [row.outcome for row in found[1:]] == [Outcome.COPIED] * 2
    assert [data for data, _ in pair.told("target", "a")] == [b"generation 1", b"generation 2"]
