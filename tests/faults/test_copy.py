"""Copies through the sandbox with the real clients: fidelity, guarantees, isolation."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mappings.errors import AskForApproval, ObjectError, ObjectRefused
from mappings.objects import EvidenceRow, HttpHeaders
from mappings.plan import CopyShard
from mappings.states import Change, Outcome, ProofLevel, Route
from tasks.clients.patience import TRIES
from tasks.copiers.check import verify_shard
from tasks.copiers.probe import object_to_probe, probe_pull
from tasks.copiers.routes import RouteBook
from tasks.copiers.survey import survey_account
from tasks.progress import Progress, ShardProgress
from tests.conftest import RunningSandbox
from tests.faults.conftest import Mover, opened
from tests.sandbox.tiny_estate import key_of

pytestmark = pytest.mark.sandbox
ROUTES = pytest.mark.parametrize("route", [Route.PULL, Route.STREAM])
COLD = frozenset({"h/cold"})


def done(rows: dict[tuple[str, str], EvidenceRow]) -> None:
    wrong = [(row.name, row.reason) for row in rows.values() if row.outcome not in (Outcome.COPIED, Outcome.SAME)
             and row.name not in COLD]  # fmt: skip
    assert wrong == []


@ROUTES
async def test_every_kind_arrives_and_the_source_sees_no_write(
    copies: RunningSandbox, mover: Mover, route: Route
) -> None:
    """Breaks when a property is dropped on one route, or when any request to the source is a write."""
    mover.routes = RouteBook(route.value)  # type: ignore[arg-type]
    rows = await mover.run("kinds")
    done(rows)
    await mover.assert_equal("kinds", but=COLD)
    copied = [row for row in rows.values() if row.outcome is Outcome.COPIED]
    assert {row.route for row in copied} == {route}
    assert all((row.proof or 0) >= ProofLevel.L2 for row in copied)
    assert rows[("h/cold", "")].outcome is Outcome.EXCLUDED
    settings = await mover.target.container_settings("kinds")
    assert settings == await mover.source.container_settings("kinds")
    assert dict(settings.metadata) == {"owner": "records"} and (settings.policies or settings.unread)
    assert copies.counters()["commercial"]["blob"]["write"] == 0


@ROUTES
async def test_a_second_run_writes_nothing(copies: RunningSandbox, mover: Mover, route: Route) -> None:
    """Breaks when what was recorded is not what is listed: ETag, digests, tier or snapshot times."""
    mover.routes = RouteBook(route.value)  # type: ignore[arg-type]
    await mover.run("kinds")
    before = copies.counters()["government"]["blob"]["by_account"]["copytarget"]["write"]
    rows = await mover.run("kinds")
    assert {row.change for row in rows.values() if row.outcome is Outcome.SAME} == {Change.SAME}
    after = copies.counters()["government"]["blob"]["by_account"]["copytarget"]["write"]
    assert after - before <= 1, "only the container's own idempotent Create Container"


@pytest.mark.parametrize(
    ("route", "match", "letter"),
    [
        # A pull is served by the source as a read is.
        (Route.STREAM, r"GET /copysource/kinds/b/blocks\.bin", "Y"),
        (Route.PULL, r"GET /copysource/kinds/b/blocks\.bin", "Z"),
    ],
)
async def test_a_source_overwritten_between_two_blocks_never_lands_torn(
    copies: RunningSandbox, mover: Mover, route: Route, match: str, letter: str
) -> None:
    """Breaks when one read, or one Put Block From URL, goes without the pin."""
    mover.routes = RouteBook(route.value)  # type: ignore[arg-type]
    name, size, quarter = "b/blocks.bin", 3 * 1024 * 1024 + 17, 256 * 1024
    mutate = {"account": "copysource", "container": "kinds", "blob": name, "content": letter * size}
    copies.ask("POST", "/hooks", [{"cloud": "commercial", "match": match, "after": 1, "mutate": mutate}])
    rows = await mover.run("kinds", block=quarter, whole_pull=quarter, pull_block=quarter)
    assert await everything_of(mover, name) == letter.encode() * size, "it is the newer generation, whole"
    assert rows[(name, "")].attempts >= 2


async def everything_of(mover: Mover, name: str) -> bytes:
    item = await mover.target.head("kinds", name)
    assert item is not None
    return b"".join([part async for part in mover.target.read("kinds", item)])


FAULTS = {
    "busy": {"match": "blob PUT /copytarget/many/", "status": 503, "code": "ServerBusy", "every": 5},
    "throttled": {"match": "blob (PUT|GET) /copy(target|source)/many/", "status": 429, "code": "TooManyRequests",
                  "headers": {"Retry-After": "0"}, "every": 7},
    "reset before": {"match": "blob PUT /copytarget/many/", "reset": "before", "every": 9},
    "answer lost": {"match": "blob PUT /copytarget/many/", "reset": "after", "every": 9},
    "truncated": {"match": "blob GET /copysource/many/", "truncate": 100, "every": 6},
    "corrupted": {"match": "blob GET /copysource/many/", "corrupt": True, "every": 6},
}  # fmt: skip


@pytest.mark.slow
@ROUTES
@pytest.mark.parametrize("fault", list(FAULTS))
async def test_everything_lands_intact_under_faults(
    copies: RunningSandbox, mover: Mover, route: Route, fault: str
) -> None:
    """Breaks when 429, a reset, a lost answer, a short body or a flipped bit fails an object or reaches the target."""
    mover.routes = RouteBook(route.value)  # type: ignore[arg-type]
    copies.break_with(FAULTS[fault])
    rows = await mover.run("many")
    copies.ask("DELETE", "/faults")
    done(rows)
    await mover.assert_equal("many")
    assert mover.tally.listed == 48


async def test_retries_do_not_multiply(copies: RunningSandbox, mover: Mover) -> None:
    """Breaks when a second layer retries requests besides the client's policy."""
    mover.routes = RouteBook("stream")
    heard: list[float | None] = []
    mover.target.listen(heard.append)
    copies.break_with({"match": "blob PUT /copytarget/kinds/e/empty", "status": 503, "code": "ServerBusy",
                       "headers": {"Retry-After": "0"}})  # fmt: skip
    rows = await mover.run("kinds", attempts=2)
    assert rows[("e/empty", "")].outcome is Outcome.FAILED
    assert heard == [0.0] * (2 * TRIES)


@pytest.mark.parametrize("side", ["source", "target"])
async def test_a_refused_listing_marks_no_shard_done(copies: RunningSandbox, mover: Mover, side: str) -> None:
    """Breaks when a 403 on a listing ends it as if it were empty."""
    await mover.target.create_container(await mover.source.container_settings("many"))
    copies.break_with(
        {"match": rf"blob GET /copy{side}/many\?.*comp=list", "status": 403, "code": "AuthorizationFailure"}
    )
    with pytest.raises(ObjectRefused):
        await mover.run("many")


async def test_a_listing_that_breaks_off_is_a_gap_in_the_survey(copies: RunningSandbox, mover: Mover) -> None:
    """Breaks when a survey counts a part of a container."""
    copies.break_with(
        {"match": r"blob GET /copysource/many\?.*comp=list", "status": 403, "code": "AuthorizationFailure"}
    )
    surveys, gaps = await survey_account(mover.source, "copysource", 20)
    assert [one.container for one in surveys] == ["empty", "kinds"]
    assert [gap.scope for gap in gaps] == ["copysource/many"]
    copies.ask("DELETE", "/faults")
    surveys, gaps = await survey_account(mover.source, "copysource", 20)
    assert gaps == []
    many = next(one for one in surveys if one.container == "many")
    assert (many.objects, len(many.cuts), sum(many.shard_objects)) == (48, 2, 48)


async def test_a_probe_leaves_no_blob(copies: RunningSandbox, mover: Mover) -> None:
    """Breaks when the probe commits something, or says ok without the target having read."""
    await mover.target.create_container(await mover.source.container_settings("kinds"))
    item = await object_to_probe(mover.source, "kinds")
    assert item is not None
    assert (await probe_pull(mover.source, mover.target, "kinds", item)).ok
    assert [one async for one in mover.target.objects("kinds")] == []
    copies.break_with({"match": "blob PUT /copytarget/kinds/govlift-probe", "status": 403,
                       "code": "CannotVerifyCopySource"})  # fmt: skip
    found = await probe_pull(mover.source, mover.target, "kinds", item)
    assert not found.ok and "CannotVerifyCopySource" in found.reason and "sig=" not in found.reason


async def test_pulls_that_are_refused_stream_in_mid_run(copies: RunningSandbox, mover: Mover) -> None:
    """Breaks when CannotVerifyCopySource fails objects instead of changing their route."""
    copies.break_with({"match": "blob PUT /copytarget/many/n/000[2-9]", "status": 403,
                       "code": "CannotVerifyCopySource", "times": 3})  # fmt: skip
    rows = await mover.run("many")
    done(rows)
    assert sum(row.route is Route.STREAM for row in rows.values()) >= 3
    await mover.assert_equal("many")


async def test_a_classic_account_is_read_with_its_key(copies: RunningSandbox, clear_target: None, client: str) -> None:
    """Breaks when the key signs no SAS for the pull, or the reads."""
    async for mover in opened(copies, "copyclassic", "copytarget", key=key_of("copyclassic"), client=client):
        for route in (Route.PULL, Route.STREAM):
            mover.routes = RouteBook(route.value)  # type: ignore[arg-type]
            rows = await mover.run("old", overwrite_unknown=True)
            done(rows)
        await mover.assert_equal("old")


async def test_a_premium_account_gets_all_but_tags_and_tier(
    copies: RunningSandbox, clear_target: None, client: str
) -> None:
    """Breaks when what the account cannot hold fails the object, or is lost in silence."""
    async for mover in opened(copies, "copysource", "copypremium", client=client):
        rows = await mover.run("kinds", exclude_blobs=("c/*", "d/*"))
        row = rows[("a small ü & +.txt", "")]
        assert row.outcome is Outcome.COPIED, row.reason
        assert "index tags" in row.reason and "access tier" in row.reason


async def test_an_older_api_version_is_found_and_kept(copies: RunningSandbox, mover: Mover) -> None:
    """Breaks when a Government that lags is taken as broken, or each request tries the new version first."""
    newest = mover.target.wire.spoken.current
    copies.break_with(
        {
            "match": "government blob",
            "status": 400,
            "code": "InvalidHeaderValue",
            "times": 2,
            "message": "The value for one of the HTTP headers is not in the correct format: x-ms-version.",
        }
    )
    rows = await mover.run("many")
    done(rows)
    assert mover.target.wire.spoken.current < newest
    assert 1 <= len(mover.target.wire.spoken.refused) <= 2


async def test_a_wrong_host_gets_no_credentials(copies: RunningSandbox, mover: Mover) -> None:
    """Breaks when a client is built that would send its token to the other cloud."""
    mover.target.wire.cloud = mover.source.wire.cloud
    with pytest.raises(AskForApproval):
        await mover.target.head("kinds", "x")


async def test_verification_finds_what_was_changed_behind_our_back(copies: RunningSandbox, mover: Mover) -> None:
    """Breaks when verify believes the manifest, at any level."""
    rows = await mover.run("many")
    shard = CopyShard("copysource", "copytarget", "many", "", None, 0, 0, 0)

    async def verify(level: ProofLevel, share: float = 1.0):  # type: ignore[no-untyped-def]
        return await verify_shard(
            shard, mover.source, mover.target, iter([mover.manifest["many"]]), level=level, share=share, seed="s",
            progress=ShardProgress(Progress()),
        )  # fmt: skip

    for level in ProofLevel:
        clean = await verify(level)
        assert (clean.mismatches, clean.changed, clean.tally.same) == ([], 0, len(rows)), level
    part = await verify(ProofLevel.L2, 0.2)
    assert 0 < part.tally.listed < 30 and part.tally.listed + part.skipped == 48
    item = await mover.target.head("many", "n/0007")
    assert item is not None
    unlabelled = replace(item, headers=HttpHeaders())
    await mover.target.put_blob("many", unlabelled, b"something else", if_match=item.etag)
    for level in ProofLevel:
        found = await verify(level)
        assert [note.row.name for note in found.mismatches] == ["n/0007"], level


async def test_a_sas_never_shows(copies: RunningSandbox, mover: Mover) -> None:
    """Breaks when a message, a row or a repr carries a signature."""
    item = await object_to_probe(mover.source, "kinds")
    assert item is not None
    url = await mover.source.pull_url("kinds", item)
    signature = url.split("sig=")[1].split("&")[0]
    assert "spr=https" in url and "sp=rl" in url
    copies.break_with({"match": "blob PUT /copytarget/kinds/", "status": 403, "code": "AuthorizationFailure",
                       "message": f"cannot read {url}"})  # fmt: skip
    rows = await mover.run("kinds", attempts=1)
    assert signature not in repr(rows)
    with pytest.raises(ObjectError) as told:
        await mover.target.put_blob_from_url("kinds", item, url, if_match=None)
    assert signature not in str(told.value) and signature not in repr(vars(mover.source))
