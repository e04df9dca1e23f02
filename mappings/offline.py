"""Exported inventories to an `Inventory`: what files of `az`, PowerShell, Resource Graph, the portal and templates say.

Nothing is dropped in silence: what cannot be read becomes a gap with file, place and reason, and the account of each
file (`Inventory.files`) says where every entry of it went.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from mappings.clouds import COMMERCIAL, GOVERNMENT
from mappings.errors import FixTheInput
from mappings.model import FileRead, Gap, Inventory, Resource, ResourceGroup, Subscription
from mappings.offline_entry import TypeNames
from mappings.offline_json import EXPECTED, JsonReader, parameters_of
from mappings.offline_merge import once
from mappings.offline_reading import Export, Reading, governs, holds, is_subscription
from mappings.offline_table import read_grid
from mappings.offline_text import documents
from mappings.regions import normal

_PARAMETERS_FILE = re.compile(r"[._-]parameters?(?:[._-][^/.]*)?\.jsonc?$", re.IGNORECASE)
_PORTAL_PARAMETERS = re.compile(r"(?:^|(?<=[/\\]))parameters\.json$", re.IGNORECASE)
"""What the portal calls the parameters beside the `template.json` of an export."""
_FILES_IN_SCOPE = 6
"""Files that the scope of the inventory names; the section "Files read" has all."""
CHINA = "AzureChinaCloud"


def read_inventory(
    exports: Mapping[str, str] | Iterable[Export], *, now: datetime, names: TypeNames | None = None
) -> Inventory:
    """Read exported inventories.

    Args:
        exports: the files, one after the other; a parameters file before the template that it belongs to. Or file
            name -> JSON text.
        now: when they were read; exports do not say when they were taken.
        names: finds the ARM type of a portal name; without it, portal names are not resolved.

    Returns:
        Every resource once, a gap for everything that could not be read, and the account of every file. What rules
        or holds resources stands in `governance`, `groups` and `subscriptions`, and not among the resources.

    Raises:
        FixTheInput: no file held a single entry of an inventory.
    """
    if isinstance(exports, Mapping):
        ordered = sorted(exports.items(), key=lambda item: not is_parameters_name(item[0]))
        exports = [Export(name, text) for name, text in ordered]
    given: dict[str, _Given] = {}
    readings = [_read(export, names, given) for export in exports]
    for one in given.values():
        one.close()
    found = once(readings)
    for reading in readings:
        reading.close()
    gaps = [gap for reading in readings for gap in reading.gaps]
    if not found:
        raise _nothing(readings, gaps)
    cloud, other = _cloud(found, readings)
    told = [_described(reading) for reading in readings if reading.shape]
    more = f" and {len(told) - _FILES_IN_SCOPE:,} more files" if len(told) > _FILES_IN_SCOPE else ""
    return Inventory(
        cloud=cloud,
        tenant_id="",
        scope=", ".join(told[:_FILES_IN_SCOPE]) + more,
        taken_at=now,
        resources=tuple(one for one in found if not governs(one) and not holds(one)),
        gaps=(*other, *gaps),
        subscriptions=_subscriptions(found, readings),
        groups=_groups(found),
        governance=tuple(one for one in found if governs(one)),
        files=tuple(reading.account() for reading in readings),
    )


def is_parameters_name(name: str) -> bool:
    """Whether a file is named as one that holds the parameters of a template beside it."""
    return _template_of(name) != name


def _template_of(name: str) -> str:
    """Name of the template to which a parameters file belongs; the name itself where it is none."""
    return _PORTAL_PARAMETERS.sub("template.json", _PARAMETERS_FILE.sub(".json", name))


def files_to_json(files: Iterable[FileRead]) -> list[dict[str, Any]]:
    """The accounts of the files as plain values, for `govlift assess --from --json`."""
    return [
        {
            "file": one.name,
            "shape": one.shape,
            "entries": one.entries,
            "resources": one.resources,
            "governance": one.governance,
            "groups_and_subscriptions": one.scopes,
            "duplicates": one.duplicates,
            "left_out": one.left_out,
            "unread": one.unread,
            "gaps": one.gaps,
            "notes": list(one.notes),
        }
        for one in files
    ]


class _Given:
    """The values of one parameters file, and whether a template took them."""

    def __init__(self, reading: Reading, values: Mapping[str, Any]) -> None:
        self.reading, self.values, self.template = reading, values, ""

    def close(self) -> None:
        if self.template:
            self.reading.notes.append(f"its values were used for {self.template}")
        elif self.reading.chance_find:
            self.reading.notes.append("no template of the same name lies beside it")
        else:
            self.reading.gap("", "The template of this parameters file.",
                             "no template of the same name lies beside it", "ParametersFile",
                             "Name the template too.")  # fmt: skip


def _read(export: Export, names: TypeNames | None, given: dict[str, _Given]) -> Reading:
    reading = Reading(export.name, export.chance_find)
    reading.notes.extend(export.notes)
    if export.refusal is not None:
        why, code, remedy = export.refusal
        reading.gap("", "Everything in this file.", why, code, remedy)
    for grid in export.grids:
        read_grid(grid, reading, names)
    if export.text is not None:
        _read_json(export, reading, names, given)
    return reading


def _read_json(export: Export, reading: Reading, names: TypeNames | None, given: dict[str, _Given]) -> None:
    beside = given.get(_stem(export.name))
    reader = JsonReader(reading, names, beside.values if beside else None)
    for document in documents(export.text or "", reading):
        values = parameters_of(document)
        if values is not None:
            reading.is_a("template parameters")
            given[_stem(_template_of(export.name))] = _Given(reading, values)
            continue
        try:
            reader.read(document)
        except RecursionError:
            reading.gap("", "The rest of this file.", "the JSON is nested too deeply", "BrokenFile")
    reading.forget_chance_find()
    if reading.entries and not reading.shape:
        reading.is_a("JSON")
    if beside is not None and reading.shape == "ARM template":
        beside.template = export.name


def _stem(name: str) -> str:
    return name.rpartition(".")[0].lower()


def _described(reading: Reading) -> str:
    """The file's name; with a warning where rules about properties had nothing to look at (`az resource list`)."""
    bare = reading.resources and not any(resource.properties for resource in reading.resources)
    return f"{reading.file} (without properties, so rules about properties could not look)" if bare else reading.file


def _nothing(readings: list[Reading], gaps: list[Gap]) -> FixTheInput:
    named = ", ".join(reading.file for reading in readings[:5]) or "no file"
    more = f" and {len(readings) - 5:,} more files" if len(readings) > 5 else ""
    first = f" {gaps[0].scope}: {gaps[0].why}." if gaps else ""
    if not gaps:
        first = next((f" {one.file}: {note}." for one in readings for note in one.notes), "")
    return FixTheInput(
        f"No resource was found in {named}{more}.{first}",
        next_step=gaps[0].remedy if len(gaps) == 1 and gaps[0].remedy else f"Name a file that is {EXPECTED}.",
    )


def _cloud(found: list[Resource], readings: list[Reading]) -> tuple[str, list[Gap]]:
    """The cloud that the files seem to come from; a gap where it is not the commercial one."""
    places = Counter(normal(one.location) for one in found if one.location and not one.location.startswith("["))
    government = sum(n for place, n in places.items() if place.startswith(("usgov", "usdod", "usnat", "ussec")))
    china = sum(n for place, n in places.items() if place.startswith("china"))
    told = sum((reading.clouds for reading in readings), Counter[str]())
    government += told[GOVERNMENT.name]
    china += told[CHINA]
    most, name = max((government, GOVERNMENT.name), (china, CHINA))
    if not most:
        return COMMERCIAL.name, []
    placed = sum(n for place, n in places.items() if place != "global") + told.total()
    why = f"{most:,} of {placed:,} locations and subscriptions in the files belong to {name}"
    gap = Gap(", ".join(reading.file for reading in readings if reading.shape)[:500],
              "Verdicts that fit: they say what Azure Government makes of a resource in commercial Azure.",
              why, "OtherCloud", "Ask the customer from which cloud the files come.")  # fmt: skip
    return (name if most * 2 > placed else COMMERCIAL.name), [gap]


def _subscriptions(found: list[Resource], readings: list[Reading]) -> tuple[Subscription, ...]:
    """Subscriptions whose name a file tells."""
    known: dict[str, Subscription] = {}
    for one in found:
        if is_subscription(one):
            identifier = one.id.strip("/").split("/")[1].lower()
            tenant = one.properties.get("tenantId")
            known[identifier] = Subscription(identifier, one.name, tenant if isinstance(tenant, str) else "")
    for reading in readings:
        for identifier, subscription in reading.subscriptions.items():
            known.setdefault(identifier, subscription)
    return tuple(known[identifier] for identifier in sorted(known) if identifier)


def _groups(found: list[Resource]) -> tuple[ResourceGroup, ...]:
    """Resource groups that are themselves in the files, with their tags."""
    return tuple(
        ResourceGroup(one.id, one.name, one.location, one.subscription_id, one.tags)
        for one in found
        if holds(one) and not is_subscription(one)
    )
