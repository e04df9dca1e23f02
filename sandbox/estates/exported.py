"""An estate from a file that a customer exported: their inventory on the commercial side, no data behind it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sandbox.estates import both_clouds
from sandbox.estates.building import Body, account_key
from sandbox.estates.model import AccountSpec, Estate, SubscriptionSpec

_SUBSCRIPTION = re.compile(r"/subscriptions/([^/]+)/", re.IGNORECASE)
_STORAGE = ("microsoft.storage/storageaccounts", "microsoft.classicstorage/storageaccounts")


def estate_from_file(path: Path, *, seed: int = both_clouds.SEED) -> Estate:
    """The estate in a JSON file: a list of ARM resources (`az resource list`), an object with such a list under
    `value` or `data`, or an object with `commercial` and, if wanted, `government`.

    `commercial` is a list of resources or an object with `resources` and, if wanted, `denied` (ids of resource
    groups); `government` is an object with, if wanted, `taken_names`.

    Raises:
        ValueError: not such a file; the message says where.
    """
    try:
        whole = json.loads(path.read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as wrong:
        raise ValueError(f"The estate file {path} cannot be read: {wrong}.") from wrong
    except json.JSONDecodeError as wrong:
        raise ValueError(f"The estate file {path} is not JSON: {wrong}.") from wrong
    resources, denied, taken = _parts(whole, path)
    return Estate(
        path.stem,
        both_clouds.commercial(
            seed=seed,
            subscriptions=_subscriptions(resources),
            groups=_groups(resources, denied),
            resources=resources,
            denied=denied,
            accounts=_accounts(resources, seed),
        ),
        both_clouds.government(seed=seed, taken_names=taken),
    )


def _parts(whole: Any, path: Path) -> tuple[list[Body], list[str], list[str]]:
    """Resources, denied groups, taken names."""
    side: Any = whole
    government: Any = {}
    if isinstance(whole, dict) and "commercial" in whole:
        side, government = whole["commercial"], whole.get("government") or {}
    denied: list[str] = []
    if isinstance(side, dict):
        denied = _strings(side.get("denied") or [], "commercial.denied", path)
        side = next((side[key] for key in ("resources", "value", "data") if key in side), None)
    if not isinstance(government, dict):
        raise ValueError(f'In the estate file {path}, "government" is not an object.')
    taken = _strings(government.get("taken_names") or [], "government.taken_names", path)
    return _resources(side, path), denied, taken


def _strings(value: Any, what: str, path: Path) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f'In the estate file {path}, "{what}" is not a list of strings.')
    return value


def _resources(listed: Any, path: Path) -> list[Body]:
    if not isinstance(listed, list) or not listed:
        raise ValueError(f"The estate file {path} holds no list of ARM resources.")
    seen: dict[str, Body] = {}
    for number, body in enumerate(listed):
        whole = isinstance(body, dict) and all(isinstance(body.get(key), str) for key in ("id", "name", "type"))
        if not whole:
            raise ValueError(f"Item {number} in the estate file {path} is not an ARM resource with id, name and type.")
        if not _SUBSCRIPTION.match(body["id"]):
            raise ValueError(f'Item {number} in the estate file {path} is in no subscription: "{body["id"]}".')
        seen.setdefault(body["id"].lower(), {"location": "", "properties": {}, **body})
    return list(seen.values())


def _scope(resource_id: str) -> tuple[str, str] | None:
    """Subscription and group of an id; None for what stands in a subscription and no group."""
    parts = resource_id.split("/")
    known = len(parts) > 5 and parts[1].lower() == "subscriptions" and parts[3].lower() == "resourcegroups"
    return (parts[2], parts[4]) if known else None


def _scopes(ids: Iterable[str]) -> dict[tuple[str, str], tuple[str, str]]:
    """Subscription and group in lower case -> as written first."""
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for one in ids:
        scope = _scope(f"{one}/")
        if scope is not None:
            found.setdefault((scope[0].lower(), scope[1].lower()), scope)
    return found


def _subscriptions(resources: list[Body]) -> list[SubscriptionSpec]:
    written = (_SUBSCRIPTION.match(str(body["id"])) for body in resources)
    ids = {found[1].lower(): found[1] for found in written if found}
    return [SubscriptionSpec(one, f"Subscription {number}") for number, one in enumerate(ids.values(), 1)]


def _groups(resources: list[Body], denied: list[str]) -> list[Body]:
    scopes = _scopes([*(str(body["id"]) for body in resources), *denied])
    places = {key: str(body["location"]) for body in resources for key in _scopes([str(body["id"])])}
    return [
        {
            "id": f"/subscriptions/{subscription}/resourceGroups/{group}",
            "name": group,
            "type": "Microsoft.Resources/resourceGroups",
            "location": places.get(key) or "eastus",
            "tags": {},
            "properties": {"provisioningState": "Succeeded"},
        }
        for key, (subscription, group) in scopes.items()
    ]


def _accounts(resources: list[Body], seed: int) -> list[AccountSpec]:
    """An empty account for each storage account in the inventory."""
    found: dict[str, AccountSpec] = {}
    for body in resources:
        kind = str(body["type"]).lower()
        if kind in _STORAGE:
            name = str(body["name"])
            size = str((body.get("sku") or {}).get("name") or "Standard_LRS")
            model = str(body.get("kind") or "Storage")
            classic = kind == _STORAGE[1]
            found.setdefault(name, AccountSpec(name, account_key(seed, name), model, size, classic=classic))
    return list(found.values())
