"""Conditional headers.

REST: "Specifying conditional headers for Blob service operations": reads evaluate
`If-Match && If-Unmodified-Since && (If-None-Match || If-Modified-Since)`, writes take one condition (or a pair in
which the ETag wins) and answer 412; `If-None-Match: *` on a read is 400 UnsatisfiableCondition. Listings carry ETags
without quotes; both spellings match (since 2011-08-18). Source conditions: "Put Blob From URL", "Put Block From URL".
"""

from __future__ import annotations

from collections.abc import Mapping

from sandbox.storage.errors import AzureError, bad_header
from sandbox.storage.model import Blob, Container
from sandbox.storage.stamps import parse_http_date
from sandbox.storage.tag_conditions import tags_match

_NAMES = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since")


def check_read(headers: Mapping[str, str], blob: Blob) -> None:
    """Raise 412 or 304 where the conditions of a read are not met."""
    match, none_match = _etags(headers, "if-match"), _etags(headers, "if-none-match")
    modified, unmodified = _date(headers, "if-modified-since"), _date(headers, "if-unmodified-since")
    if match and "*" not in match and blob.etag not in match:
        raise AzureError("ConditionNotMet")
    if unmodified is not None and int(blob.last_modified) > unmodified:
        raise AzureError("ConditionNotMet")
    if none_match and "*" in none_match:
        raise AzureError("UnsatisfiableCondition")
    fresh_tag = blob.etag not in none_match if none_match else None
    fresh_date = int(blob.last_modified) > modified if modified is not None else None
    if (fresh_tag is False and not fresh_date) or (fresh_date is False and not fresh_tag):
        raise AzureError("ConditionNotMet", status=304)
    _check_tags(headers, "x-ms-if-tags", blob)


def check_write(headers: Mapping[str, str], blob: Blob | None, *, creates: bool = False) -> None:
    """Raise where the conditions of a write on `blob` (None: does not exist) are not met.

    `creates`: the operation makes a blob of that name, so `If-None-Match: *` answers 409 BlobAlreadyExists.
    """
    if not any(name in headers for name in _NAMES):
        _check_tags(headers, "x-ms-if-tags", blob)
        return
    _check_combination(headers)
    etag = blob.etag if blob is not None else ""
    changed = int(blob.last_modified) if blob is not None else 0
    if none_match := _etags(headers, "if-none-match"):
        if blob is not None and "*" in none_match:
            raise AzureError("BlobAlreadyExists" if creates else "ConditionNotMet")
        if etag in none_match:
            raise AzureError("ConditionNotMet")
    elif match := _etags(headers, "if-match"):
        if blob is None or ("*" not in match and etag not in match):
            raise AzureError("ConditionNotMet")
    elif blob is not None:
        check_dates(headers, changed)
    _check_tags(headers, "x-ms-if-tags", blob)


def check_dates(headers: Mapping[str, str], changed: int) -> None:
    modified, unmodified = _date(headers, "if-modified-since"), _date(headers, "if-unmodified-since")
    if modified is not None and changed <= modified:
        raise AzureError("ConditionNotMet")
    if unmodified is not None and changed > unmodified:
        raise AzureError("ConditionNotMet")


def check_container(headers: Mapping[str, str], container: Container) -> None:
    """Container operations take dates only."""
    if "if-match" in headers or "if-none-match" in headers:
        raise AzureError("ConditionHeadersNotSupported")
    check_dates(headers, int(container.last_modified))


def check_source(headers: Mapping[str, str], blob: Blob) -> None:
    """Raise 412 SourceConditionNotMet where the `x-ms-source-if-*` conditions are not met."""
    match, none_match = _etags(headers, "x-ms-source-if-match"), _etags(headers, "x-ms-source-if-none-match")
    modified = _date(headers, "x-ms-source-if-modified-since")
    unmodified = _date(headers, "x-ms-source-if-unmodified-since")
    changed = int(blob.last_modified)
    unmet = (
        (bool(match) and "*" not in match and blob.etag not in match)
        or (bool(none_match) and ("*" in none_match or blob.etag in none_match))
        or (modified is not None and changed <= modified)
        or (unmodified is not None and changed > unmodified)
    )
    where = headers.get("x-ms-source-if-tags", "")
    if unmet or (where and not tags_match("x-ms-source-if-tags", where, blob.tags)):
        raise AzureError("SourceConditionNotMet")


def check_tags(headers: Mapping[str, str], blob: Blob) -> None:
    """For the operations that take `x-ms-if-tags` and no other condition."""
    _check_tags(headers, "x-ms-if-tags", blob)


def _check_tags(headers: Mapping[str, str], name: str, blob: Blob | None) -> None:
    where = headers.get(name, "")
    if where and not tags_match(name, where, blob.tags if blob is not None else {}):
        raise AzureError("ConditionNotMet")


def _check_combination(headers: Mapping[str, str]) -> None:
    given = {name for name in _NAMES if name in headers}
    allowed = len(given) == 1 or given in (
        {"if-none-match", "if-modified-since"},
        {"if-match", "if-unmodified-since"},
    )
    if not allowed:
        raise AzureError("MultipleConditionHeadersNotSupported")
    for name in ("if-match", "if-none-match"):
        if len(_etags(headers, name)) > 1:
            raise AzureError("MultipleConditionHeadersNotSupported")


def _etags(headers: Mapping[str, str], name: str) -> list[str]:
    text = headers.get(name)
    if not text:
        return []
    values = (value.strip() for value in text.split(","))
    return [value if value == "*" else '"' + value.strip('"') + '"' for value in values]


def _date(headers: Mapping[str, str], name: str) -> float | None:
    text = headers.get(name)
    if text is None:
        return None
    moment = parse_http_date(text)
    if moment is None:
        raise bad_header(name, text)
    return moment
