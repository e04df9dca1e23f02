"""What a plan is expected to take: numbers worked out by hand from the documented kinds of request."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows.expecting import expectation
from flows.reporting import STORAGE_TYPES
from flows.wiring import Bench
from mappings import traits
from mappings.estimate import Rates, Span
from mappings.expected import Expected, expectation_lines, expectation_to_json, expected_of
from mappings.filters import Filters
from mappings.model import Assessment, ContainerSurvey, Inventory, Resource
from mappings.plan import CopyShard, CreateStorageAccount, Plan
from mappings.requests import Between, CostLine, Load, Requests, Sizes, copy_requests, cost_lines, listing_requests
from mappings.route_estimate import Learnt, no_sas_of
from mappings.runs import RunKind
from mappings.settings import Copy, CustomerKey
from mappings.states import ProofLevel, Route
from tasks.copiers.survey import survey_container
from tests.copiers.memory_cloud import Account, MemorySource
from tests.unit.test_console import GOOD

MIB = 1 << 20
SIZES = Sizes(block=8 * MIB, whole_pull=256 * MIB, pull_block=64 * MIB, read=4 * MIB, page_write=4 * MIB)
RATES = Rates(MIB, 1000.0, 0.0, 1.5, 24.0, 0.01, "measured", "assumed", "assumed")
PROBED = {("src", "dst"): Learnt(Route.PULL, "the probe passed")}


def plan_of(*shards: CopyShard, filters: tuple[Filters, ...] = ()) -> Plan:
    account = CreateStorageAccount("dst", "g", "usgovvirginia", "StorageV2", "Standard_LRS", "/src", "src")
    return Plan("p", "h", datetime(2026, 1, 1, tzinfo=UTC), (account, *shards), (), (), filters=filters)


def shard(objects: int, mib: int, container: str = "c") -> CopyShard:
    return CopyShard("src", "dst", container, "", None, objects, mib * MIB, 0)


def expected(*shards: CopyShard, copy: Copy | None = None, **known: object) -> Expected:
    told = {"learnt": PROBED} | known
    return expected_of(plan_of(*shards), copy or Copy(), SIZES, RATES, **told)  # type: ignore[arg-type]


THREE = shard(3, 300)
"""Three objects of 300 MiB together. Pulled: at least one write each, and no more than the blocks of 64 MiB and commits
that 300 MiB can make (3 + 300 // 64 + 300 // 256 = 8); read again in ranges of 4 MiB: 75 to 78."""


@pytest.mark.parametrize(
    ("route", "proof", "source_read", "target_write", "target_read", "out"),
    [
        ("pull", "L1", (3, 8), (3, 8), (0, 0), 300),
        ("pull", "L2", (78, 86), (3, 8), (0, 0), 600),
        ("pull", "L3", (78, 86), (3, 8), (75, 78), 600),
        # Streamed in blocks of 8 MiB: 300 / 8 = 38 blocks at least, and with their commits 3 + 2 * 37 at most.
        ("stream", "L2", (75, 78), (38, 77), (0, 0), 300),
        ("stream", "L3", (75, 78), (38, 77), (0, 0), 300),
    ],
)
def test_the_requests_and_the_bill_of_three_large_objects(
    route: str,
    proof: str,
    source_read: tuple[int, int],
    target_write: tuple[int, int],
    target_read: tuple[int, int],
    out: int,
) -> None:
    """Mutation that must fail it: forgetting a reading for the proof, on the bill or among the requests."""
    found = expected(THREE, copy=Copy(route=route, proof=proof))  # type: ignore[arg-type]
    # One container with one shard: the march and the verification list the source; properties and policies are asked.
    assert found.source == Requests(read=Between(*source_read), list=Between(2, 2), other=Between(2, 2))
    assert found.target == Requests(
        write=Between(*target_write), read=Between(*target_read), list=Between(3, 3), other=Between(2, 4)
    )
    bill = [
        CostLine("source", "List and create container operations", "operations", Between(2, 2)),
        CostLine("source", "Read operations", "operations", Between(*source_read)),
        CostLine("source", "All other operations", "operations", Between(2, 2)),
        CostLine("target", "Write operations", "operations", Between(*target_write)),
        CostLine("target", "List and create container operations", "operations", Between(3, 3)),
        CostLine("target", "Read operations", "operations", Between(*target_read)),
        CostLine("target", "All other operations", "operations", Between(2, 4)),
        CostLine("source", "Data transfer out (between the clouds)", "bytes", Between(out * MIB, out * MIB)),
        CostLine("target", "Data storage", "bytes", Between(300 * MIB, 300 * MIB)),
    ]
    assert list(found.costs) == [line for line in bill if line.amount != Between()]
    # A MiB a second, half as long again at the worst.
    assert (found.objects, found.bytes, found.time) == (3, 300 * MIB, Span(300.0, 450.0))


def test_what_lies_in_a_cool_tier_is_retrieved_once_for_each_reading() -> None:
    """Mutation that must fail it: leaving the reading for the proof out of the retrieval."""
    seen = ContainerSurvey("src", "c", 3, 300 * MIB, by_tier={"Hot": 2, "Cool": 1})
    item = "Data retrieval (Cool, Cold)"
    found = {proof: expected(THREE, copy=Copy(route="pull", proof=proof), surveys=[seen]) for proof in ("L1", "L2")}
    retrieved = {proof: [line for line in one.costs if line.item == item] for proof, one in found.items()}
    assert retrieved["L1"] == [CostLine("source", item, "bytes", Between(0, 300 * MIB))]
    assert retrieved["L2"] == [CostLine("source", item, "bytes", Between(0, 600 * MIB))]
    none = cost_lines(Requests(), Requests(), read_at_source=Between(5, 5), cool=0, written=5)
    assert [line.item for line in none] == ["Data transfer out (between the clouds)", "Data storage"]


def test_a_listing_is_asked_page_by_page() -> None:
    """Shards of 12,000, 10,000 and no objects: 3, 2 or 3 (the last page is full), and 1 page.

    Mutation that must fail it: forgetting that the verification lists the source too.
    """
    source, target = listing_requests([12_000, 10_000, 0], 2)
    assert source == Requests(list=Between(12, 14), other=Between(4, 4))
    assert target == Requests(list=Between(3 + 6 + 2, 14 + 2), other=Between(4, 8))
    again = listing_requests([12_000, 10_000, 0], 2, again=True)
    assert [side.list for side in again] == [Between(6, 21), Between(6, 21)]


def test_where_filters_or_patterns_decide_by_object_nothing_is_promised() -> None:
    """Mutation that must fail it: taking `exclude_blobs` for something that changes no number."""
    for found in (
        expected(THREE, copy=Copy(route="pull", exclude_blobs=("*.tmp",))),
        expected_of(
            plan_of(THREE, filters=(Filters(include=("*.pdf",)),)), Copy(route="pull"), SIZES, RATES, learnt=PROBED
        ),
    ):
        assert found.at_most and (found.source.read, found.target.write) == (Between(0, 86), Between(0, 8))
        assert found.source.list == Between(2, 2), "every object is listed whatever the filters say"
        out = next(line for line in found.costs if line.unit == "bytes")
        assert out.amount == Between(0, 600 * MIB)


def test_of_page_blobs_only_what_is_written_travels() -> None:
    """A page blob of 300 MiB may hold nothing: nobody can promise more than one request."""
    seen = ContainerSurvey("src", "c", 3, 300 * MIB, by_type={"PageBlob": 3})
    found = expected(THREE, copy=Copy(route="stream"), surveys=[seen])
    assert found.source.read == Between(3, 78) and found.target.write == Between(3, 3 + 2 * 75)
    assert found.costs[-2].amount == Between(0, 300 * MIB)


def test_azcopy_carries_and_govlift_reads_both_sides() -> None:
    """Mutation that must fail it: counting AzCopy's objects as streamed, whose proof asks for nothing more."""
    copy = Copy(mover="azcopy", azcopy_sas_in_argv=True)
    found = expected(THREE, copy=copy)
    assert [(line.route, line.objects, line.bytes) for line in found.routes] == [(Route.AZCOPY, 3, 300 * MIB)]
    assert found.source.read == Between(3 + 75, 78 + 78)
    assert (found.target.write, found.target.read) == (Between(3, 78), Between(75, 78))
    once = expected(THREE, copy=copy.model_copy(update={"proof": "L1"}))
    assert once.costs[-2].amount == Between(600 * MIB, 600 * MIB), (
        "whatever proof is asked for, both sides are compared"
    )
    assert copy_requests([Load(Route.AZCOPY, 3, 300 * MIB)], SIZES, ProofLevel.L0)[1].read == Between(75, 78)


# --- what does not take the pair's route ------------------------------------------------------------------------------

TRAITS = {
    traits.ARCHIVED: 10,
    traits.ARCHIVED_BYTES: 100 * MIB,
    traits.COMING: 2,
    traits.COMING_BYTES: 20 * MIB,
    traits.KEYED: 5,
    traits.KEYED_BYTES: 50 * MIB,
    traits.LONG: 3,
    traits.LONG_BYTES: 30 * MIB,
}
SEEN = ContainerSurvey("src", "c", 100, 1000 * MIB, by_tier={"Hot": 88, "Archive": 12}, traits=TRAITS)


def routes(found: Expected) -> dict[tuple[str, Route | None], tuple[int, int]]:
    """(first words of the reason, route) -> objects, MiB."""
    return {(" ".join(one.why.split()[:2]), one.route): (one.objects, one.bytes // MIB) for one in found.routes}


ALL = shard(100, 1000)
ARCHIVED, KEYED, LONG = "archived: left", "under a", "the URL"


def test_what_the_survey_counted_is_set_apart_from_the_pairs_route() -> None:
    """Mutation that must fail it: counting no bytes for what is archived, or pulling what is under a customer's key."""
    found = expected(ALL, surveys=[SEEN])
    assert routes(found) == {
        ("the probe", Route.PULL): (80, 800),
        (ARCHIVED, None): (12, 120),
        (KEYED, None): (5, 50),
        (LONG, Route.STREAM): (3, 30),
    }
    # What is left out is neither read nor written: 83 objects of 830 MiB travel, those that are pulled are read twice.
    assert (found.costs[-1].amount.high, found.costs[-2].amount.low) == (830 * MIB, (2 * 800 + 30) * MIB)
    named = Copy(customer_keys=(CustomerKey(account="s*", key_env="KEY"),))
    assert routes(expected(ALL, copy=named, surveys=[SEEN]))[KEYED, Route.STREAM] == (5, 50)
    others = Copy(customer_keys=(CustomerKey(account="t*", key_env="KEY"),))
    assert routes(expected(ALL, copy=others, surveys=[SEEN]))[KEYED, None] == (5, 50)
    pulls = routes(expected(ALL, copy=Copy(route="pull"), surveys=[SEEN]))
    assert pulls[LONG, None] == (3, 30), "where the settings allow no other route, such a name fails"
    streams = routes(expected(ALL, copy=Copy(route="stream"), surveys=[SEEN]))
    assert streams["the settings", Route.STREAM] == (83, 830)


def test_a_part_of_a_container_has_its_share_of_the_traits() -> None:
    """A filter has cut half of the shards away. Mutation that must fail it: setting the whole container's apart."""
    half = expected(shard(50, 500), surveys=[SEEN])
    assert routes(half) == {
        ("the probe", Route.PULL): (50 - 6 - 3 - 2, 500 - 60 - 25 - 15),
        (ARCHIVED, None): (5 + 1, 60),
        (KEYED, None): (3, 25),
        (LONG, Route.STREAM): (2, 15),
    }


def test_no_more_is_set_apart_than_there_is() -> None:
    """Blobs can be archived and under a key. Mutation that must fail it: counting them twice, so that in is not out."""
    both = replace(SEEN, traits={traits.ARCHIVED: 100, traits.ARCHIVED_BYTES: 1000 * MIB, traits.KEYED: 5,
                                 traits.KEYED_BYTES: 50 * MIB})  # fmt: skip
    assert routes(expected(ALL, surveys=[both])) == {(ARCHIVED, None): (100, 1000)}
    tiers_only = replace(SEEN, traits={}, by_tier={"Archive": 100})
    assert routes(expected(ALL, surveys=[tiers_only])) == {(ARCHIVED, None): (100, 1000)}, "an older survey"


def test_an_account_of_which_no_sas_can_be_had_streams_until_a_probe_says_otherwise() -> None:
    """Mutation that must fail it: never asking the account's properties, or believing them more than a probe."""

    def account(**properties: object) -> Resource:
        return Resource("/src", "src", "Microsoft.Storage/storageAccounts", properties=properties)

    def policy(period: str, action: str = "Block", **more: object) -> Resource:
        return account(sasPolicy={"sasExpirationPeriod": period, "expirationAction": action} | more)

    bound = {"requireUserBoundUserDelegationSas": True, "requireUserBoundUserDelegationSasAction": "Block"}
    assert set(no_sas_of([policy("0.04:14:59")], set())) == {"src"}, "a SAS is good for 4 h 15 min in all"
    assert not no_sas_of([policy("0.04:15:00"), policy("1.00:00:00"), policy("0.01:00:00", "Log"), policy("?")], set())
    assert set(no_sas_of([account(sasPolicy=bound)], set())) == {"src"}
    assert not no_sas_of([account(sasPolicy=bound)], {"src"}), "its key signs another kind of SAS"
    keyless = account(allowSharedKeyAccess=False)
    assert set(no_sas_of([keyless], {"src"})) == {"src"} and not no_sas_of([keyless], set())
    why = {"src": "no SAS: a policy"}
    assert routes(expected(ALL, learnt={}, no_sas=why)) == {("no SAS:", Route.STREAM): (100, 1000)}
    assert routes(expected(ALL, no_sas=why)) == {("the probe", Route.PULL): (100, 1000)}
    (line,) = expected(ALL, copy=Copy(route="pull"), learnt={}, no_sas=why).routes
    assert line.route is None and "the settings say pull" in line.why


def test_the_expectation_of_a_migration_asks_the_newest_assessment(tmp_path: Path) -> None:
    """Mutation that must fail it: never handing on what the inventory says of accounts, or of containers."""
    config = tmp_path / "migration.toml"
    config.write_text(GOOD, encoding="utf-8")
    bench, now = Bench(config), datetime(2026, 1, 1, tzinfo=UTC)
    short = {"sasPolicy": {"sasExpirationPeriod": "0.01:00:00", "expirationAction": "Block"}}
    account = Resource("/src", "src", "Microsoft.Storage/StorageAccounts", properties=short)
    other = Resource("/vm", "vm", "Microsoft.Compute/virtualMachines")
    for resources in ((other,), (other, account)):
        run = bench.ledger.writer.begin_run(RunKind.ASSESS, now=now)
        seen = Inventory("AzureCloud", "t", "s", now, resources, containers=(SEEN,))
        bench.ledger.writer.save_assessment(run, Assessment(seen, (), None), now=now)
    assert bench.ledger.reader.resources(STORAGE_TYPES) == [account]
    found = expectation(bench, plan_of(ALL))
    assert {(line.route, line.objects) for line in found.routes} == {(Route.STREAM, 83), (None, 12), (None, 5)}


def test_the_survey_counts_names_that_are_too_long_for_a_copy_source() -> None:
    """Mutation that must fail it: never asking, or by another container than the one surveyed."""
    account = Account("src")
    # 3 x 2 x 255 characters of the URL, and about 420 of the SAS: 60 more of the container's name make it too long.
    for container in ("c", "c" * 60):
        account.write(container, "\u00fc" * 255, b"four")
        account.write(container, "n" * 1024, b"12345678")
    found = {name: asyncio.run(survey_container(MemorySource(account), "src", name, 100)) for name in ("c", "c" * 60)}
    assert traits.LONG not in found["c"].traits
    assert (found["c" * 60].traits[traits.LONG], found["c" * 60].traits[traits.LONG_BYTES]) == (1, 4)


# --- told to a reader -------------------------------------------------------------------------------------------------


def test_the_expectation_is_told_line_by_line() -> None:
    """Mutation that must fail it: a number that is not the value's, or an upper bound told as a promise."""
    found = expected(THREE, copy=Copy(route="pull", proof="L1"))
    assert expectation_lines(found) == [
        "",
        "Expected of a first copy (3 objects, 300.0 MiB)",
        "  pull: src -> dst: 3 objects, 300.0 MiB: the settings say pull",
        "  requests at the source: write 0, list 2, read 3 to 8, other 2",
        "  requests at the target: write 3 to 8, list 3, read 0, other 2 to 4",
        "  on the bill (no prices here; see the contract):",
        "    source: List and create container operations: 2 operations",
        "    source: Read operations: 3 to 8 operations",
        "    source: All other operations: 2 operations",
        "    target: Write operations: 3 to 8 operations",
        "    target: List and create container operations: 3 operations",
        "    target: All other operations: 2 to 4 operations",
        "    source: Data transfer out (between the clouds): 300.0 MiB",
        "    target: Data storage: 300.0 MiB",
        "  time: 5 min (P50), 8 min (P90)",
        "    bandwidth measured; object rate assumed",
    ]
    bounded = expectation_lines(expected(THREE, copy=Copy(exclude_blobs=("*.tmp",))))
    assert bounded[1] == "Expected of a first copy (at most 3 objects, 300.0 MiB)"


def test_the_expectation_as_json_has_every_number_of_the_value() -> None:
    found = expected(THREE, copy=Copy(route="pull", proof="L1"))
    told = expectation_to_json(found)
    assert (told["objects"], told["bytes"], told["at_most"]) == (3, 300 * MIB, False)
    assert told["routes"] == [
        {"source_account": "src", "target_account": "dst", "route": "pull", "objects": 3, "bytes": 300 * MIB,
         "why": "the settings say pull", "probed": True}
    ]  # fmt: skip
    assert told["requests"]["source"]["read"] == {"low": 3, "high": 8}
    assert told["costs"][1] == {"side": "source", "item": "Read operations", "unit": "operations",
                                "amount": {"low": 3, "high": 8}}  # fmt: skip
    assert told["time"] == {"p50_seconds": 300, "p90_seconds": 450}


def test_of_a_resync_only_what_a_look_has_found_travels() -> None:
    """All is listed, some travels. Mutation that must fail it: reckoning with the plan's own bytes, or the traits."""
    plan, copy = plan_of(ALL, shard(0, 0, "empty")), Copy(route="pull", proof="L1")
    travels = {ALL.id: (3, 300 * MIB)}
    found = expected_of(plan, copy, SIZES, RATES, surveys=[SEEN], learnt=PROBED, travels=travels)
    assert (found.objects, found.bytes, found.at_most) == (3, 300 * MIB, True)
    assert routes(found) == {("the settings", Route.PULL): (3, 300)}
    assert (found.source.read, found.source.list) == (Between(0, 8), Between(2, 6))
    assert expectation_lines(found)[1] == "Expected of this re-sync (at most 3 objects, 300.0 MiB)"
