"""An estate for copies: one blob of each kind at the source, and empty accounts of several kinds in Government."""

from __future__ import annotations

import random
from dataclasses import replace

from sandbox.estates.model import AccountSpec, BlobSpec, ContainerSpec
from tests.sandbox.tiny_estate import ESTATE as TINY
from tests.sandbox.tiny_estate import TARGET, key_of

MIB = 1024 * 1024


def noise(seed: int, size: int) -> bytes:
    """Bytes that look like content, the same at each call."""
    return random.Random(seed).randbytes(size)


def _pages() -> bytes:
    return bytes(5 * MIB) + noise(3, MIB) + bytes(2 * MIB) + noise(4, 512)


KINDS = ContainerSpec(
    "kinds",
    blobs=(
        BlobSpec(
            "a small ü & +.txt", lambda: b"small", metadata={"Who": "clerk"}, tags={"dept": "permits", "q": "a b"},
            tier="Cool", headers={"content_type": "text/plain", "cache_control": "no-cache", "content_language": "en",
                                  "content_disposition": 'attachment; filename="x.txt"'},
        ),
        BlobSpec("b/blocks.bin", lambda: noise(1, 3 * MIB + 17), block_size=MIB),
        BlobSpec("c/log.txt", lambda: noise(2, 200_000), blob_type="AppendBlob", block_size=50_000, sealed=True),
        BlobSpec("d/disk.vhd", _pages, blob_type="PageBlob"),
        BlobSpec("e/empty", lambda: b""),
        BlobSpec("f/gzip.js", lambda: noise(5, 9000), headers={"content_encoding": "gzip"}),
        BlobSpec("g/history", lambda: b"now", earlier=(lambda: b"first", lambda: b"second", )),
        BlobSpec("h/cold", lambda: b"offline", tier="Archive"),
    ),
    metadata={"owner": "records"},
    policies=({"id": "readers", "start": "2026-01-01T00:00:00Z", "expiry": "2030-01-01T00:00:00Z", "permission": "r"},),
)  # fmt: skip
MANY = ContainerSpec("many", blobs=tuple(BlobSpec(f"n/{i:04}", lambda i=i: noise(i, 1000)) for i in range(48)))
CLASSIC = ContainerSpec("old", blobs=(BlobSpec("letter.txt", lambda: b"dear sir"),))

_SOURCES = (
    AccountSpec("copysource", key_of("copysource"), containers=(KINDS, MANY, ContainerSpec("empty"))),
    AccountSpec("copyclassic", key_of("copyclassic"), kind="Storage", classic=True, containers=(CLASSIC,)),
)
_TARGETS = (
    AccountSpec("copytarget", key_of("copytarget")),
    AccountSpec("copypremium", key_of("copypremium"), kind="BlockBlobStorage", sku="Premium_LRS", default_tier=""),
)
_GROUP = f"/subscriptions/{TARGET}/resourceGroups/rg-copies"
_ARM = tuple(
    {
        "id": f"{_GROUP}/providers/Microsoft.Storage/storageAccounts/{one.name}",
        "name": one.name,
        "type": "Microsoft.Storage/storageAccounts",
        "location": "usgovvirginia",
        "kind": one.kind,
        "sku": {"name": one.sku, "tier": one.sku.partition("_")[0]},
        "properties": {"provisioningState": "Succeeded"},
    }
    for one in _TARGETS
)
ESTATE = replace(
    TINY,
    name="copies",
    commercial=replace(TINY.commercial, accounts=(*TINY.commercial.accounts, *_SOURCES)),
    government=replace(
        TINY.government,
        accounts=(*TINY.government.accounts, *_TARGETS),
        groups=(*TINY.government.groups, {"id": _GROUP, "name": "rg-copies", "location": "usgovvirginia"}),
        resources=(*TINY.government.resources, *_ARM),
    ),
)
