"""ARM templates to resources: children and nested deployments flattened, what cannot be computed said.

Only plain `parameters('x')` (its default) and `variables('x')` are resolved; everything else stays an expression, and
rules that would need its value answer "cannot be told". Syntax: Microsoft Learn, "Understand the structure and syntax
of ARM templates" (resources as a list, or by symbolic name from language version 2.0).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mappings.model import Gap, Resource
from mappings.rule import is_expression

DEPLOYMENT = "microsoft.resources/deployments"
UNRESOLVED_TAG = "govlift-unresolved"
"""Tag that names the fields of a template resource that stayed expressions."""
COPIES_TAG = "govlift-copies"
"""Tag with the count of a copy loop whose resource is listed once."""

_PLAIN = re.compile(r"\[\s*(parameters|variables)\(\s*'([^']+)'\s*\)\s*\]", re.IGNORECASE)
_EXTENSION_OWNER = re.compile(r"/\s*(Microsoft\.[A-Za-z]+)\s*/", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Scope:
    """What expressions of one template level may refer to."""

    parameters: Mapping[str, Any]
    variables: Mapping[str, Any]

    def resolve(self, value: Any, hops: int = 0) -> Any:
        """`value` with plain parameter and variable references replaced, at any depth of objects and lists.

        References are followed five times at most: a template may refer to itself, or grow without end.
        """
        if hops > 5:
            return value
        if isinstance(value, str):
            found = _PLAIN.fullmatch(value)
            table = (self.parameters if found[1].lower() == "parameters" else self.variables) if found else {}
            name = found[2].lower() if found else ""
            return self.resolve(table[name], hops + 1) if name in table else value
        if isinstance(value, dict):
            return {key: self.resolve(inner, hops) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.resolve(inner, hops) for inner in value]
        return value


@dataclass(slots=True)
class _Reading:
    file: str
    resources: list[Resource] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)

    def gap(self, place: str, what: str, why: str, code: str, remedy: str) -> None:
        self.gaps.append(Gap(scope=f"{self.file}, {place}", what=what, why=why, code=code, remedy=remedy))

    def free_id(self, wanted: str) -> str:
        """`wanted`, or with a number where two resources would carry the same id."""
        identifier, number = wanted, 2
        while identifier.lower() in self.ids:
            identifier, number = f"{wanted}~{number}", number + 1
        self.ids.add(identifier.lower())
        return identifier


def is_template(document: Mapping[str, Any]) -> bool:
    """Whether a JSON object is an ARM deployment template."""
    schema = str(document.get("$schema", "")).lower()
    return "deploymenttemplate" in schema or ("contentVersion" in document and "resources" in document)


def read_template(file: str, document: Mapping[str, Any]) -> tuple[list[Resource], list[Gap]]:
    """Every resource of a template, with synthetic ids `/templates/<file>/<type>/<name>`, and the gaps."""
    reading = _Reading(file)
    _read_level(document, _scope(document, {}), "resources", reading)
    return reading.resources, reading.gaps


def _scope(document: Mapping[str, Any], given: Mapping[str, Any]) -> _Scope:
    parameters: dict[str, Any] = {}
    for name, declared in _table(document, "parameters").items():
        if name.lower() in given:
            parameters[name.lower()] = given[name.lower()]
        elif isinstance(declared, dict) and "defaultValue" in declared:
            parameters[name.lower()] = declared["defaultValue"]
    variables = {name.lower(): value for name, value in _table(document, "variables").items()}
    return _Scope(parameters, variables)


def _table(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def _read_level(document: Mapping[str, Any], scope: _Scope, path: str, reading: _Reading, parent: str = "") -> None:
    for place, entry in _entries(document.get("resources"), path, reading):
        kind = entry.get("type")
        if not isinstance(kind, str) or not kind.strip():
            reading.gap(place, "This resource.", "it has no type", "NoType", "Correct the template.")
            continue
        full = scope.resolve(kind.strip())
        if parent and not (isinstance(full, str) and "/" in full and full.split("/")[0].count(".")):
            full = f"{parent}/{full}"
        _add(entry, str(full), scope, place, reading)
        _read_level(entry, scope, f"{place}.resources", reading, parent=str(full))
        if str(full).lower() == DEPLOYMENT:
            _read_nested(entry, scope, place, reading)


def _entries(value: Any, path: str, reading: _Reading) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if value is None:
        return
    if isinstance(value, dict):
        pairs = [(f"{path}.{name}", entry) for name, entry in value.items()]
    elif isinstance(value, list):
        pairs = [(f"{path}[{index}]", entry) for index, entry in enumerate(value)]
    else:
        reading.gap(path, "These resources.", "neither a list nor an object", "BrokenEntry", "Correct the template.")
        return
    for place, entry in pairs:
        if isinstance(entry, dict):
            yield place, entry
        else:
            reading.gap(place, "This resource.", "it is not an object", "BrokenEntry", "Correct the template.")


def _add(entry: Mapping[str, Any], kind: str, scope: _Scope, place: str, reading: _Reading) -> None:
    values = {key: scope.resolve(entry.get(key)) for key in _FIELDS}
    if "/providers/" in kind.lower():
        kind = _extension_type(kind, str(entry.get("name", "")))
    name = values["name"] if isinstance(values["name"], str) else place
    tags = {str(k): str(v) for k, v in values["tags"].items()} if isinstance(values["tags"], dict) else {}
    resource = Resource(
        id=reading.free_id(f"/templates/{reading.file}/{kind}/{name}"),
        name=name,
        type=kind,
        location=_plain(values["location"]),
        kind=_plain(values["kind"]),
        sku=values["sku"] if isinstance(values["sku"], dict) else {},
        tags=tags,
        properties=values["properties"] if isinstance(values["properties"], dict) else {},
        plan=values["plan"] if isinstance(values["plan"], dict) else {},
        zones=tuple(map(str, values["zones"])) if isinstance(values["zones"], list) else (),
        identity=values["identity"] if isinstance(values["identity"], dict) else {},
    )
    notes = _notes(values, kind)
    copies = _copies(entry, scope, place, reading)
    if copies:
        notes[COPIES_TAG] = copies
    reading.resources.append(replace(resource, tags={**tags, **notes}) if notes else resource)


_FIELDS = ("name", "location", "kind", "sku", "tags", "properties", "plan", "zones", "identity")


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _notes(values: Mapping[str, Any], kind: str) -> dict[str, str]:
    """Which fields stayed expressions, for a reader of the resource."""
    left = [key for key, value in values.items() if isinstance(value, str) and is_expression(value)]
    sku = values["sku"]
    if isinstance(sku, dict) and any(isinstance(v, str) and is_expression(v) for v in sku.values()):
        left.append("sku")
    if is_expression(kind):
        left.append("type")
    return {UNRESOLVED_TAG: ", ".join(sorted(left))} if left else {}


def _copies(entry: Mapping[str, Any], scope: _Scope, place: str, reading: _Reading) -> str:
    """The count of a copy loop; a gap where it cannot be known."""
    loop = entry.get("copy")
    if not isinstance(loop, dict):
        return ""
    count = scope.resolve(loop.get("count"))
    if isinstance(count, int):
        return str(count)
    reading.gap(
        place,
        f"How many resources the copy loop makes (count {loop.get('count')}); it is listed once.",
        "copy loop not expanded",
        "CopyLoop",
        "Export the deployed resources instead of the template.",
    )
    return "unknown"


def _read_nested(entry: Mapping[str, Any], scope: _Scope, place: str, reading: _Reading) -> None:
    """The resources of a nested deployment: its own template, under its own parameters."""
    properties = _table(entry, "properties")
    inner = properties.get("template")
    if not isinstance(inner, dict):
        reading.gap(place, "The resources of this linked deployment.", "its template is in another place",
                    "LinkedTemplate", "Assess the linked template too.")  # fmt: skip
        return
    given = {
        name.lower(): scope.resolve(value["value"])
        for name, value in _table(properties, "parameters").items()
        if isinstance(value, dict) and "value" in value
    }
    options = properties.get("expressionEvaluationOptions")
    own = isinstance(options, dict) and str(options.get("scope", "")).lower() == "inner"
    level = _scope(inner, given) if own or inner.get("parameters") else scope
    _read_level(inner, level, f"{place}.properties.template.resources", reading)


def _extension_type(kind: str, name: str) -> str:
    """`A/b/providers/roleAssignments` is a role assignment on an `A/b`: its namespace stands in the name."""
    last = kind.rpartition("/providers/")[2]
    owner = _EXTENSION_OWNER.search(name.replace("'", "/").replace(",", "/"))
    if "/" in last or owner is None:
        return last if "/" in last else kind
    return f"{owner[1]}/{last}"
