"""An estate for what travels besides bytes: versions, policies, scopes, keys, a hierarchical namespace."""

from __future__ import annotations

import base64
import random
from dataclasses import replace
from typing import Any

from sandbox.estates.model import AccountSpec, BlobSpec, ContainerSpec
from tests.sandbox.tiny_estate import ESTATE as TINY
from tests.sandbox.tiny_estate import SOURCE, key_of

CUSTOMER_KEY = base64.b64encode(b"0123456789abcdef" * 2).decode()
OTHER_KEY = base64.b64encode(b"fedcba9876543210" * 2).decode()
TARGET_KEY = base64.b64encode(b"of the new place" * 2).decode()
MIB = 1024 * 1024
_TYPE = "Microsoft.Storage/storageAccounts"
ACCOUNT_ID = f"/subscriptions/{SOURCE}/resourceGroups/rg-app/providers/{_TYPE}/keptsource"
LIFECYCLE = {
    "rules": [
        {
            "enabled": True,
            "name": "old-logs",
            "type": "Lifecycle",
            "definition": {
                "actions": {"baseBlob": {"delete": {"daysAfterModificationGreaterThan": 365}}},
                "filters": {"blobTypes": ["blockBlob"], "prefixMatch": ["files/logs"]},
            },
        }
    ]
}
CORS = [
    {
        "allowedOrigins": ["https://portal.example"],
        "allowedMethods": ["GET"],
        "allowedHeaders": ["*"],
        "exposedHeaders": ["*"],
        "maxAgeInSeconds": 60,
    }
]


def _text(word: str):  # type: ignore[no-untyped-def]
    return word.encode


FILES = ContainerSpec(
    "files",
    blobs=(
        BlobSpec("a/report.txt", _text("final"), history=(_text("draft"), _text("second draft"))),
        BlobSpec("b/plain.txt", _text("only one")),
        BlobSpec("c/deleted.txt", _text("last words"), history=(_text("first words"),), gone=True),
        BlobSpec("d/log", _text("line\n" * 40), blob_type="AppendBlob", block_size=50, history=(_text("line\n"),)),
        BlobSpec("e/both.txt", _text("now"), history=(_text("v1"),), earlier=(_text("frozen"),)),
    ),
)
SECRET = ContainerSpec(
    "secret",
    blobs=(
        BlobSpec("known", lambda: b"k" * 5000, customer_key=CUSTOMER_KEY, metadata={"who": "clerk"}),
        BlobSpec("open", _text("for all")),
        BlobSpec("unknown", _text("other"), customer_key=OTHER_KEY),
    ),
)
KEYED = ContainerSpec(
    "keyed",
    blobs=(
        BlobSpec("appended", lambda: b"line\n" * 900, "AppendBlob", block_size=1500, customer_key=CUSTOMER_KEY),
        BlobSpec(
            "history", _text("now"), history=(_text("v1"),), earlier=(_text("frozen"),), customer_key=CUSTOMER_KEY,
            metadata={"who": "clerk"},
        ),
        BlobSpec("in blocks", lambda: random.Random("blocks").randbytes(5 * MIB), block_size=MIB,
                 customer_key=CUSTOMER_KEY),
        BlobSpec("other", _text("under another key"), customer_key=OTHER_KEY),
        BlobSpec("pages", lambda: bytes(4096) + random.Random("pages").randbytes(MIB) + bytes(MIB), "PageBlob",
                 customer_key=CUSTOMER_KEY),
        # Under the account's key: these are pulled.
        BlobSpec("open/blocks", lambda: random.Random("open").randbytes(5 * MIB), block_size=MIB),
        BlobSpec("open/log", lambda: b"line\n" * 900, "AppendBlob", block_size=1500, sealed=True),
        BlobSpec("open/pages", lambda: random.Random("pages").randbytes(MIB) + bytes(MIB), "PageBlob"),
        BlobSpec("open/plain", _text("for all"), headers={"content_type": "text/plain"}, metadata={"n": "1"},
                 tags={"shelf": "2"}, tier="Cool", earlier=(_text("for some"),)),
    ),
)  # fmt: skip
VAULT = ContainerSpec(
    "vault",
    blobs=(BlobSpec("evidence.pdf", _text("sealed")),),
    immutability={"days": 30, "locked": True, "allow_appends": True},
    legal_holds=("case2026",),
    default_scope="finance",
    deny_scope_override=True,
)
COLD = ContainerSpec("cold", blobs=(BlobSpec("tape", lambda: b"t" * 3000, tier="Archive"),))
WARM = ContainerSpec("warm", blobs=(BlobSpec("later", _text("soon cold"), tier="Cool"),))
PAYROLL = ContainerSpec(
    "payroll",
    blobs=(BlobSpec("small", _text("1,000"), encryption_scope="hr"), BlobSpec("large", lambda: b"p" * 3_000_000)),
    default_scope="hr",
)
LAKE = ContainerSpec(
    "lake",
    blobs=(
        BlobSpec("raw", _text(""), metadata={"hdi_isfolder": "true"}),
        BlobSpec("raw/2026", _text(""), metadata={"hdi_isfolder": "true"}),
        BlobSpec("raw/2026/a.csv", _text("1,2,3")),
        BlobSpec("raw-old.csv", _text("0")),
    ),
)


def _child(account_id: str, path: str, **properties: Any) -> dict[str, Any]:
    kind = f"{_TYPE}/{path.partition('/')[0]}"
    return {"id": f"{account_id}/{path}", "name": "default", "type": kind, "properties": properties}


def _on(days: int) -> dict[str, Any]:
    return {"enabled": True, "days": days}


def settings_of(account_id: str) -> tuple[dict[str, Any], ...]:
    """ARM bodies of what an account carries besides containers: the settings of its blob service, its lifecycle."""
    return (
        _child(
            account_id,
            "blobServices/default",
            isVersioningEnabled=True,
            deleteRetentionPolicy=_on(14),
            containerDeleteRetentionPolicy=_on(7),
            changeFeed={"enabled": True, "retentionInDays": 30},
            lastAccessTimeTrackingPolicy={"enable": True},
            defaultServiceVersion="2021-12-02",
            cors={"corsRules": CORS},
        ),
        _child(account_id, "managementPolicies/default", policy=LIFECYCLE),
    )


_RESOURCES = (
    {
        "id": ACCOUNT_ID,
        "name": "keptsource",
        "type": _TYPE,
        "location": "eastus",
        "kind": "StorageV2",
        "sku": {"name": "Standard_LRS", "tier": "Standard"},
        "tags": {},
        "properties": {"provisioningState": "Succeeded"},
    },
    *settings_of(ACCOUNT_ID),
)
ESTATE = replace(
    TINY,
    name="history",
    commercial=replace(
        TINY.commercial,
        resources=(*TINY.commercial.resources, *_RESOURCES),
        accounts=(
            *TINY.commercial.accounts,
            AccountSpec(
                "keptsource",
                key_of("keptsource"),
                containers=(FILES, SECRET, KEYED, VAULT),
                versioning=True,
                scopes=("hr", "finance"),
                static_website={"index_document": "index.html", "error_document404_path": "404.html"},
            ),
            AccountSpec("plainsource", key_of("plainsource"), containers=(COLD, WARM, PAYROLL), scopes=("hr",)),
            AccountSpec("lakesource", key_of("lakesource"), containers=(LAKE,), hierarchical=True),
        ),
    ),
    government=replace(
        TINY.government,
        accounts=(
            *TINY.government.accounts,
            AccountSpec("kepttarget", key_of("kepttarget"), versioning=True),
            AccountSpec(
                "plaintarget",
                key_of("plaintarget"),
                containers=(ContainerSpec("payroll", default_scope="hr", deny_scope_override=True),),
                scopes=("hr",),
            ),
            AccountSpec("laketarget", key_of("laketarget"), hierarchical=True),
        ),
    ),
)
