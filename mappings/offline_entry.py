"""One entry of an export to a `Resource`: keys in any spelling, the type from its id or portal name where it lacks one.

Spellings: `az` and ARM write camelCase, `Get-AzResource | ConvertTo-Json` writes PascalCase with `ResourceId` and
`ResourceType`, the portal's CSV and workbook write headings in capitals with blanks and its own names of types.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol

from mappings.model import Resource, Subscription
from mappings.offline_reading import Reading


class TypeName(Protocol):
    """What the portal's name of a type leads to."""

    @property
    def type(self) -> str: ...


class TypeNames(Protocol):
    """Finds ARM types by the name that the Azure portal shows, e.g. "Storage account"."""

    def by_portal_name(self, name: str) -> Sequence[TypeName]: ...


ALIASES = {
    "id": "id", "resourceid": "id", "armid": "id", "resourceuri": "id",
    "name": "name", "resourcename": "name",
    "type": "type", "resourcetype": "type", "armtype": "type",
    "location": "location", "region": "location", "resourcelocation": "location",
    "kind": "kind",
    "sku": "sku", "skuname": "skuname", "skutier": "skutier",
    "resourcegroup": "resourcegroup", "resourcegroupname": "resourcegroup",
    "subscriptionid": "subscriptionid", "subscription": "subscription", "subscriptionname": "subscription",
    "tags": "tags", "tag": "tags",
    "properties": "properties", "plan": "plan", "identity": "identity",
    "zones": "zones", "zone": "zones", "availabilityzones": "zones", "availabilityzone": "zones",
}  # fmt: skip
"""Key or heading (letters and digits only, in lower case) -> field."""
BESIDE = frozenset(
    (
        "etag", "managedby", "createdtime", "changedtime", "provisioningstate", "extendedlocation", "tenantid",
        "systemdata", "apiversion", "resource", "parentresource", "extensionresourcename", "extensionresourcetype",
        "link", "scope", "comments", "dependson",
    )
)  # fmt: skip
"""Further keys of an entry, which are no properties of the resource."""

DECODER = json.JSONDecoder(strict=False, parse_constant=str)
"""Lenient about line breaks in texts; NaN becomes a text, since no JSON that is written again may hold it."""
_ARM_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*(?:\.[A-Za-z0-9-]+)+(?:/[A-Za-z0-9.$_-]+)+")
_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_OBJECTS = ("sku", "tags", "properties", "plan", "identity")
_NOT_LETTER = re.compile(r"[\W_]+")
_ASK = "Ask the customer for an export with the resource id or ARM type (Resource Graph), or look the resource up."


@lru_cache(maxsize=10_000)
def plain(heading: str) -> str:
    """A key or heading without blanks, marks and case: "Resource Group", "resource_group" -> "resourcegroup"."""
    return _NOT_LETTER.sub("", heading).lower()


def is_arm_type(text: object) -> bool:
    """Whether `text` has the form `Namespace.Name/type[/type]`."""
    return isinstance(text, str) and _fits(text)


@lru_cache(maxsize=10_000)
def _fits(text: str) -> bool:
    return _ARM_TYPE.fullmatch(text.strip()) is not None


def type_of_id(identifier: object) -> str:
    """The ARM type that a resource id names, "" where it names none."""
    if not isinstance(identifier, str) or not identifier.startswith("/"):
        return ""
    _, provider, tail = identifier.rstrip("/").rpartition("/providers/")
    if not provider:
        parts = [part.lower() for part in identifier.strip("/").split("/")]
        if len(parts) == 4 and parts[::2] == ["subscriptions", "resourcegroups"]:
            return "Microsoft.Resources/resourceGroups"
        return "Microsoft.Resources/subscriptions" if len(parts) == 2 and parts[0] == "subscriptions" else ""
    namespace, *rest = tail.split("/")
    if "." not in namespace or len(rest) < 2 or len(rest) % 2 or not all(rest):
        return ""
    return "/".join((namespace, *rest[::2]))


def looks_like_resource(entry: Mapping[str, Any]) -> bool:
    """Whether an object is meant as a resource: it has a type together with an id or name, or an id that tells both."""
    fields = entry if "type" in entry and "id" in entry else folded(entry)
    if type_of_id(fields.get("id")) or is_arm_type(fields.get("type")):
        return True
    kind = fields.get("type")
    return isinstance(kind, str) and bool(kind.strip()) and any(_text(fields.get(key)) for key in ("id", "name"))


def folded(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The entry by field. Of several keys for one field the one that says most stands; other keys stay as they are."""
    fields: dict[str, Any] = {}
    for key, value in entry.items():
        name = ALIASES.get(plain(key), key)
        known = fields.get(name)
        better = (name == "type" and is_arm_type(value) and not is_arm_type(known)) or (
            name == "id" and bool(type_of_id(value)) and not type_of_id(known)
        )
        if known is None or known == "" or better:
            fields[name] = value
    return fields


def add_entry(entry: Mapping[str, Any], place: str, reading: Reading, names: TypeNames | None) -> None:
    """Read one entry: a resource of `reading`, or a gap that says why it is none."""
    fields = folded(entry)
    if _is_account(fields):
        _add_account(fields, reading)
        return
    kind = _type_of(fields, place, reading, names)
    if not kind:
        name = _text(fields.get("id")) or _text(fields.get("name")) or "without a name"
        reading.lost(place, f"The resource {name[:200]}.", "it has no type", "NoType")
        return
    reading.entries += 1
    reading.resources.append(_resource(kind, fields, place, reading))


def _is_account(fields: Mapping[str, Any]) -> bool:
    """An entry of `az account list`: a subscription with the cloud it lies in."""
    return "cloudName" in fields and "tenantId" in fields and _GUID.fullmatch(_text(fields.get("id"))) is not None


def _add_account(fields: Mapping[str, Any], reading: Reading) -> None:
    identifier, name = _text(fields["id"]).lower(), _text(fields.get("name"))
    reading.subscriptions[identifier] = Subscription(identifier, name or identifier, _text(fields["tenantId"]))
    reading.clouds[_text(fields["cloudName"])] += 1
    reading.leave_out("a subscription of `az account list`, taken for its name", name or identifier)


def _type_of(fields: Mapping[str, Any], place: str, reading: Reading, names: TypeNames | None) -> str:
    given = fields.get("type")
    text = given.strip() if isinstance(given, str) else ""
    if is_arm_type(text):
        return text
    from_id = type_of_id(fields.get("id"))
    if from_id:
        return from_id
    # What Resource Graph and templates call a type has a slash; everything else is a name for readers.
    if not text or ("/" in text and " " not in text):
        return text
    found = names.by_portal_name(text) if names else ()
    if len(found) == 1:
        reading.named[text, found[0].type] += 1
        return found[0].type
    what = f'Type of the resources that the file calls "{text[:100]}"; their verdict is unknown.'
    if found:
        several = ", ".join(one.type for one in found)
        reading.alike(place, what, f"the portal shows {several} under this name", "AmbiguousType", _ASK)
    else:
        reading.alike(place, what, "no ARM type is known by this name", "UnknownTypeName", _ASK)
    return text


def _resource(kind: str, fields: Mapping[str, Any], place: str, reading: Reading) -> Resource:
    parts = {key: _object(key, fields.get(key), place, reading) for key in _OBJECTS}
    for key, name in (("skuname", "name"), ("skutier", "tier")):
        if _text(fields.get(key)):
            parts["sku"] = {**parts["sku"], name: _text(fields[key])}
    if "properties" not in fields:
        parts["properties"] = _flat_properties(fields)
    subscription, group = _subscription_of(fields, reading), _text(fields.get("resourcegroup"))
    name = _text(fields.get("name"))
    identifier = _text(fields.get("id")) or _made_id(kind, name, subscription, group)
    identifier = identifier or f"/files/{reading.file}/{place.replace('/', '|')}"
    return Resource(
        id=identifier,
        name=name or identifier.rpartition("/")[2],
        type=kind,
        location=_text(fields.get("location")),
        kind=_text(fields.get("kind")),
        sku=parts["sku"],
        tags={str(key): _text(value) for key, value in parts["tags"].items()},
        properties=parts["properties"],
        plan=parts["plan"],
        zones=_zones(fields.get("zones")),
        identity=parts["identity"],
        subscription_id=_text(fields.get("subscriptionid")) or _segment(identifier, "subscriptions") or subscription,
        resource_group=group or _segment(identifier, "resourcegroups"),
    )


def _object(key: str, value: Any, place: str, reading: Reading) -> dict[str, Any]:
    """A part of an entry that must be an object; a gap where it is given and cannot be read as one."""
    if isinstance(value, str):
        return _object_in_text(key, value.strip(), place, reading)
    if isinstance(value, dict):
        if key in ("sku", "plan", "identity") and any(name[:1].isupper() for name in value):
            # PowerShell writes Name and Tier for what ARM calls name and tier.
            return {name[:1].lower() + name[1:]: inner for name, inner in value.items()}
        return value
    if value is not None:
        why = f"it is a {type(value).__name__}, not an object"
        reading.alike(place, f"{key} of this resource.", why, "BrokenEntry")
    return {}


def _object_in_text(key: str, text: str, place: str, reading: Reading) -> dict[str, Any]:
    """An object in a cell, or as PowerShell and `az` write it where they shorten."""
    if text.lower() in ("", "null", "none", "{}", "-"):
        return {}
    if text.startswith(("@{", "System.")):
        reading.alike(place, f"{key} of this resource.", "PowerShell cut the object off", "CutOff",
                      "Export again with `ConvertTo-Json -Depth 20`.")  # fmt: skip
        return {}
    if text.startswith("{"):
        try:
            value = DECODER.decode(text)
        except (ValueError, RecursionError):
            reading.alike(place, f"{key} of this resource.", "the JSON in the cell is broken or cut off", "BrokenEntry")
            return {}
        return _object(key, value, place, reading)
    if key == "tags":
        return _tags(text)
    if key in ("properties", "plan"):
        reading.alike(place, f"{key} of this resource.", "it is a text, not an object", "BrokenEntry")
        return {}
    return {"type" if key == "identity" else "name": text}


def _tags(text: str) -> dict[str, Any]:
    """Tags as a list in a text: `env: prod; owner: x`, `"env": "prod", ...` or `env=prod`."""
    try:
        value = DECODER.decode("{" + text + "}")
    except (ValueError, RecursionError):
        pieces = re.split(r"[;,\n]", text)
        pairs = [re.split(r"[:=]", piece, maxsplit=1) for piece in pieces if piece.strip()]
        return {pair[0].strip(): pair[1].strip() if len(pair) > 1 else "" for pair in pairs}
    return dict(value)


def _flat_properties(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The properties of an entry of `az <service> list`, which stand beside id and type there."""
    known = ALIASES.values()
    return {
        key: value
        for key, value in fields.items()
        if key not in known and plain(key) not in BESIDE and value is not None
    }


def _subscription_of(fields: Mapping[str, Any], reading: Reading) -> str:
    """The subscription's id, or its name where only that is given."""
    identifier, name = _text(fields.get("subscriptionid")).strip(), _text(fields.get("subscription")).strip()
    if not identifier and _GUID.fullmatch(name):
        return name
    if identifier and name and name != identifier:
        reading.subscriptions.setdefault(identifier.lower(), Subscription(identifier.lower(), name, ""))
    return identifier or name


def _made_id(kind: str, name: str, subscription: str, group: str) -> str:
    """The ARM id, where an export gives all its parts and not the id itself; "" where a part is missing."""
    namespace, *types = kind.split("/")
    segments = name.split("/")
    complete = _GUID.fullmatch(subscription) and group and is_arm_type(kind) and len(segments) == len(types)
    if not complete or not all(segments):
        return ""
    path = "/".join(f"{one}/{called}" for one, called in zip(types, segments, strict=True))
    return f"/subscriptions/{subscription}/resourceGroups/{group}/providers/{namespace}/{path}"


def _zones(value: Any) -> tuple[str, ...]:
    if isinstance(value, list):
        return tuple(str(zone) for zone in value if zone is not None)
    if isinstance(value, str | int) and not isinstance(value, bool):
        found = re.findall(r"\d+", str(value))
        return tuple(found)
    return ()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _segment(identifier: str, after: str) -> str:
    parts = identifier.split("/")
    for at, part in enumerate(parts[:-1]):
        if part.lower() == after:
            return parts[at + 1]
    return ""
