"""Failures by cause: one table, each code in one entry, counts that add up; and what a run is expected to take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows import copycommands
from mappings.delta import MISMATCH, NOT_OURS
from mappings.errors import FixTheInput
from mappings.failures import (
    MISMATCH_CODE,
    NOT_OURS_CODE,
    Failure,
    by_cause,
    cause_lines,
    code_of,
    failure_of,
    parse_causes,
)
from mappings.objects import Tally
from mappings.plan import CopyShard
from mappings.requests import Between, Load, Requests, Sizes, copy_requests, listing_requests
from mappings.runs import ShardRecord
from mappings.states import Outcome, ProofLevel, Route, ShardState
from tasks.clients import errors
from tasks.copiers.base import COPY_SOURCE_TOO_LONG
from tasks.failing import failures_in, load_causes
from tasks.manifests import ManifestWriter
from tests.ledger.build import row

MIB = 1 << 20
SIZES = Sizes(block=8 * MIB, whole_pull=256 * MIB, pull_block=64 * MIB, read=4 * MIB, page_write=4 * MIB)
ROOT = Path(copycommands.__file__).parents[1]


def test_every_code_that_the_client_refuses_by_name_has_a_cause() -> None:
    """A code that the product knows and the table does not would be told as "another reason".

    Mutation that must fail it: removing an entry of the table.
    """
    known = {*errors._REFUSED, *errors._UNREADABLE, *errors._CHECKSUM, *errors._REMEDIES, *errors._TARGET_CONDITION}
    known |= {COPY_SOURCE_TOO_LONG, MISMATCH_CODE, NOT_OURS_CODE, "NoAnswer", "ServerBusy", "ContainerNotFound"}
    table = load_causes()
    assert {code for code in known if table.of(code).id == "other"} == set()
    assert all(cause.remedy.endswith(".") and cause.source.startswith("https://") for cause in table.causes)


def test_a_code_stands_in_one_cause_only() -> None:
    text = (ROOT / "mappings" / "catalogue" / "failures" / "causes.toml").read_text("utf-8")
    with pytest.raises(FixTheInput, match="ServerBusy stands in"):
        parse_causes(text.replace("codes = []", 'codes = ["ServerBusy"]'), origin="causes.toml")
    with pytest.raises(FixTheInput, match='"No answer" stands twice'):
        parse_causes(text.replace('"Another reason"', '"No answer"'), origin="causes.toml")
    with pytest.raises(FixTheInput, match="no table of causes"):
        parse_causes("[[cause]]\nid = 1", origin="causes.toml")


@pytest.mark.parametrize(
    ("reason", "code", "cause"),
    [
        ("Could not write x: no (AuthorizationFailure).", "AuthorizationFailure", "network-rules"),
        ("Could not write x: no (AuthorizationPermissionMismatch).", "", "role"),
        (f"{MISMATCH}CRC64 differs.", "", "checksum"),
        (NOT_OURS, "", "name-conflict"),
        ("It is Tuesday.", "", "other"),
        ("A new thing (NeverHeardOf).", "NeverHeardOf", "other"),
    ],
)
def test_a_failed_row_has_its_cause_with_or_without_a_code(reason: str, code: str, cause: str) -> None:
    failed = row("x", outcome=Outcome.FAILED, reason=reason, code=code)
    assert load_causes().of(code_of(failed)).id == cause


def test_failures_are_counted_by_cause_with_examples_and_remedy() -> None:
    failures = [Failure("a", "c", f"n{n}", "", 10, "ServerBusy", "busy") for n in range(5)]
    failures += [Failure("a", "c", "", "", 0, "ContainerNotFound", "gone")]
    busy, gone = by_cause(failures, load_causes())
    assert (busy.objects, busy.shards, busy.bytes, busy.codes) == (5, 0, 50, {"ServerBusy": 5})
    assert len(busy.examples) == 3 and busy.examples[0] == "a/c/n0"
    assert (gone.objects, gone.shards, gone.examples) == (0, 1, ("a/c",))
    assert any("--retry-failed" in line for line in cause_lines([busy]))


def records(folder: Path) -> Iterator[ShardRecord]:
    shard = CopyShard("a", "t", "c", "", None, 3, 3, 0)
    for number, failed in enumerate((0, 2)):
        path = folder / f"{number}.parquet"
        with_rows = ManifestWriter(path, meta={})
        for n in range(3):
            with_rows.write(row(f"n{n}", **({"outcome": Outcome.FAILED, "code": "NoAnswer"} if n < failed else {})))
        with_rows.close()
        tally = Tally(listed=3, copied=3 - failed, failed=failed)
        state = ShardState.FAILED if failed else ShardState.DONE
        yield ShardRecord("r", replace(shard, number=number), state, 1, tally, manifest=path.name)
    yield ShardRecord(
        "r", replace(shard, number=2), ShardState.FAILED, 1, Tally(), reason="a/c: gone (ContainerNotFound)."
    )
    yield ShardRecord("r", replace(shard, number=3), ShardState.DONE, 1, Tally(), manifest="of-an-empty-container")


def test_failures_are_read_from_manifests_that_have_some(tmp_path: Path) -> None:
    """Mutation that must fail it: passing over a shard that has no manifest."""
    found = list(failures_in(tmp_path, records(tmp_path)))
    assert [(one.name, one.code) for one in found] == [
        ("n0", "NoAnswer"),
        ("n1", "NoAnswer"),
        ("", "ContainerNotFound"),
    ]
    (tmp_path / "0.parquet").unlink()
    assert len(list(failures_in(tmp_path, (one for one in records_again(tmp_path))))) == 3, "it is not even opened"
    assert failure_of("a", "c", row("x", reason="r")).reason == "r"


def records_again(folder: Path) -> Iterator[ShardRecord]:
    shard = CopyShard("a", "t", "c", "", None, 3, 3, 0)
    yield ShardRecord("r", shard, ShardState.DONE, 1, Tally(listed=3, copied=3), manifest="0.parquet")
    tally = Tally(listed=3, copied=1, failed=2)
    yield ShardRecord("r", replace(shard, number=1), ShardState.FAILED, 1, tally, manifest="1.parquet")
    yield ShardRecord("r", replace(shard, number=2), ShardState.FAILED, 1, Tally(), reason="gone (ContainerNotFound).")


# --- requests before the start ----------------------------------------------------------------------------------------


def pulled(size: int) -> tuple[int, int]:
    """Requests (at the source, at the target) of one pulled block blob at L2, as the engine makes them."""
    writes = 1 if size <= SIZES.whole_pull else -(-size // SIZES.pull_block) + 1
    from_url = 1 if size <= SIZES.whole_pull else writes - 1
    return from_url + max(1, -(-size // SIZES.read)), writes


def streamed(size: int) -> tuple[int, int]:
    blocks = -(-size // SIZES.block)
    return max(1, -(-size // SIZES.read)), 1 if blocks <= 1 else blocks + 1


@given(st.lists(st.integers(0, 600 * MIB), min_size=1, max_size=30), st.sampled_from([Route.PULL, Route.STREAM]))
def test_the_requests_lie_between_the_two_numbers(sizes: list[int], route: Route) -> None:
    """From count and sum alone, whatever the single sizes are.

    Mutation that must fail it: forgetting the commit of blocks, or the second reading for the proof.
    """
    each = [pulled(size) if route is Route.PULL else streamed(size) for size in sizes]
    reads, writes = sum(one[0] for one in each), sum(one[1] for one in each)
    source, target = copy_requests([Load(route, len(sizes), sum(sizes))], SIZES, ProofLevel.L2)
    assert source.read.low <= reads <= source.read.high
    assert target.write.low <= writes <= target.write.high
    assert target.read == Between()


def test_small_objects_have_exact_numbers_and_the_listing_is_counted() -> None:
    source, target = copy_requests([Load(Route.PULL, 10_000, 10_000)], SIZES, ProofLevel.L1)
    assert (source, target) == (Requests(read=Between(10_000, 10_000)), Requests(write=Between(10_000, 10_000)))
    source, target = listing_requests([12_000, 0], 1)
    assert source.list == Between(8, 8) and target.list == Between(7, 9)
