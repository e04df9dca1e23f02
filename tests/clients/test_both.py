"""What holds for both implementations of the blob clients: names, values, conditions, errors.

Each test runs against the sandbox's own service and, where Azurite has what it is about, against Azurite.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import pytest
from azure.storage.blob import BlobClient

from mappings.clouds import GOVERNMENT
from mappings.errors import (
    AskForApproval,
    CompareTarget,
    Corrupted,
    ObjectError,
    ObjectGone,
    ObjectRefused,
    ReplanObject,
    SlowDown,
    SwitchRoute,
)
from mappings.objects import BlobType, ContainerSettings, HttpHeaders, ListedObject
from mappings.states import ProofLevel, Route
from sandbox.storage.azurite import AzuriteMissing, azurite_modules
from tasks.clients import crc64
from tasks.clients.retries import TRIES
from tasks.clients.wire import WireTarget
from tests.conftest import ROOT, RunningSandbox, start_sandbox
from tests.faults.conftest import Mover, opened
from tests.sandbox.conformance.gaps import Feature
from tests.sandbox.conformance.stage import skip_where_lacking
from tests.sandbox.tiny_estate import key_of

pytestmark = pytest.mark.sandbox
DOTTED = "x/./y/../z"
NAMES = ("a b", "a?b#c%41&d=e", "dots.../end.", "ü/日本/𝄞", "~tilde_-.+", "a//b", "'<>&\"|", "%2F")


def blob(name: str = "n", size: int = 3, **more: object) -> ListedObject:
    item = ListedObject(name, "", BlobType.BLOCK, size, '"0xA"', datetime(2026, 1, 1, tzinfo=UTC))
    return replace(item, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=["own", pytest.param("azurite", marks=[pytest.mark.azurite, pytest.mark.slow])])
def service(request: pytest.FixtureRequest) -> str:
    """What stands behind the storage names of both clouds."""
    if request.param == "azurite":
        try:
            azurite_modules()
        except AzuriteMissing as missing:
            pytest.skip(str(missing))
    return str(request.param)


@pytest.fixture(scope="module")
def _session_copies(service: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSandbox]:
    estate = f"{ROOT / 'tests' / 'faults' / 'copy_estate.py'}:ESTATE"
    yield from start_sandbox(tmp_path_factory.mktemp("both"), estate, service)


@pytest.fixture
def needs(service: str) -> Callable[[Feature], None]:
    """Skips the test where the service lacks a feature."""
    return partial(skip_where_lacking, service)


@pytest.fixture
def own(needs: Callable[[Feature], None], copies: RunningSandbox) -> RunningSandbox:
    """The sandbox, for what only its own service can be told or asked."""
    needs(Feature.COUNTERS)
    return copies


@pytest.fixture
async def box(mover: Mover) -> Mover:
    """A mover whose target has an empty container "ccc"."""
    await mover.target.create_container(ContainerSettings("ccc"))
    return mover


@pytest.fixture
async def nameless(copies: RunningSandbox) -> AsyncIterator[None]:
    """Takes the odd names away again: the sync SDK, which clears the target otherwise, rewrites dots in a path."""
    yield
    async for mover in opened(copies, "copysource", "copytarget", client="wire"):
        assert isinstance(mover.target, WireTarget)
        async for item in mover.target.objects("ccc"):
            await mover.target.wire.ask("DELETE", "ccc", item.name, doing="delete")


async def listed(box: Mover, **where: str) -> dict[str, ListedObject]:
    return {item.name: item async for item in box.target.objects("ccc", **where)}  # type: ignore[arg-type]


async def content(box: Mover, item: ListedObject, **part: int) -> bytes:
    return b"".join([chunk async for chunk in box.target.read("ccc", item, **part)])


async def test_every_name_is_written_listed_and_read_back(box: Mover, nameless: None, client: str) -> None:
    """Breaks when a name is quoted once too often, normalised, or not decoded.

    The SDK's transport takes dots out of a path and would write to another blob; that way refuses such a name.
    """
    names = (*NAMES, DOTTED) if client == "wire" else NAMES
    if client == "sdk":
        with pytest.raises(ObjectRefused, match="wire"):
            await box.target.put_blob("ccc", blob(DOTTED), b"abc", if_match=None)
    for name in names:
        await box.target.put_blob("ccc", blob(name), name[:3].ljust(3).encode()[:3], if_match=None)
    found = await listed(box)
    assert sorted(found) == sorted(names)
    for name, item in found.items():
        assert await content(box, item) == name[:3].ljust(3).encode()[:3], name
        seen = await box.target.head("ccc", name)
        assert seen is not None and (seen.name, seen.etag) == (name, item.etag)
    assert set(await listed(box, begin="a?b#c%41&d=e", end="dots.../end.")) == {"a?b#c%41&d=e"}


async def test_what_travels_beside_the_content_arrives(box: Mover) -> None:
    """Breaks when a header, a metadata name's case, a tag's space or the tier is lost, on each way of writing."""
    headers = HttpHeaders("text/x; charset=utf-8", "gzip", "de-AT", 'attachment; filename="a b.txt"', "max-age=5")
    full = blob(headers=headers, metadata={"Who": "a clerk", "x": ""}, tags={"a b": "c+d/e", "q": ""}, tier="Cool")
    by_put = replace(full, name="put")
    await box.target.put_blob("ccc", by_put, b"abc", if_match=None)
    await box.target.put_block("ccc", "list", "b-01", b"abc")
    assert dict(await box.target.staged_blocks("ccc", "list")) == {"b-01": 3}
    done = await box.target.commit("ccc", replace(full, name="list"), ["b-01"], if_match=None)
    assert done.crc64 is None and done.etag and done.last_modified and done.request_id
    found = await listed(box)
    for name in ("put", "list"):
        item, seen = found[name], await box.target.head("ccc", name)
        assert seen is not None
        for one in (item, seen):
            assert replace(one.headers, content_md5=b"") == headers, name
            assert (dict(one.metadata), one.tier, one.tier_inferred) == ({"Who": "a clerk", "x": ""}, "Cool", False)
        assert dict(item.tags) == {"a b": "c+d/e", "q": ""} and not seen.tags
        unlike = {"tags": {}, "headers": headers}
        assert replace(seen, **unlike) == replace(item, **unlike), "a listing and a look say the same"  # type: ignore[arg-type]


async def test_settings_are_changed_under_their_condition(box: Mover) -> None:
    target = box.target
    first = await target.put_blob("ccc", blob(), b"abc", if_match=None)
    second = await target.set_metadata("ccc", "n", {"a": "b"}, if_match=first.etag)
    third = await target.set_headers("ccc", "n", HttpHeaders("a/b", content_md5=b"1" * 16), if_match=second.etag)
    for stale in (first.etag, second.etag):
        with pytest.raises(CompareTarget):
            await target.set_metadata("ccc", "n", {}, if_match=stale)
        with pytest.raises(CompareTarget):
            await target.set_headers("ccc", "n", HttpHeaders(), if_match=stale)
        with pytest.raises(CompareTarget):
            await target.snapshot("ccc", "n", if_match=stale)
    await target.set_tags("ccc", "n", {"k": "a + b/c"})
    await target.set_tier("ccc", "n", "Cold", BlobType.BLOCK)
    taken, written = await target.snapshot("ccc", "n", if_match=third.etag)
    assert taken and written.etag == third.etag
    both = [item async for item in target.objects("ccc")]
    assert [item.snapshot for item in both] == [taken, ""]
    base = both[-1]
    assert (dict(base.metadata), dict(base.tags), base.tier) == ({"a": "b"}, {"k": "a + b/c"}, "Cold")
    assert base.headers == HttpHeaders("a/b", content_md5=b"1" * 16) and base.etag == third.etag


async def test_conditions_of_a_write_are_kept(box: Mover) -> None:
    """Breaks when an overwrite goes out without its condition."""
    target = box.target
    first = await target.put_blob("ccc", blob(), b"abc", if_match=None)
    assert first.crc64 is None or crc64.from_bytes(first.crc64) == crc64.crc64(b"abc")
    for stale in (None, '"0xDEAD"'):
        with pytest.raises(CompareTarget):
            await target.put_blob("ccc", blob(), b"xyz", if_match=stale)
        with pytest.raises(CompareTarget):
            await target.commit("ccc", blob(), [], if_match=stale)
        with pytest.raises(CompareTarget):
            await target.create_sized("ccc", blob(blob_type=BlobType.APPEND), if_match=stale)
    seen = await target.head("ccc", "n")
    assert seen is not None and seen.etag == first.etag and await content(box, seen) == b"abc"
    assert await target.head("ccc", "nobody") is None
    await target.put_blob("ccc", blob(), b"xyz", if_match=first.etag)
    with pytest.raises(CompareTarget):
        await content(box, seen)


async def test_append_and_page_blobs_keep_place_and_type(box: Mover) -> None:
    target = box.target
    grown = blob("log", blob_type=BlobType.APPEND)
    await target.create_sized("ccc", grown, if_match=None)
    await target.append("ccc", "log", b"one", position=0)
    with pytest.raises(CompareTarget):
        await target.append("ccc", "log", b"two", position=0)
    await target.append("ccc", "log", b"two", position=3)
    await target.seal("ccc", "log")
    paged = blob("disk", 4096, blob_type=BlobType.PAGE, sequence_number=7)
    await target.create_sized("ccc", paged, if_match=None)
    await target.put_pages("ccc", "disk", b"p" * 512, offset=1024)
    found = await listed(box)
    assert found["log"].sealed and await content(box, found["log"]) == b"onetwo"
    disk = found["disk"]
    assert (disk.blob_type, disk.size, disk.sequence_number) == (BlobType.PAGE, 4096, 7)
    assert await content(box, disk) == bytes(1024) + b"p" * 512 + bytes(2560)


async def test_ranges_are_cut_as_asked(box: Mover) -> None:
    """Breaks at the edges of the 4 MiB that carry a checksum, or when parts come out of order."""
    size = 9 * 1024 * 1024 + 5
    data = bytes(bytearray(range(253))) * (size // 253 + 1)
    data = data[:size]
    await box.target.put_blob("ccc", blob(size=size), data, if_match=None)
    item = (await listed(box))["n"]
    assert await content(box, item) == data
    for offset, length in ((0, 1), (size - 1, 1), (4194303, 2), (4194304, 4194304), (5, 8 * 1024 * 1024), (7, 0)):
        assert await content(box, item, offset=offset, length=length) == data[offset : offset + length]
    reading = box.target.read("ccc", item)
    assert (await anext(reading))[:3] == data[:3]
    await reading.aclose()  # type: ignore[attr-defined]


async def test_pulls_carry_the_pin_and_what_travels_beside(needs: Callable[[Feature], None], box: Mover) -> None:
    needs(Feature.CROSS_CLOUD)
    source, target = box.source, box.target
    items = {item.name: item async for item in source.objects("kinds") if not item.snapshot}
    item = items["b/blocks.bin"]
    url = await source.pull_url("kinds", item)
    done = await target.put_blob_from_url("ccc", item, url, if_match=None)
    await target.put_block_from_url("ccc", "x", "b-01", url, offset=5, length=100, source_etag=item.etag)
    await target.commit("ccc", replace(item, name="x"), ["b-01"], if_match=None)
    found = await listed(box)
    whole = b"".join([part async for part in source.read("kinds", item)])
    assert await content(box, found["b/blocks.bin"]) == whole and found["b/blocks.bin"].etag == done.etag
    assert await content(box, found["x"]) == whole[5:105]
    moved = replace(item, etag='"0xDEAD"')
    with pytest.raises(ReplanObject):
        await target.put_blob_from_url("ccc", replace(moved, name="y"), url, if_match=None)
    with pytest.raises(ReplanObject):
        await target.put_block_from_url("ccc", "y", "b-01", url, offset=0, length=9, source_etag=moved.etag)
    with pytest.raises(ReplanObject):
        [part async for part in source.read("kinds", moved)]
    with pytest.raises(SwitchRoute):
        await target.put_blob_from_url("ccc", replace(item, name="z"), url.partition("?")[0], if_match=None)
    disk = items["d/disk.vhd"]
    assert [length for _, length in await source.page_ranges("kinds", disk)] == [1024 * 1024, 512]


async def test_a_container_arrives_whatever_the_route(box: Mover, service: str) -> None:
    """The engine over each client. Names before "g/": Azurite loses entries of a listing that ends among snapshots.

    Breaks when a client leaves out what makes the other side refuse a write, or tells one condition for another.
    """
    rows = await box.run("kinds", end="g/")
    assert {row.name: row.reason for row in rows.values() if row.reason} == {}
    assert len(rows) == box.tally.copied == 6
    assert {row.route for row in rows.values()} == {Route.STREAM if service == "azurite" else Route.PULL}
    assert all(row.proof is ProofLevel.L2 for row in rows.values() if row.size), rows
    await box.assert_equal("kinds", but=frozenset({"g/history", "h/cold"}))
    await box.run("kinds", end="g/")
    assert (box.tally.same, box.tally.copied) == (6, 0)


@pytest.mark.parametrize("case", ["lease", "gone", "no container", "checksum", "unpinned"])
async def test_what_the_service_refuses_is_told_alike(copies: RunningSandbox, box: Mover, case: str) -> None:
    """Breaks when the two clients draw different conclusions from an answer that nobody scripted."""
    target = box.target
    written = await target.put_blob("ccc", blob(), b"abc", if_match=None)
    item = blob(etag=written.etag)
    match case:
        case "lease":
            url = f"https://copytarget.blob.{GOVERNMENT.storage_suffix}"
            with BlobClient(url, "ccc", "n", credential=key_of("copytarget"), **copies.client_options) as leased:
                lease = leased.acquire_lease()
                try:
                    told = await refused(target.put_blob("ccc", item, b"xyz", if_match=written.etag))
                finally:
                    lease.release()
            assert (type(told), told.status, told.code) == (ObjectRefused, 412, "LeaseIdMissing")
        case "gone":
            told = await refused(target.set_tags("ccc", "nobody", {}))
            assert (type(told), told.status) == (ObjectGone, 404)
        case "no container":
            told = await refused(target.put_blob("nowhere", item, b"abc", if_match=None))
            assert (told.status, told.code) == (404, "ContainerNotFound")
        case "checksum":
            told = await refused(target.put_block("ccc", "n", "b-01", b"abc", crc=1))
            assert (type(told), told.status) == (Corrupted, 400)
        case "unpinned":
            told = await refused(content(box, replace(item, etag='"0xDEAD"')))
            assert (told.status, told.code) == (412, "ConditionNotMet")


async def refused(asking: Awaitable[object]) -> ObjectError:
    """The error that it ends with."""
    with pytest.raises(ObjectError) as told:
        await asking
    return told.value


ERRORS = {
    "BlobNotFound": ({"status": 404, "code": "BlobNotFound"}, ObjectGone),
    "archived": ({"status": 409, "code": "BlobArchived"}, ObjectRefused),
    "lease": ({"status": 412, "code": "LeaseIdMissing"}, ObjectRefused),
    "forbidden": ({"status": 403, "code": "AuthorizationPermissionMismatch"}, ObjectRefused),
    "crc": ({"status": 400, "code": "Crc64Mismatch"}, Corrupted),
    "never again": ({"status": 503, "code": "FeatureNotSupported"}, SlowDown),
    "far too long": ({"status": 429, "code": "TooManyRequests", "headers": {"Retry-After": "900"}}, SlowDown),
}


@pytest.mark.parametrize("case", list(ERRORS))
async def test_errors_are_told_alike(own: RunningSandbox, box: Mover, case: str) -> None:
    """Breaks when the two clients draw different conclusions from one answer."""
    fault, kind = ERRORS[case]
    own.break_with({"match": "government blob PUT /copytarget/ccc/n", "message": "Because of this.\nMore.", **fault})
    with pytest.raises(ObjectError) as told:
        await box.target.put_blob("ccc", blob(), b"abc", if_match=None)
    assert (type(told.value), told.value.status, told.value.code) == (kind, fault["status"], fault["code"])
    assert "copytarget/ccc/n" in told.value.sentence and "Because of this" in told.value.sentence
    assert own.ask("GET", "/faults")[0]["struck"] == 1
    if isinstance(told.value, SlowDown) and case == "far too long":
        assert told.value.retry_after == 900


async def test_tries_are_counted_and_heard_alike(own: RunningSandbox, box: Mover, at_once: None) -> None:
    heard: list[float | None] = []
    box.target.listen(heard.append)
    busy = {"match": "government blob PUT /copytarget/ccc/n", "status": 503, "headers": {"Retry-After": "0"}}
    own.break_with(busy)
    with pytest.raises(SlowDown):
        await box.target.put_blob("ccc", blob(), b"abc", if_match=None)
    assert heard == [0.0] * TRIES and own.ask("GET", "/faults")[0]["struck"] == TRIES
    own.ask("DELETE", "/faults")
    own.break_with({**busy, "times": 2})
    await box.target.put_blob("ccc", blob(), b"abc", if_match=None)
    assert len(heard) == TRIES + 2


async def test_a_source_that_is_busy_is_no_source_that_cannot_be_read(own: RunningSandbox, box: Mover) -> None:
    """The target passes on what the source said; that is tried again too."""
    item = next(iter([one async for one in box.source.objects("many")]))
    url = await box.source.pull_url("many", item)
    passed_on = {"x-ms-copy-source-status-code": "503", "x-ms-copy-source-error-code": "ServerBusy"}
    busy = {"match": "government blob PUT /copytarget/ccc/", "status": 409, "code": "CannotVerifyCopySource",
            "headers": passed_on, "times": 2}  # fmt: skip
    own.break_with(busy)
    await box.target.put_blob_from_url("ccc", item, url, if_match=None)
    assert own.ask("GET", "/faults")[0]["struck"] == 2


async def test_an_account_without_tags_is_listed_without_them(own: RunningSandbox, box: Mover) -> None:
    await box.target.put_blob("ccc", blob(), b"abc", if_match=None)
    without = {"match": "government blob GET /copytarget/ccc.*tags", "status": 409,
               "code": "FeatureNotSupportedForAccount"}  # fmt: skip
    own.break_with(without)
    assert set(await listed(box)) == {"n"} == set(await listed(box))
    assert own.ask("GET", "/faults")[0]["struck"] == 1, "it is remembered"
    assert not (await box.target.features()).tags


async def test_the_source_cannot_be_written_to(box: Mover) -> None:
    """Breaks when the source client grows a way to write; its methods are those of the protocol that reads."""
    from tasks.copiers.base import ListsRaw, SourceBlobs, TargetBlobs

    writes = {
        name for name in vars(TargetBlobs) if name.startswith(("put", "set", "create", "commit", "append", "seal"))
    }
    assert len(writes) > 10 and not [name for name in writes if hasattr(box.source, name)]
    assert all(hasattr(box.source, name) for name in vars(SourceBlobs) if not name.startswith("_"))
    assert (
        isinstance(box.source, ListsRaw) == isinstance(box.target, ListsRaw) == ("wire" in type(box.source).__module__)
    )


async def test_a_redirect_is_not_followed(own: RunningSandbox, box: Mover) -> None:
    away = {
        "match": "government blob PUT /copytarget/ccc/n",
        "status": 307,
        "code": "Moved",
        "headers": {"Location": "https://a.example/"},
    }
    own.break_with(away)
    with pytest.raises((AskForApproval, ObjectRefused)):
        await box.target.put_blob("ccc", blob(), b"abc", if_match=None)
    assert own.ask("GET", "/faults")[0]["struck"] == 1


async def test_a_client_of_one_cloud_sends_nothing_to_the_other(own: RunningSandbox, client: str) -> None:
    async for mover in opened(own, "copysource", "copytarget", client=client):
        here, there = mover.source.wire.cloud, mover.target.wire.cloud
        mover.source.wire.cloud, mover.target.wire.cloud = there, here
        for asking in (mover.target.head("ccc", "n"), anext(aiter(mover.source.objects("many")))):
            with pytest.raises(AskForApproval):
                await asking
        counted = own.counters()
        assert counted["commercial"]["blob"]["read"] == counted["government"]["blob"]["read"] == 0


async def test_many_at_once_come_to_no_harm(box: Mover) -> None:
    """Breaks when two requests on their way see each other's answers."""
    await asyncio.gather(
        *(box.target.put_blob("ccc", blob(f"n{i:03}"), f"{i:03}".encode(), if_match=None) for i in range(60))
    )
    found = await listed(box)
    read = await asyncio.gather(*(content(box, item) for item in found.values()))
    assert [part.decode() for part in read] == [name[1:] for name in found]
