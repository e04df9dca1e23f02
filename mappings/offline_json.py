"""The shapes in which inventories come as JSON: lists, answers, pages, recorded exchanges, templates.

`az resource list` prints a list of resources; Resource Graph answers with `data` as objects or as
`{"columns": [...], "rows": [...]}` (REST "Resources", `resultFormat`); ARM lists answer `{"value": [...]}`. Recordings
of HTTP wrap such answers once or more, and may hold them as text. What is none of these is named, never dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mappings.offline_entry import DECODER, TypeNames, add_entry, folded, looks_like_resource, plain
from mappings.offline_reading import Reading
from mappings.template import is_template, read_template

EXPECTED = "a list of resources, a Resource Graph result or an ARM template"
DEEPEST = 12
"""Wrappers within wrappers that are followed."""

_CONTENT = (
    "value", "data", "items", "resources", "results", "result", "body", "responsebody", "response", "responses",
    "content", "interactions", "entries", "log", "text", "string", "output",
)  # fmt: skip
"""Keys under which an answer, or an exchange with it, holds what it is about."""
_ANSWER = frozenset(("value", "data", "items", "resources", "results"))
"""Keys of an answer itself; under the others lies a recording of one."""


class JsonReader:
    """Reads the documents of one file into its `Reading`."""

    def __init__(self, reading: Reading, names: TypeNames | None, parameters: Mapping[str, Any] | None) -> None:
        self._reading = reading
        self._names = names
        self._parameters = parameters

    def read(self, document: Any) -> None:
        """Read one document of the file."""
        self._value(document, "", 0)

    def _value(self, value: Any, path: str, depth: int) -> None:
        if isinstance(value, str):
            value = _from_text(value)
        if isinstance(value, list) and depth < DEEPEST:
            self._list(value, path, depth)
        elif isinstance(value, dict) and depth < DEEPEST:
            self._object(value, path, depth)
        else:
            self._not_recognised(path, f"it holds a {type(value).__name__}, not {EXPECTED}")

    def _list(self, entries: list[Any], path: str, depth: int) -> None:
        if entries and not path and all(isinstance(one, dict) and looks_like_resource(one) for one in entries[:20]):
            self._reading.is_a("list of resources")
        for index, entry in enumerate(entries):
            self._entry(entry, f"{path}[{index}]" if path else f"entry {index}", depth)
            # Parsed entries are the larger part of the memory: what is read is let go.
            entries[index] = None

    def _entry(self, entry: Any, place: str, depth: int) -> None:
        if isinstance(entry, str):
            entry = _from_text(entry)
        if isinstance(entry, list) and depth < DEEPEST:
            self._list(entry, place, depth + 1)
        elif not isinstance(entry, dict):
            kind = type(entry).__name__
            self._reading.lost(place, "This entry.", f"it is a {kind}, not a resource", "BrokenEntry")
        elif looks_like_resource(entry):
            add_entry(entry, place, self._reading, self._names)
        elif depth < DEEPEST and (
            is_template(entry) or _is_wrapper(entry) or _error_of(entry) or _status(entry) >= 400
        ):
            self._object(entry, place, depth + 1)
        else:
            # Says why: an entry of `az account list`, one without a type, and so on.
            add_entry(entry, place, self._reading, self._names)

    def _object(self, document: dict[str, Any], path: str, depth: int) -> None:
        strange = _strange(document)
        if is_template(document):
            self._reading.is_a("ARM template")
            read_template(document, self._reading, given=self._parameters, path=path)
        elif strange:
            self._reading.gap(path, "This file.", *strange)
        elif not self._failed(document, path):
            if looks_like_resource(document):
                self._reading.is_a("single resource")
                add_entry(document, path or "the document", self._reading, self._names)
            else:
                self._wrapper(document, path, depth)

    def _failed(self, document: Mapping[str, Any], path: str) -> bool:
        """Whether this is a recorded refusal; a gap says so."""
        status, error = _status(document), _error_of(document)
        if status < 400 and not error:
            return False
        code = str(error.get("code") or status)[:80]
        said = str(error.get("message") or "").strip()[:300]
        why = f"the recorded answer is an error: {status or ''} {code if error else ''} {said}".strip()
        self._reading.gap(path, "What this request asked for.", " ".join(why.split()), code,
                          "Ask again with an identity that may read it.")  # fmt: skip
        return True

    def _wrapper(self, document: Mapping[str, Any], path: str, depth: int) -> None:
        found = _content(document)
        if not found:
            keys = ", ".join(sorted(map(str, document))[:8])[:200] or "no keys"
            self._not_recognised(path, f"it is not {EXPECTED}; it has {keys}")
            return
        answers = {key for key, _, _ in found} & _ANSWER
        for key, name, content in found:
            if answers and key not in answers:
                continue
            where = f"{path}.{name}" if path else name
            if isinstance(content, dict) and isinstance(folded(content).get("columns"), list):
                content = self._rows_as_objects(content, where)
            count = len(content) if isinstance(content, list) else 0
            if key in _ANSWER and isinstance(content, list):
                self._page(document, count)
            if isinstance(content, list) and not path and key in _ANSWER:
                self._list(content, name if path else "", depth + 1)
            else:
                self._value(content, where, depth + 1)

    def _page(self, document: Mapping[str, Any], count: int) -> None:
        """A page of a longer answer is not an inventory: note it, so that the end of the file can say so."""
        fields = {plain(key): value for key, value in document.items()}
        total = fields.get("totalrecords")
        more = any(fields.get(key) for key in ("nextlink", "skiptoken", "odatanextlink"))
        cut = str(fields.get("resulttruncated", "")).lower() == "true"
        whole = total if isinstance(total, int) and not isinstance(total, bool) else None
        self._reading.is_a("Resource Graph result" if "data" in fields else "ARM list answer")
        self._reading.page(count, whole, more=more or cut)
        if cut and whole is not None and whole <= count:
            self._reading.gap("", "Resources that Resource Graph left out.", 'the answer says "resultTruncated"',
                              "OnePageOnly", "Export again with `order by id` and skip tokens.")  # fmt: skip

    def _rows_as_objects(self, table: Mapping[str, Any], path: str) -> list[Any]:
        fields = {plain(key): value for key, value in table.items()}
        names = [str(column.get("name", "") if isinstance(column, dict) else column) for column in fields["columns"]]
        rows = fields.get("rows")
        if not isinstance(rows, list):
            self._reading.gap(path, "Every row.", 'the result has "columns" but no "rows"', "NotRecognised")
            return []
        objects: list[Any] = []
        for index, row in enumerate(rows):
            if isinstance(row, list) and len(row) == len(names):
                objects.append(dict(zip(names, row, strict=True)))
            else:
                why = f"it does not have {len(names)} columns"
                self._reading.lost(f"row {index}", "This row.", why, "BrokenEntry")
        return objects

    def _not_recognised(self, path: str, why: str) -> None:
        if self._reading.chance_find and not path:
            self._reading.notes.append(f"not an inventory: {why}")
        else:
            self._reading.gap(path, "This part of the file." if path else "This file.", why, "NotRecognised")


def parameters_of(document: Any) -> dict[str, Any] | None:
    """Lower-case name -> value of a parameters file; None where the document is none."""
    if not isinstance(document, dict) or "deploymentparameters" not in str(document.get("$schema", "")).lower():
        return None
    table = document.get("parameters")
    given = table.items() if isinstance(table, dict) else ()
    return {name.lower(): one["value"] for name, one in given if isinstance(one, dict) and "value" in one}


def _strange(document: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Reason, code and remedy for a document that is known to be something else."""
    if "terraform_version" in document or {"serial", "lineage"} <= document.keys():
        return ("it is Terraform state, which lists only what Terraform manages", "TerraformState",
                "Export the deployed resources with `az graph query` or `az resource list`.")  # fmt: skip
    if parameters_of(document) is not None:
        return "it is a parameters file, and its template is not beside it", "ParametersFile", "Name the template too."
    if "createuidefinition" in str(document.get("$schema", "")).lower():
        return "it is a portal form (createUiDefinition)", "NotRecognised", "Name the template only."
    return None


def _content(document: Mapping[str, Any]) -> list[tuple[str, str, Any]]:
    """Plain key, key and value of everything in a document that may hold resources."""
    keys = {plain(key): key for key in reversed(list(document))}
    found = [(key, keys[key], document[keys[key]]) for key in _CONTENT if key in keys]
    return [(key, name, value) for key, name, value in found if isinstance(_from_text(value), dict | list)]


def _is_wrapper(entry: Mapping[str, Any]) -> bool:
    return bool(_content(entry))


def _from_text(value: Any) -> Any:
    """The JSON that a text holds; anything else as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return DECODER.decode(value)
        except (ValueError, RecursionError):
            return value
    return value


def _status(document: Mapping[str, Any]) -> int:
    """The HTTP status of a recorded exchange, 0 where it says none."""
    fields = {plain(key): value for key, value in document.items()} if len(document) < 20 else {}
    for key in ("statuscode", "httpstatuscode", "status"):
        value = fields.get(key)
        value = value.get("code") if isinstance(value, dict) else value
        if isinstance(value, int) and not isinstance(value, bool) and 100 <= value < 600:
            return value
    return 0


def _error_of(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The error of an ARM error answer; empty where it is none."""
    error = document.get("error")
    return error if isinstance(error, dict) and ("code" in error or "message" in error) else {}
