"""What the storage accounts of Hollis County hold: contents come from a seed, lazily, and are the same each time."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial

from sandbox.estates.building import account_key
from sandbox.estates.content import KIB, MIB, disk, literal, noise, prose, zipped
from sandbox.estates.hollis_county import storage_accounts as arm
from sandbox.estates.model import AccountSpec, BlobSpec, ContainerSpec
from sandbox.estates.odd_names import ODD_NAMES

BIG = 300 * MIB
POLICIES = (
    {"id": "auditor-read", "start": "2025-01-01T00:00:00Z", "expiry": "2030-01-01T00:00:00Z", "permission": "rl"},
    {"id": "scanner-drop", "start": "", "expiry": "2027-06-30T23:59:59Z", "permission": "cw"},
)
PDF_HEADERS = {
    "content_type": "application/pdf",
    "content_language": "en-US",
    "content_disposition": 'inline; filename="minutes.pdf"',
    "cache_control": "public, max-age=86400",
    "content_encoding": "identity",
}


def _small(dice: random.Random, *, most: int = 24 * KIB) -> int:
    """A size that is mostly a few KiB, now and then nothing at all."""
    return 0 if dice.random() < 0.02 else int(most ** dice.uniform(0.2, 1.0))


def _blocks(seed: int, name: str, size: int, block: int, **more: str) -> BlobSpec:
    """A block blob put in blocks, which the service gives no Content-MD5."""
    headers = {"content_type": more.get("content_type", "application/octet-stream")}
    return BlobSpec(
        name, partial(noise, f"{seed}/{name}", size), block_size=block, headers=headers, tier=more.get("tier", "")
    )


def _append(seed: int, name: str, size: int, *, sealed: bool, **tags: str) -> BlobSpec:
    headers = {"content_type": "text/plain; charset=utf-8"}
    return BlobSpec(
        name, partial(prose, f"{seed}/{name}", size), "AppendBlob", headers=headers, tags=tags, sealed=sealed
    )


def _site(seed: int) -> Iterator[BlobSpec]:
    """A static website: pages, and scripts stored compressed under `Content-Encoding: gzip`."""
    html = {"content_type": "text/html; charset=utf-8", "cache_control": "no-cache"}
    yield BlobSpec("index.html", literal("<!doctype html><title>Hollis County</title><h1>Welcome</h1>\n"), headers=html)
    yield BlobSpec("404.html", literal("<!doctype html><title>Not found</title>\n"), headers=html)
    for number in range(8):
        name = f"assets/app.{number:04x}.js"
        headers = {"content_type": "text/javascript", "content_encoding": "gzip", "cache_control": "max-age=31536000"}
        yield BlobSpec(name, partial(zipped, f"{seed}/{name}", 20 * KIB), headers=headers)
    for number in range(16):
        name = f"offices/{number:02d}/index.html"
        yield BlobSpec(name, partial(prose, f"{seed}/{name}", 900 + number), headers=html)


def _deeds(seed: int) -> Iterator[BlobSpec]:
    dice = random.Random(f"{seed}/deeds")
    for number in range(1200):
        year = 1931 + number % 90
        name = f"{year}/book-{number % 37:03d}/D-{number:06d}.tif"
        tags = (
            {"book": f"{number % 37}", "status": "indexed" if number % 4 else "needs review"} if number % 3 == 0 else {}
        )
        tier = "Cold" if year < 1960 else "Cool" if year < 1990 else "Hot" if number % 2 else ""
        headers = {"content_type": "image/tiff"}
        yield BlobSpec(name, partial(noise, f"{seed}/{name}", _small(dice)), headers=headers, tags=tags, tier=tier)


def _permits(seed: int) -> Iterator[BlobSpec]:
    dice = random.Random(f"{seed}/permits")
    for number in range(500):
        name = f"permit-{number:05d}.json"
        key = f"{seed}/{name}"
        generations = tuple(partial(prose, f"{key}/{old}", 400 + 50 * old) for old in range(2 + number % 2))
        metadata = {"parcel": f"{dice.randrange(10**6):06d}", "Applicant_Kind": "person" if number % 2 else "business"}
        yield BlobSpec(
            name,
            partial(prose, key, 200 + _small(dice, most=6 * KIB)),
            headers={"content_type": "application/json"},
            metadata=metadata if number % 5 else {},
            tags={"district": f"{number % 9}", "state": "open"} if number % 2 else {},
            earlier=generations if number % 50 == 7 else (),
        )


def _minutes(seed: int) -> Iterator[BlobSpec]:
    for number in range(150):
        name = f"board/{2012 + number // 12}-{1 + number % 12:02d}.pdf"
        metadata = {"approved": "true", "note": "as read; see = and & in values, 100%"} if number % 3 == 0 else {}
        yield BlobSpec(
            name, partial(noise, f"{seed}/{name}", 2 * KIB + 37 * number), headers=PDF_HEADERS, metadata=metadata
        )


def _odd(seed: int) -> Iterator[BlobSpec]:
    for number, name in enumerate(ODD_NAMES):
        content = partial(prose, f"{seed}/odd/{number}", 10 + number)
        yield BlobSpec(name, content, metadata={"number": f"{number}"}, headers={"content_type": "text/plain"})


def _recordings(seed: int) -> Iterator[BlobSpec]:
    yield _blocks(seed, "2024/board-meeting-full.mp4", BIG, 8 * MIB, content_type="video/mp4")
    for number, mebibytes in enumerate((1, 2, 3, 5, 8, 13, 20, 40)):
        tier = ("", "Hot", "Cool", "Cold")[number % 4]
        size = mebibytes * MIB + number * 333
        block = (4 * MIB, MIB, 700_001)[number % 3]
        yield _blocks(seed, f"2023/hearing-{number}.mp4", size, block, tier=tier, content_type="video/mp4")


def _logs(seed: int) -> Iterator[BlobSpec]:
    for day in range(40):
        name = f"y=2025/m=06/d={day:02d}/PT1H.log"
        yield _append(seed, name, 0 if day == 39 else 600 * (day + 1), sealed=day % 4 == 0, kind="audit")


def _dropbox(seed: int) -> Iterator[BlobSpec]:
    for number in range(30):
        size = 0 if number % 5 == 0 else 1 << (number % 14)
        yield BlobSpec(f"inbox/{number:03d}", partial(noise, f"{seed}/inbox/{number}", size))


def records(seed: int, *, archive: bool = False) -> AccountSpec:
    """The general-purpose v2 account: all that blobs can be.

    Args:
        archive: also a container `archive-box` with three archived blobs, which nobody can read before rehydration.
    """
    root = (
        BlobSpec("robots.txt", literal("User-agent: *\nDisallow:\n")),
        BlobSpec("favicon.ico", partial(noise, "icon", 318)),
    )
    disks = tuple(disk(f"scanner-{size}.vhd", f"{seed}/scan{size}", size) for size in (1, 2, 4, 6))
    boxed = tuple(
        BlobSpec(f"box-{number}.zip", partial(noise, f"{seed}/box{number}", 9 * KIB), tier="Archive")
        for number in range(3)
    )
    containers = [
        ContainerSpec("$root", root),
        ContainerSpec("$web", tuple(_site(seed))),
        ContainerSpec("deeds", tuple(_deeds(seed)), metadata={"custodian": "County Clerk", "retention": "permanent"}),
        ContainerSpec("dropbox", tuple(_dropbox(seed)), policies=POLICIES),
        ContainerSpec("empty"),
        ContainerSpec("logs", tuple(_logs(seed))),
        ContainerSpec("minutes", tuple(_minutes(seed)), metadata={"audience": "public"}, public_access="blob"),
        ContainerSpec("odd-names", tuple(_odd(seed))),
        ContainerSpec("permits", tuple(_permits(seed))),
        ContainerSpec("recordings", tuple(_recordings(seed))),
        ContainerSpec("scanner-disks", disks),
        *([ContainerSpec("archive-box", boxed)] if archive else []),
    ]
    website = {"index_document": "index.html", "error_document404_path": "404.html"}
    return _account(arm.RECORDS, seed, containers, static_website=website)


def gis(seed: int) -> AccountSpec:
    """The general-purpose v1 account: no tiers, no index tags; the disks of two machines."""
    dice = random.Random(f"{seed}/tiles")
    tiles = tuple(
        BlobSpec(
            f"{zoom}/{number // 26}/{number % 26}.png",
            partial(noise, f"{seed}/tile/{zoom}/{number}", _small(dice, most=9 * KIB)),
            headers={"content_type": "image/png", "cache_control": "max-age=604800"},
        )
        for zoom in (11, 12, 13, 14)
        for number in range(176)
    )
    plotter = disk("vm-plotter-os.vhd", f"{seed}/plotter", 8)
    old = disk("vm-scanner-os.vhd", f"{seed}/scanner/old", 4)
    scanner = disk("vm-scanner-os.vhd", f"{seed}/scanner", 4)
    aerial = (
        _blocks(seed, "2021/north.sid", 20 * MIB, 4 * MIB),
        _blocks(seed, "2021/south.sid", 33 * MIB + 1, 4 * MIB),
    )
    logs = tuple(_append(seed, f"plotter/{day:02d}.log", 1000 * day, sealed=day % 3 == 0) for day in range(10))
    containers = [
        ContainerSpec("aerial", aerial),
        ContainerSpec("applogs", logs),
        ContainerSpec("packages", (_blocks(seed, "meters.cspkg", 12 * MIB, 5 * MIB),)),
        ContainerSpec("tiles", tiles, public_access="container"),
        ContainerSpec("vhds", (plotter, _with_earlier(scanner, old))),
    ]
    return _account(arm.GIS, seed, containers)


def _with_earlier(now: BlobSpec, *before: BlobSpec) -> BlobSpec:
    earlier = tuple(one.content for one in before)
    return BlobSpec(now.name, now.content, now.blob_type, metadata=now.metadata, earlier=earlier)


def ingest(seed: int) -> AccountSpec:
    """The premium block blob account: block and append blobs, no tiers."""
    dice = random.Random(f"{seed}/telemetry")
    telemetry = tuple(
        BlobSpec(
            f"meters/{number % 20:02d}/{number:05d}.json",
            partial(prose, f"{seed}/meter/{number}", _small(dice, most=4 * KIB)),
            headers={"content_type": "application/json"},
            metadata={"meter": f"{number % 20}"},
            earlier=(partial(prose, f"{seed}/meter/{number}/old", 100), literal("")) if number % 200 == 3 else (),
        )
        for number in range(500)
    )
    events = tuple(_append(seed, f"events/{hour:02d}.jsonl", 777 * hour, sealed=hour % 4 == 1) for hour in range(20))
    bulk = tuple(_blocks(seed, f"bulk-{size}.parquet", size * MIB + 17, 2 * MIB) for size in (3, 5, 8))
    containers = [ContainerSpec("bulk", bulk), ContainerSpec("events", events), ContainerSpec("telemetry", telemetry)]
    return _account(arm.INGEST, seed, containers)


def courts(seed: int) -> AccountSpec:
    """The account under a customer-managed key, with Cool as its default tier."""
    dice = random.Random(f"{seed}/docket")
    docket = tuple(
        BlobSpec(
            f"case/{2015 + number % 10}/CV-{number:05d}.docx",
            partial(noise, f"{seed}/case/{number}", _small(dice)),
            tags={"sealed": "yes" if number % 10 == 0 else "no"},
            metadata={"judge": f"J{number % 6}"},
            tier="Cold" if number % 7 == 0 else "",
        )
        for number in range(250)
    )
    exhibits = tuple(_blocks(seed, f"exhibit {size}.bin", size * MIB, 3 * MIB) for size in (4, 9, 17))
    return _account(
        arm.COURTS, seed, [ContainerSpec("docket", docket), ContainerSpec("exhibits", exhibits)], tier="Cool"
    )


def classic(seed: int) -> AccountSpec:
    """The classic account: read with its key only."""
    dice = random.Random(f"{seed}/classic")
    documents = tuple(
        BlobSpec(f"Permits 2014/scan {number:03d}.pdf", partial(noise, f"{seed}/2014/{number}", _small(dice)))
        for number in range(120)
    )
    logs = tuple(_append(seed, f"iis/u_ex1502{day:02d}.log", 500 * day, sealed=False) for day in range(4))
    vhds = (disk("perm-app01-os.vhd", f"{seed}/app01", 6), disk("perm-app02-os.vhd", f"{seed}/app02", 5))
    backup = _blocks(seed, "permits.bak", 6 * MIB + 5, 4 * MIB)
    containers = (
        ContainerSpec("backups", (backup,)),
        ContainerSpec("documents", documents, metadata={"scanned": "2014"}),
        ContainerSpec("vhds", vhds),
        ContainerSpec("wad-iis-logfiles", logs),
    )
    key = account_key(seed, arm.CLASSIC)
    return AccountSpec(arm.CLASSIC, key, "Storage", "Standard_GRS", classic=True, containers=containers)


def _account(
    shown: arm.Account,
    seed: int,
    containers: list[ContainerSpec],
    *,
    tier: str = "Hot",
    static_website: dict[str, str] | None = None,
) -> AccountSpec:
    return AccountSpec(
        shown.name,
        account_key(seed, shown.name),
        shown.kind,
        shown.sku,
        default_tier=tier,
        containers=tuple(containers),
        static_website=static_website or {},
    )


def accounts(seed: int, *, archive: bool = False) -> tuple[AccountSpec, ...]:
    """Every account of the county with what it holds, the empty ones too."""
    empty = tuple(_account(shown, seed, []) for shown in (arm.LAKE, arm.PROFILES))
    return (records(seed, archive=archive), gis(seed), ingest(seed), courts(seed), classic(seed), *empty)
