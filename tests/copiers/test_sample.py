"""`verify --sample`: which objects it looks at, that it looks at no others, and what it says of all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import flows.proving
from flows.cli import app
from flows.observe import Outcome
from flows.proving import sample_of
from mappings.errors import ExitCode
from mappings.objects import Tally
from mappings.sampling import Sample
from mappings.states import ProofLevel
from tasks.copiers.check import Verification, verify_shard
from tasks.progress import Progress
from tests.copiers.bench_of import SHARD, Pair

NAMES = [f"n{number:02}" for number in range(40)]
TAKEN = ["n03", "n04", "n14", "n15", "n16", "n27", "n31", "n35", "n38"]
"""Of these names, by the seed "govlift", at a quarter: SHA-256 of seed, line feed and name below a quarter of all."""
OTHERS = ["n12", "n16", "n17", "n21", "n26", "n34", "n35", "n39"]
"""By the seed "other"."""


async def copied() -> Pair:
    """Forty objects, one of them with a snapshot, and one that the settings leave out."""
    pair = Pair()
    for name in NAMES:
        pair.source.write("c", name, name.encode())
    pair.source.take_snapshot("c", "n15")
    pair.source.write("c", "z.tmp", b"left out")
    await pair.run(exclude_blobs=("*.tmp",))
    return pair


async def verified(pair: Pair, share: float, seed: str = "govlift", level: ProofLevel = ProofLevel.L3) -> Verification:
    return await verify_shard(
        SHARD, pair.reader, pair.writer, iter([pair.manifest]), level=level, share=share, seed=seed, progress=Progress()
    )  # fmt: skip


async def looked_at(pair: Pair, share: float, seed: str = "govlift") -> list[str]:
    """The names whose content is read at the target."""
    seen: set[str] = set()
    pair.target.hook = lambda operation, name: seen.add(name) if operation == "read" else None
    try:
        await verified(pair, share, seed)
    finally:
        pair.target.hook = None
    return sorted(seen)


async def test_the_sample_is_exactly_what_seed_and_share_say() -> None:
    """Mutation that must fail it: passing nothing over, passing over what is chosen, or a seed that chooses nothing."""
    pair = await copied()
    assert await looked_at(pair, 0.25) == TAKEN
    assert await looked_at(pair, 0.25, "other") == OTHERS
    assert await looked_at(pair, 1.0) == NAMES
    assert set(await looked_at(pair, 0.1)) < set(TAKEN), "a smaller share is a part of a larger one of the same seed"


@pytest.mark.parametrize("level", [ProofLevel.L0, ProofLevel.L3])
async def test_what_was_looked_at_is_counted_as_such_and_all_of_it(level: ProofLevel) -> None:
    """A name counts once with its snapshots; what was left out cannot be verified and is no part of the population.

    Mutation that must fail it: a population of what was looked at only, so that every sample would be the whole.
    """
    pair = await copied()
    found = await verified(pair, 0.25, level=level)
    assert found.sample == Sample(population=40, looked_at=len(TAKEN), wrong=0)
    rows = [row for row in pair.manifest if row.name in TAKEN]
    assert len(rows) == len(TAKEN) + 1, "one of them has a snapshot"
    # The sample takes z.tmp as well; there is nothing at the target to verify.
    assert (found.tally.listed, found.tally.same, found.tally.excluded) == (len(rows) + 1, len(rows), 1)
    assert found.skipped == len(pair.manifest) - len(rows) - 1
    whole = await verified(pair, 1.0, level=level)
    assert whole.sample == Sample(40, 40, 0) and whole.skipped == 0
    assert (whole.tally.same, whole.tally.excluded) == (41, 1)


async def test_what_is_wrong_is_found_in_the_sample_alone_and_the_bound_says_so() -> None:
    """Mutation that must fail it: a bound on another number of objects than was looked at."""
    pair = await copied()
    for name in ("n16", "n17"):
        pair.target.write("c", name, b"xyz")
    found = await verified(pair, 0.25, level=ProofLevel.L0)
    assert [note.row.name for note in found.mismatches] == ["n16"], "n17 is not in this sample"
    assert found.sample == Sample(40, 9, 1)
    told = sample_of(found.sample, 0.25, "govlift")
    # The largest number of wrong ones of 40 with which 9 drawn hold at most one with a chance above 5 in 100:
    # with 16, (C(24,9) + 16 C(24,8)) / C(40,9) = 0.0478; with 15, (C(25,9) + 15 C(25,8)) / C(40,9) = 0.0667.
    assert told == {
        "share": 0.25,
        "seed": "govlift",
        "objects": 40,
        "looked_at": 9,
        "wrong": 1,
        "confidence": 0.95,
        "at_most_wrong": 15,
        "at_most_share": 15 / 40,
        "said": "1 mismatch in 9 of 40 objects: with 95 % confidence at most 38 % of all objects (15) differ.",
    }
    others = await verified(pair, 0.25, "other", level=ProofLevel.L0)
    assert [note.row.name for note in others.mismatches] == ["n16", "n17"]


def test_the_command_hands_share_and_seed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutation that must fail it: an option that is read and dropped."""
    asked: list[dict[str, Any]] = []

    async def prove(config: Path, **options: Any) -> Outcome:
        asked.append(options)
        zero = dict.fromkeys(("listed", "copied", "same", "excluded", "failed"), 0)
        summary = {"detail": "", "objects": zero, "proof": {}, "routes": {}, "bytes": Tally().bytes, "seconds": 0.0}
        return Outcome("v", ExitCode.OK, summary)

    monkeypatch.setattr(flows.proving, "prove", prove)
    for option in ("--sample", "--share"):
        CliRunner().invoke(app, ["verify", option, "0.25", "--seed", "s", "--level", "L1"], catch_exceptions=False)
    assert asked == [{"level": "L1", "share": 0.25, "seed": "s"}] * 2
    assert CliRunner().invoke(app, ["verify", "--sample", "1.5"]).exit_code == 2
