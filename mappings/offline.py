"""Exported inventories to an `Inventory`: what `az resource list`, Resource Graph and ARM templates say.

Nothing is dropped in silence: what cannot be read becomes a gap with file, place and reason.
Shapes: `az resource list` prints a list of resources; Resource Graph answers with `data` as objects or as
`{"columns": [...], "rows": [...]}` (REST "Resources", `resultFormat`); ARM lists answer `{"value": [...]}`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from mappings.clouds import COMMERCIAL
from mappings.errors import FixTheInput
from mappings.model import Gap, Inventory, Resource
from mappings.template import is_template, read_template

LIST_KEYS = ("data", "value", "items", "resources")
_EXPECTED = "a list of resources, a Resource Graph result or an ARM template"
_REMEDY = "Export it again as JSON, e.g. with `az graph query` or `az resource list`."


@dataclass(slots=True)
class _Reading:
    """What one file gave."""

    file: str
    resources: list[Resource] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)

    def gap(self, place: str, what: str, why: str, code: str, remedy: str = _REMEDY) -> None:
        scope = f"{self.file}, {place}" if place else self.file
        self.gaps.append(Gap(scope=scope, what=what, why=why, code=code, remedy=remedy))


def read_inventory(files: Mapping[str, str], *, now: datetime) -> Inventory:
    """Read exported inventories.

    Args:
        files: file name -> content, without a byte order mark.
        now: when they were read; exports do not say when they were taken.

    Returns:
        Every resource once, and a gap for everything that could not be read.

    Raises:
        FixTheInput: no file held a single resource.
    """
    readings = [_read(name, text) for name, text in files.items()]
    resources = _once(readings)
    gaps = [gap for reading in readings for gap in reading.gaps]
    if not resources:
        first = f" {gaps[0].scope}: {gaps[0].why}." if gaps else ""
        raise FixTheInput(
            f"No resource was found in {', '.join(files) or 'no file'}.{first}",
            next_step=f"Name a file that is {_EXPECTED}.",
        )
    return Inventory(
        cloud=COMMERCIAL.name,
        tenant_id="",
        scope=", ".join(map(_described, readings)),
        taken_at=now,
        resources=tuple(resources),
        gaps=tuple(gaps),
    )


def _described(reading: _Reading) -> str:
    """The file's name; with a warning where rules about properties had nothing to look at (`az resource list`)."""
    bare = reading.resources and not any(resource.properties for resource in reading.resources)
    return f"{reading.file} (without properties, so rules about properties could not look)" if bare else reading.file


def _read(name: str, text: str) -> _Reading:
    reading = _Reading(name)
    for document in _documents(text.removeprefix("\ufeff"), reading):
        _read_document(document, reading)
    return reading


def _documents(text: str, reading: _Reading) -> Iterator[Any]:
    """Every JSON document of a text: one, or several behind each other (concatenated files, JSON lines)."""
    decoder = json.JSONDecoder()
    at = _skip(text, 0)
    if at == len(text):
        reading.gap("", "Everything in this file.", "the file is empty", "Empty")
    while at < len(text):
        try:
            document, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError as wrong:
            yield from _salvaged(text, at, decoder, wrong, reading)
            return
        except RecursionError:
            reading.gap(_place(text, at), "Everything after this place.", "the JSON is nested too deeply", "BrokenFile")
            return
        yield document
        at = _skip(text, at)


def _salvaged(
    text: str, at: int, decoder: json.JSONDecoder, wrong: json.JSONDecodeError, reading: _Reading
) -> Iterator[Any]:
    """The whole entries before the break of a broken list, and the gap that says where it broke."""
    entries: list[Any] = []
    if text[at] == "[":
        at = _skip(text, at + 1)
        while at < len(text):
            try:
                entry, at = decoder.raw_decode(text, at)
            except (json.JSONDecodeError, RecursionError):
                break
            entries.append(entry)
            at = _skip(text, at)
            if text[at : at + 1] != ",":
                break
            at = _skip(text, at + 1)
    place = f"line {wrong.lineno}, column {wrong.colno}"
    kept = f"Everything after this place; {len(entries)} entries before it were read." if entries else "This file."
    reading.gap(place, kept, f"not valid JSON: {wrong.msg}", "BrokenFile")
    if entries:
        yield entries


def _read_document(document: Any, reading: _Reading) -> None:
    if isinstance(document, list):
        _read_entries(document, reading)
    elif not isinstance(document, dict):
        reading.gap("", "This file.", f"it holds a {type(document).__name__}, not {_EXPECTED}", "NotRecognised")
    elif is_template(document):
        resources, gaps = read_template(reading.file, document)
        reading.resources += resources
        reading.gaps += gaps
    elif "deploymentParameters" in str(document.get("$schema", "")):
        reading.gap("", "Nothing: a parameters file holds no resources.", "it is a parameters file", "ParametersFile",
                    "Name the template only.")  # fmt: skip
    elif isinstance(document.get("type"), str) and isinstance(document.get("id"), str):
        _read_entries([document], reading)
    else:
        _read_result(document, reading)


def _read_result(document: Mapping[str, Any], reading: _Reading) -> None:
    key = next((key for key in LIST_KEYS if key in document), None)
    content = document[key] if key else None
    if isinstance(content, dict) and isinstance(content.get("columns"), list):
        content = _rows_as_objects(content, reading)
    if not isinstance(content, list):
        keys = ", ".join(sorted(map(str, document))[:8]) or "no keys"
        reading.gap("", "This file.", f"it is not {_EXPECTED}; it has {keys}", "NotRecognised")
        return
    _read_entries(content, reading)
    _more_elsewhere(document, len(content), reading)


def _rows_as_objects(table: Mapping[str, Any], reading: _Reading) -> list[Any]:
    names = [column.get("name", "") if isinstance(column, dict) else str(column) for column in table["columns"]]
    objects: list[Any] = []
    rows = table.get("rows")
    if not isinstance(rows, list):
        reading.gap("", "Every row.", 'the result has "columns" but no "rows"', "NotRecognised")
        rows = []
    for index, row in enumerate(rows):
        if isinstance(row, list) and len(row) == len(names):
            objects.append(dict(zip(names, row, strict=True)))
        else:
            reading.gap(f"row {index}", "This row.", f"it does not have {len(names)} columns", "BrokenEntry")
    return objects


def _more_elsewhere(document: Mapping[str, Any], count: int, reading: _Reading) -> None:
    """A page of a longer answer is not an inventory: say so."""
    total = document.get("totalRecords", document.get("total_records"))
    more = any(document.get(key) for key in ("nextLink", "$skipToken", "skipToken", "skip_token"))
    cut = str(document.get("resultTruncated", document.get("result_truncated", ""))).lower() == "true"
    if more or cut or (isinstance(total, int) and total > count):
        known = f"{total} in all" if isinstance(total, int) else "how many is not said"
        reading.gap("", "Resources on further pages.", f"the file holds one page of {count} entries, {known}",
                    "OnePageOnly", "Export all pages.")  # fmt: skip


def _read_entries(entries: list[Any], reading: _Reading) -> None:
    for index, entry in enumerate(entries):
        place = f"entry {index}"
        if not isinstance(entry, dict):
            reading.gap(place, "This entry.", f"it is a {type(entry).__name__}, not a resource", "BrokenEntry")
        elif not isinstance(entry.get("type"), str) or not entry["type"].strip():
            name = str(entry.get("id") or entry.get("name") or "without a name")
            reading.gap(place, f"The resource {name}.", "it has no type", "NoType")
        else:
            reading.resources.append(_resource(entry, f"/files/{reading.file}/{index}", place, reading))


def _resource(entry: Mapping[str, Any], spare_id: str, place: str, reading: _Reading) -> Resource:
    wrong = [key for key in _DICTS if entry.get(key) is not None and not isinstance(entry[key], dict)]
    wrong = [key for key in wrong if not (key == "sku" and isinstance(entry[key], str))]
    if wrong:
        reading.gap(place, f"{', '.join(wrong)} of this resource.", "it is not an object", "BrokenEntry")
    parts = {key: entry[key] if isinstance(entry.get(key), dict) else {} for key in _DICTS}
    if isinstance(entry.get("sku"), str):
        parts["sku"] = {"name": entry["sku"]}
    identifier = _text(entry.get("id")) or spare_id
    zones = entry.get("zones")
    return Resource(
        id=identifier,
        name=_text(entry.get("name")) or identifier.rpartition("/")[2],
        type=entry["type"].strip(),
        location=_text(entry.get("location")),
        kind=_text(entry.get("kind")),
        sku=parts["sku"],
        tags={str(key): _text(value) for key, value in parts["tags"].items()},
        properties=parts["properties"],
        plan=parts["plan"],
        zones=tuple(map(str, zones)) if isinstance(zones, list) else (),
        identity=parts["identity"],
        subscription_id=_text(entry.get("subscriptionId")) or _segment(identifier, "subscriptions"),
        resource_group=_text(entry.get("resourceGroup")) or _segment(identifier, "resourcegroups"),
    )


_DICTS = ("sku", "tags", "properties", "plan", "identity")


def _once(readings: list[_Reading]) -> list[Resource]:
    """Every id once: the same resource exported twice is one; different ones under one id keep both, renamed."""
    first: dict[str, Resource] = {}
    resources = []
    for reading in readings:
        for resource in reading.resources:
            known = first.get(resource.id.lower())
            if known is None:
                first[resource.id.lower()] = resource
                resources.append(resource)
            elif known.type.lower() == resource.type.lower():
                reading.gap("", "Nothing: the first entry stands.", f"{resource.id} is listed twice", "Duplicate",
                            "Export every subscription once.")  # fmt: skip
            else:
                resources.append(replace(resource, id=f"{resource.id}#{len(resources)}"))
    return resources


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _segment(identifier: str, after: str) -> str:
    parts = identifier.split("/")
    lower = [part.lower() for part in parts]
    at = lower.index(after) + 1 if after in lower else len(parts)
    return parts[at] if at < len(parts) else ""


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _place(text: str, at: int) -> str:
    return f"line {text.count(chr(10), 0, at) + 1}, column {at - text.rfind(chr(10), 0, at)}"
