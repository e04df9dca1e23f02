"""ARM templates to resources: children, copy loops and nested deployments flattened, what cannot be computed said.

Expressions that the template itself decides are replaced by their values; everything else stays an expression, and
rules that would need its value answer "cannot be told". Syntax: Microsoft Learn, "Understand the structure and syntax
of ARM templates" (resources as a list, or by symbolic name from language version 2.0; "Resource iteration";
"Conditional deployment"; "Using linked and nested templates").
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mappings.model import Resource
from mappings.offline_reading import Reading
from mappings.rule import is_expression
from mappings.template_values import MOST_COPIES, Budget, Scope

DEPLOYMENT = "microsoft.resources/deployments"
UNRESOLVED_TAG = "govlift-unresolved"
"""Tag that names the fields of a template resource that stayed expressions."""
COPIES_TAG = "govlift-copies"
"""Tag of a resource that a copy loop makes several times, where nobody can tell how often."""
MOST_RESOURCES = 20_000
"""Resources that the copy loops of one file are unrolled to; loops beyond are listed once."""
_DEEPEST = 40

_CORRECT = "Correct the template."
_DEPLOYED = "Export the deployed resources instead of the template."
_EXTENSION_OWNER = re.compile(r"/\s*(Microsoft\.[A-Za-z]+)\s*/", re.IGNORECASE)
_FIELDS = ("name", "location", "kind", "sku", "tags", "properties", "plan", "zones", "identity")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a level of resources stands, and what its resources inherit."""

    path: str
    parent_type: str = ""
    parent_name: str = ""
    subscription: str = ""
    group: str = ""
    depth: int = 0


@dataclass(slots=True)
class _Template:
    reading: Reading
    unresolved: Counter[str] = field(default_factory=Counter)
    """Field -> resources in which it stayed an expression."""

    def free_id(self, wanted: str) -> str:
        """`wanted`, or with a number where two resources would carry the same id."""
        identifier, number = wanted, 2
        while identifier.lower() in self.reading.template_ids:
            identifier, number = f"{wanted}~{number}", number + 1
        self.reading.template_ids.add(identifier.lower())
        return identifier


def is_template(document: Mapping[str, Any]) -> bool:
    """Whether a JSON object is an ARM deployment template."""
    schema = str(document.get("$schema", "")).lower()
    return "deploymenttemplate" in schema or ("contentVersion" in document and "resources" in document)


def read_template(
    document: Mapping[str, Any], reading: Reading, *, given: Mapping[str, Any] | None = None, path: str = ""
) -> None:
    """Read every resource of a template into `reading`, with made ids `/templates/<file>/<type>/<name>`.

    Args:
        document: the template.
        reading: of the file that holds it.
        given: lower-case parameter name -> value, from a parameters file.
        path: where in the file the template stands, "" where it is the file.
    """
    template = _Template(reading)
    scope = _scope(document, given or {}, Budget())
    where = f"{path}.resources" if path else "resources"
    _read_level(document.get("resources"), scope, _Place(where), template)
    if template.unresolved:
        listed = ", ".join(f"{name} of {count:,}" for name, count in sorted(template.unresolved.items()))
        reading.notes.append(f"stayed expressions, so rules about them cannot be told: {listed} resources")


def _scope(document: Mapping[str, Any], given: Mapping[str, Any], budget: Budget) -> Scope:
    declared = {
        name.lower(): one["defaultValue"]
        for name, one in _table(document, "parameters").items()
        if isinstance(one, dict) and "defaultValue" in one
    }
    # A loop in the variables makes variables of its own, so the table as a whole is looked at first.
    table = dict(_table(document, "variables"))
    loops = table.pop("copy", None)
    scope = Scope(declared, given, {name.lower(): value for name, value in table.items()}, budget)
    if isinstance(loops, list):
        made = scope.resolve({"copy": loops})
        more = {name.lower(): value for name, value in made.items() if name != "copy"}
        scope = Scope(declared, given, {**scope.variables, **more}, budget)
    return scope


def _table(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def _read_level(resources: Any, scope: Scope, place: _Place, template: _Template) -> None:
    for where, entry in _entries(resources, place, template.reading):
        kind = entry.get("type")
        if not isinstance(kind, str) or not kind.strip():
            template.reading.lost(where, "This resource.", "it has no type", "NoType", _CORRECT)
        elif entry.get("existing") is True:
            template.reading.leave_out("a reference to a resource that exists elsewhere", f"{kind} ({where})")
        else:
            for turn, copies in _turns(entry, scope, where, template):
                _read_one(entry, turn, replace(place, path=where), template, copies)


def _entries(value: Any, place: _Place, reading: Reading) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if value is None:
        return
    if place.depth > _DEEPEST:
        reading.gap(place.path, "These resources.", "they are nested too deeply", "BrokenEntry", _CORRECT)
        return
    if isinstance(value, dict):
        pairs = [(f"{place.path}.{name}", entry) for name, entry in value.items()]
    elif isinstance(value, list):
        pairs = [(f"{place.path}[{index}]", entry) for index, entry in enumerate(value)]
    else:
        reading.gap(place.path, "These resources.", "neither a list nor an object", "BrokenEntry", _CORRECT)
        return
    for where, entry in pairs:
        if isinstance(entry, dict):
            yield where, entry
        else:
            reading.lost(where, "This resource.", "it is not an object", "BrokenEntry", _CORRECT)


def _turns(entry: Mapping[str, Any], scope: Scope, where: str, template: _Template) -> Iterator[tuple[Scope, str]]:
    """The level once per turn of the copy loop, or once with a remark where nobody can tell how often."""
    loop, reading = entry.get("copy"), template.reading
    if not isinstance(loop, dict):
        yield scope, ""
        return
    count = scope.resolve(loop.get("count"))
    told = isinstance(count, int) and not isinstance(count, bool) and 0 <= count <= MOST_COPIES
    if told and len(reading.resources) + count <= MOST_RESOURCES:
        if not count:
            reading.leave_out("a copy loop of no turns", f"{entry.get('type')} ({where})")
        for index in range(count):
            yield scope.in_copy(str(loop.get("name", "")), index), ""
        return
    reading.gap(
        where,
        f"How many resources the copy loop makes (count {str(loop.get('count'))[:200]}); it is listed once.",
        "copy loop not unrolled" if told else "the count of the copy loop is unresolved",
        "CopyLoop",
        _DEPLOYED,
    )
    yield scope, str(count) if told else "unknown"


def _read_one(entry: Mapping[str, Any], scope: Scope, place: _Place, template: _Template, copies: str) -> None:
    kind, name = _full_name(entry, scope, place)
    condition = scope.resolve(entry.get("condition", True))
    deployment = kind.lower() == DEPLOYMENT
    if condition is False or str(condition).lower() == "false":
        inner = " and everything in it" if deployment else ""
        template.reading.leave_out("not deployed under these parameters (condition)", f"{kind} {name}{inner}")
    else:
        _add(entry, kind, name, scope, place, template, copies, unsure=condition is not True)
        if deployment:
            _read_nested(entry, scope, place, template)
    # A condition does not reach the children; each has its own ("Conditional deployment").
    below = replace(place, path=f"{place.path}.resources", parent_type=kind, parent_name=name, depth=place.depth + 1)
    _read_level(entry.get("resources"), scope, below, template)


def _full_name(entry: Mapping[str, Any], scope: Scope, place: _Place) -> tuple[str, str]:
    """Type and name, with those of the parent before them where the template gives only the last part."""
    kind = str(scope.resolve(str(entry["type"]).strip()))
    given = scope.resolve(entry.get("name"))
    name = given if isinstance(given, str) and given else place.path.rpartition(".")[2]
    absolute = "/" in kind and "." in kind.partition("/")[0]
    if place.parent_type and not absolute:
        return f"{place.parent_type}/{kind}", f"{place.parent_name}/{name}"
    if "/providers/" in kind.lower():
        kind = _extension_type(kind, str(entry.get("name", "")))
    # Extensions of Bicep write "Microsoft.Graph/groups@v1.0".
    return kind.partition("@")[0] if not is_expression(kind) else kind, name


def _add(
    entry: Mapping[str, Any],
    kind: str,
    name: str,
    scope: Scope,
    place: _Place,
    template: _Template,
    copies: str,
    *,
    unsure: bool,
) -> None:
    values = {key: scope.resolve(entry.get(key)) for key in _FIELDS}
    tags = {str(k): str(v) for k, v in values["tags"].items()} if isinstance(values["tags"], dict) else {}
    left = _left(values, kind, name, unsure=unsure)
    template.unresolved.update(left)
    notes = {UNRESOLVED_TAG: ", ".join(left)} if left else {}
    if copies:
        notes[COPIES_TAG] = copies
    reading = template.reading
    reading.entries += 1
    reading.resources.append(
        Resource(
            id=template.free_id(f"/templates/{reading.file}/{kind}/{name}"),
            name=name,
            type=kind,
            location=_plain(values["location"]),
            kind=_plain(values["kind"]),
            sku=_object(values["sku"]),
            tags={**tags, **notes},
            properties=values["properties"] if isinstance(values["properties"], dict) else {},
            plan=_object(values["plan"]),
            zones=tuple(map(str, values["zones"])) if isinstance(values["zones"], list) else (),
            identity=values["identity"] if isinstance(values["identity"], dict) else {},
            subscription_id=place.subscription,
            resource_group=place.group,
        )
    )


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _object(value: Any) -> dict[str, Any]:
    """An object; one that stayed an expression is there, and its name is not known."""
    if isinstance(value, str) and value:
        return {"name": value}
    return value if isinstance(value, dict) else {}


def _left(values: Mapping[str, Any], kind: str, name: str, *, unsure: bool) -> list[str]:
    """Which fields stayed expressions, for a reader of the resource."""
    left = [key for key, value in values.items() if isinstance(value, str) and is_expression(value)]
    sku = values["sku"]
    if isinstance(sku, dict) and any(isinstance(v, str) and is_expression(v) for v in sku.values()):
        left.append("sku")
    if any(is_expression(part) for part in (kind, *kind.split("/"))):
        left.append("type")
    if unsure:
        left.append("condition")
    if name.startswith("[") and "name" not in left:
        left.append("name")
    return sorted(left)


def _read_nested(entry: Mapping[str, Any], scope: Scope, place: _Place, template: _Template) -> None:
    """The resources of a nested deployment: its own template, under its own parameters."""
    properties = _table(entry, "properties")
    inner = properties.get("template")
    if not isinstance(inner, dict):
        link = properties.get("templateLink")
        link = link if isinstance(link, dict) else {}
        told = scope.resolve(link.get("uri") or link.get("relativePath") or link.get("id") or "")
        where = f": {told}" if isinstance(told, str) and told and "?" not in told else ""
        template.reading.gap(place.path, "The resources of this linked deployment.",
                             f"its template is in another place{where}"[:300], "LinkedTemplate",
                             "Assess the linked template too.")  # fmt: skip
        return
    given = {
        name.lower(): scope.resolve(value["value"])
        for name, value in _table(properties, "parameters").items()
        if isinstance(value, dict) and "value" in value
    }
    options = properties.get("expressionEvaluationOptions")
    own = isinstance(options, dict) and str(options.get("scope", "")).lower() == "inner"
    level = _scope(inner, given, scope.budget) if own or inner.get("parameters") else scope
    below = _Place(
        path=f"{place.path}.properties.template.resources",
        subscription=_told(scope.resolve(entry.get("subscriptionId"))) or place.subscription,
        group=_told(scope.resolve(entry.get("resourceGroup"))) or place.group,
        depth=place.depth + 1,
    )
    _read_level(inner.get("resources"), level, below, template)


def _told(value: Any) -> str:
    return value if isinstance(value, str) and not is_expression(value) else ""


def _extension_type(kind: str, name: str) -> str:
    """`A/b/providers/roleAssignments` is a role assignment on an `A/b`: its namespace stands in the name."""
    last = kind.rpartition("/providers/")[2]
    owner = _EXTENSION_OWNER.search(name.replace("'", "/").replace(",", "/"))
    if "/" in last or owner is None:
        return last if "/" in last else kind
    return f"{owner[1]}/{last}"
