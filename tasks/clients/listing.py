"""Pages of List Blobs, read from the body as the service sent it.

REST: "List Blobs", response body. A page of one service is made of few *shapes*: entries with the same elements in the
same order. Each shape is learnt from its first entry and becomes one regular expression, which demands every element
of it; what no shape fits, or what looks unusual in any way, sends the whole page through an XML parser. So the fast
way can be slow, and never wrong: an entry that it does not understand to the last character is not its own.
"""

from __future__ import annotations

import gc
import re
from binascii import a2b_base64
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import repeat
from typing import Any, TypeVar
from urllib.parse import unquote
from xml.etree import ElementTree

from mappings.errors import ObjectError
from mappings.objects import BlobType, HttpHeaders, ListedObject

BROKEN = "BrokenListing"


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing."""

    entries: list[ListedObject]
    """Blobs and snapshots, in the order of the page."""
    marker: str
    """Where the next page begins; "" where there is none."""
    prefixes: tuple[str, ...] = ()
    """Common prefixes (`BlobPrefix`), where a delimiter was asked for."""


def parse_page(body: bytes) -> Page:
    """Read one page.

    Raises:
        ObjectError: `BrokenListing`; it is no page, is cut off, or an entry lacks what every blob has.
    """
    # Thousands of values that live on are made here; the cyclic collector would look through them again and again.
    collects = gc.isenabled()
    gc.disable()
    try:
        return _fast(body)
    except _UnusualPage:
        return parse_page_xml(body)
    finally:
        if collects:
            gc.enable()


def parse_page_xml(body: bytes) -> Page:
    """The same page by an XML parser; slower, and the judge of what the page says.

    Raises:
        ObjectError: as `parse_page`.
    """
    if b"<!DOCTYPE" in body[:1000]:
        raise _broken("it declares a document type")
    try:
        root = ElementTree.fromstring(body)
    except (ElementTree.ParseError, ValueError, LookupError) as wrong:
        raise _broken(f"it is no XML ({wrong})") from None
    blobs, marker = root.find("Blobs"), root.find("NextMarker")
    if root.tag != "EnumerationResults" or blobs is None or marker is None:
        raise _broken("it has no list of blobs, or does not say what follows")
    listed = [_entry(one) for one in blobs if one.tag == "Blob"]
    of = dict(zip(_ORDER, zip(*(one[0] for one in listed), strict=True), strict=True)) if listed else {}
    entries = _objects(of, [one[1] for one in listed], [one[2] for one in listed])
    prefixes = tuple(_name(one) for one in blobs if one.tag == "BlobPrefix")
    if len(entries) + len(prefixes) != len(blobs):
        raise _broken("it lists something that is neither a blob nor a prefix")
    return Page(entries, marker.text or "", prefixes)


def _broken(why: str) -> ObjectError:
    return ObjectError(f"A page of the listing cannot be read: {why}.", code=BROKEN)


# --- values, the same for both ways -----------------------------------------------------------------------------------

_WANTED = (
    "Creation-Time", "Last-Modified", "Etag", "Content-Length", "Content-Type", "Content-Encoding", "Content-Language",
    "Content-Disposition", "Cache-Control", "Content-MD5", "BlobType", "x-ms-blob-sequence-number", "AccessTier",
    "AccessTierInferred", "ArchiveStatus", "LeaseStatus", "Sealed", "EncryptionScope", "CustomerProvidedKeySha256",
    "ResourceType", "ImmutabilityPolicyUntilDate", "ImmutabilityPolicyMode", "LegalHold",
)  # fmt: skip
"""Properties that a `ListedObject` has."""
_ABOUT = ("Name", "Snapshot", "VersionId", "IsCurrentVersion")
_ORDER = (*_ABOUT, *_WANTED)
"""Texts of one entry, as `_object` takes them."""
_MONTHS = {"Jan": 1, "Feb": 2, "Mar": 3, "Apr": 4, "May": 5, "Jun": 6, "Jul": 7, "Aug": 8, "Sep": 9, "Oct": 10,
           "Nov": 11, "Dec": 12}  # fmt: skip
_TYPES = {one.value: one for one in BlobType}
_KEPT = 20_000
"""Values of one kind that are remembered; then the memory begins anew."""

T = TypeVar("T")


class _Known(dict[str, T]):
    """Remembers what `make` made of a text: blobs written together share times, types and metadata."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[str], T]) -> None:
        self._make = make

    def __missing__(self, text: str) -> T:
        if len(self) >= _KEPT:
            self.clear()
        value = self[text] = self._make(text)
        return value


def _time(text: str) -> datetime:
    """An RFC 1123 time, which this service gives in GMT."""
    try:
        _, day, month, year, clock, zone = text.split(" ")
        hours, minutes, seconds = clock.split(":")
        if zone == "GMT":
            return datetime(
                int(year), _MONTHS[month], int(day), int(hours), int(minutes), int(seconds), tzinfo=UTC
            )  # fmt: skip
    except (ValueError, KeyError):
        pass
    raise _broken(f'"{text}" is no time')


_times = _Known(_time)


Texts = tuple[str, ...]
"""Of one entry, unescaped, in the order of `_ORDER`; "" where one is not there."""
_new: Any = object.__new__
_put: dict[str, Any] = {name: getattr(ListedObject, name).__set__ for name in ListedObject.__slots__}
_put_header: dict[str, Any] = {name: getattr(HttpHeaders, name).__set__ for name in HttpHeaders.__slots__}
"""How each field is set. Whole columns are set at once: no step of the interpreter for each field of each entry."""
_heads: dict[Texts, HttpHeaders] = {}


def _objects(
    of: Mapping[str, Sequence[str]], metadata: list[Mapping[str, str]], tags: list[Mapping[str, str]]
) -> list[ListedObject]:
    """The entries of a page.

    Args:
        of: for each of `_ORDER` the texts of all entries, unescaped; "" where one has none.

    Raises:
        ObjectError: something that every blob has is missing, or is not of its kind.
    """
    if not metadata:
        return []
    for tag in ("Name", "Last-Modified", "Etag", "Content-Length"):
        if not all(of[tag]):
            raise _broken(f'"{of["Name"][list(of[tag]).index("")]}" has no {tag}')
    if unknown := set(of["BlobType"]) - _TYPES.keys():
        raise _broken(f'"{unknown.pop()}" is no type of blob')
    made: list[ListedObject] = list(map(_new, repeat(ListedObject, len(metadata))))
    for name, values in _columns(of, metadata, tags).items():
        deque(map(_put[name], made, values), maxlen=0)
    return made


def _columns(
    of: Mapping[str, Sequence[str]], metadata: list[Mapping[str, str]], tags: list[Mapping[str, str]]
) -> dict[str, Iterable[Any]]:
    """Fields of `ListedObject`, each for all entries."""
    snapshots, versions, keys = of["Snapshot"], of["VersionId"], of["CustomerProvidedKeySha256"]
    folders = ("hdi_isfolder" in one and one["hdi_isfolder"] == "true" for one in metadata)
    return {
        "name": of["Name"],
        "snapshot": snapshots,
        "blob_type": map(_TYPES.__getitem__, of["BlobType"]),
        "size": _numbers(of["Content-Length"]),
        # Listings carry the ETag without quotes, headers with them.
        "etag": [one if one[0] == '"' else f'"{one}"' for one in of["Etag"]],
        "last_modified": map(_times.__getitem__, of["Last-Modified"]),
        "headers": _headers(of),
        "metadata": metadata,
        "tags": tags,
        "tier": of["AccessTier"],
        "tier_inferred": _flags(of["AccessTierInferred"]),
        "archive_status": of["ArchiveStatus"],
        "created": _maybe_times(of["Creation-Time"]),
        "sequence_number": _numbers(of["x-ms-blob-sequence-number"]),
        "sealed": _flags(of["Sealed"]),
        "lease_status": of["LeaseStatus"],
        "encryption_scope": of["EncryptionScope"],
        "customer_key": map(bool, keys),
        "key_sha256": keys,
        "version_id": versions,
        "previous": [
            version != "" and current != "true" and not snapshot
            for version, current, snapshot in zip(versions, of["IsCurrentVersion"], snapshots, strict=True)
        ] if any(versions) else repeat(False),
        "directory": [
            folder or kind == "directory" for folder, kind in zip(folders, of["ResourceType"], strict=True)
        ] if any(of["ResourceType"]) or any(metadata) else repeat(False),
        "immutable_until": _maybe_times(of["ImmutabilityPolicyUntilDate"]),
        "immutable_locked": [mode.lower() == "locked" for mode in of["ImmutabilityPolicyMode"]],
        "legal_hold": _flags(of["LegalHold"]),
    }  # fmt: skip


def _flags(values: Sequence[str]) -> Iterable[bool]:
    return [value == "true" for value in values] if any(values) else repeat(False)


def _maybe_times(values: Sequence[str]) -> Iterable[datetime | None]:
    return [_times[value] if value else None for value in values] if any(values) else repeat(None)


def _numbers(values: Sequence[str]) -> Iterable[int]:
    if not any(values):
        return repeat(0)
    every = "".join(values)
    # int() would take "1_0", " 1" and other scripts' digits as well.
    if not (every.isascii() and every.isdigit()):
        raise _broken(f"one of {sorted(set(values))[:3]} is no number")
    try:
        return [int(value or "0") for value in values]
    except ValueError:
        raise _broken("a number has thousands of digits") from None


_HEADERS = ("Content-Type", "Content-Encoding", "Content-Language", "Content-Disposition", "Cache-Control")


def _headers(of: Mapping[str, Sequence[str]]) -> list[HttpHeaders]:
    plain = list(zip(*(of[tag] for tag in _HEADERS), strict=True))
    labels = of["Content-MD5"]
    if not any(labels):
        return [_head(one) for one in plain]
    made: list[HttpHeaders] = list(map(_new, repeat(HttpHeaders, len(plain))))
    for name, tag in zip(HttpHeaders.__slots__, _HEADERS, strict=False):
        deque(map(_put_header[name], made, of[tag]), maxlen=0)
    try:
        deque(map(_put_header["content_md5"], made, map(a2b_base64, labels)), maxlen=0)
    except ValueError:
        raise _broken("a Content-MD5 is not Base64") from None
    return made


def _head(values: tuple[str, str, str, str, str]) -> HttpHeaders:
    known = _heads.get(values)
    if known is None:
        if len(_heads) >= _KEPT:
            _heads.clear()
        known = _heads[values] = HttpHeaders(*values)
    return known


def _decoded(name: str) -> str:
    try:
        return unquote(name, errors="strict")
    except UnicodeDecodeError:
        raise _broken(f'the name "{name}" is not UTF-8') from None


# --- by an XML parser -------------------------------------------------------------------------------------------------


def _entry(blob: ElementTree.Element) -> tuple[Texts, dict[str, str], dict[str, str]]:
    found = {one.tag: one.text or "" for one in blob.iterfind("Properties/*")}
    found |= {one.tag: one.text or "" for one in blob if one.tag in _ABOUT} | {"Name": _name(blob)}
    metadata = {one.tag: one.text or "" for one in blob.iterfind("Metadata/*")}
    tags = {one.findtext("Key") or "": one.findtext("Value") or "" for one in blob.iterfind("Tags/TagSet/Tag")}
    return tuple(found.get(tag, "") for tag in _ORDER), metadata, tags


def _name(of: ElementTree.Element) -> str:
    name = of.find("Name")
    if name is None or not name.text:
        raise _broken("an entry has no name")
    return _decoded(name.text) if name.get("Encoded") == "true" else name.text


# --- by shapes --------------------------------------------------------------------------------------------------------


class _UnusualPage(Exception):
    """Something that the shapes do not cover; the XML parser decides."""


_MOST_SHAPES = 48
_NESTED = ("Metadata", "Tags", "OrMetadata")
_ABOVE, _BELOW = frozenset({*_ABOUT, *_NESTED}), frozenset(_WANTED)
_HEAD = re.compile(
    r"""(?:<\?xml version=(["'])1\.0\1(?: encoding=(["'])[Uu][Tt][Ff]-8\2)?(?: standalone=(["'])(?:yes|no)\3)? ?\?>)?"""
    r"""[ \t\n]*<EnumerationResults(?: ServiceEndpoint="[^"<>]*")?(?: ContainerName="[^"<>]*")?>"""
    # What the parser would find there in place of what stands behind the list.
    r"""(?:<(?!Blobs\b|NextMarker\b)(?:([A-Za-z]\w*)(?: Encoded="true")?>[^<]*</\4>|[A-Za-z]\w* ?/>))*""",
    re.ASCII,
)
_TAIL = re.compile(r"(?:<NextMarker>([^<]*)</NextMarker>|<NextMarker ?/>)</EnumerationResults>[ \t\n]*")
_FORBIDDEN = [bytes([code]) for code in range(32) if code not in b"\t\n"]
"""Control characters that XML does not know, and the carriage return, of which its parser makes a line feed."""
_OPENING = re.compile(r'<Name(?: Encoded="(true|false)")?>[^<]+</Name>')
_LEAF = re.compile(r"<([A-Za-z][A-Za-z0-9-]*)(?:>[^<]*</\1>|( ?/)>)")
_GROUPS = re.compile(r"<(Metadata|Tags|OrMetadata)(?:>(?:<[^<>]+>[^<]*)*?</\1>|( ?/)>)")
_META = re.compile(r"<([A-Za-z_][A-Za-z0-9_.-]*)(?:>([^<]*)</\1>|( ?/)>)")
_TAG = re.compile(r"<Tag><Key>([^<]*)</Key>(?:<Value>([^<]*)</Value>|<Value( ?/)>)</Tag>")
_REFERENCE = re.compile(r"&([^;&<]*)(;?)")
_UNNAMED = re.compile(r"&(?!(?:amp|lt|gt|quot|apos);)([^;&<]*)(;?)")
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}


def _fast(body: bytes) -> Page:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _UnusualPage from None
    head, _, rest = text.partition("<Blobs>")
    inner, closed, tail = rest.rpartition("</Blobs>")
    end = _TAIL.fullmatch(tail)
    if not closed or end is None or not _HEAD.fullmatch(head) or "&" in head or _refused(body, text):
        raise _UnusualPage
    first, *entries = inner.split("<Blob>")
    if first:
        raise _UnusualPage
    of = _by_element(entries, _referring(inner))
    metadata = [_metadata[one] if one else _NOTHING for one in of["Metadata"]]
    tags = [_tag_sets[one] if one else _NOTHING for one in of["Tags"]]
    # Nothing is read from these; all the same they must be what an XML parser takes.
    for one in of["OrMetadata"]:
        if one:
            _metadata[one]
    return Page(_objects(of, metadata, tags), _unescaped(end[1] or ""))


def _refused(body: bytes, text: str) -> bool:
    """Whether there is a character that XML forbids, or the one sequence that it forbids in texts."""
    # Each is one search for a byte; together these are several times as fast as a set in one expression.
    if any(map(body.__contains__, _FORBIDDEN)) or ("]" in text and "]]>" in text):
        return True
    return not text.isascii() and ("\ufffe" in text or "\uffff" in text)


def _referring(inner: str) -> bool:
    """Whether there are references; each is one that XML knows, also in texts that nobody reads."""
    if "&" not in inner:
        return False
    deque(map(_referred, _UNNAMED.finditer(inner)), maxlen=0)
    return True


def _by_element(entries: list[str], escaped: bool) -> dict[str, Sequence[str]]:
    """For each element the texts of all entries; those of metadata and tags as they stand."""
    found: dict[_Shape, tuple[list[int], list[Texts]]] = {}
    for number, entry in enumerate(entries):
        for shape in _shapes:
            match = shape.match(entry)
            if match is not None:
                break
        else:
            shape = _learn(entry)
            match = shape.match(entry)
            if match is None:
                raise _UnusualPage
        if shape in found:
            found[shape][0].append(number)
            found[shape][1].append(match.groups())
        else:
            found[shape] = [number], [match.groups()]
    none = ("",) * len(entries)
    of: dict[str, Sequence[str]] = dict.fromkeys((*_ORDER, *_NESTED), none)
    for shape, (numbers, texts) in found.items():
        for tag, column in zip(shape.tags, zip(*texts, strict=True), strict=True):
            values = column if not escaped or tag in _NESTED else [_unescaped(one) for one in column]
            if tag == "Name":
                if not all(map(str.isprintable, values)):
                    raise _UnusualPage
                values = [_decoded(one) for one in values] if shape.encoded else values
            if len(numbers) < len(entries):
                every = list(of[tag])
                deque(map(every.__setitem__, numbers, values), maxlen=0)
                values = every
            of[tag] = values
    return of


class _Shape:
    """One sequence of elements, as an expression for a whole entry behind its `<Blob>`."""

    __slots__ = ("encoded", "match", "tags")

    def __init__(self, entry: str) -> None:
        """Raises `_UnusualPage` where the entry has elements that are not known to stand there."""
        opening = _OPENING.match(entry)
        if opening is None:
            raise _UnusualPage
        self.encoded = opening[1] == "true"
        captured, met = ["Name"], {"Name"}
        parts = [re.escape(entry[: entry.index(">") + 1]), "([^<]+)</Name>"]
        for tag, pattern, wanted in _elements(entry, opening.end()):
            if tag in met:
                raise _UnusualPage
            met.add(tag)
            if wanted:
                captured.append(tag)
            parts.append(pattern)
        self.match = re.compile("".join(parts)).fullmatch
        self.tags = tuple(captured)


def _elements(entry: str, place: int) -> Iterator[tuple[str, str, bool]]:
    """Each element behind the name, the expression for it, and whether that captures its text."""
    inside = False
    while entry[place:] != "</Blob>":
        mark = "</Properties>" if inside else "<Properties>"
        if entry.startswith(mark, place):
            inside = not inside
            yield mark, mark, False
            place += len(mark)
            continue
        found = (None if inside else _GROUPS.match(entry, place)) or _LEAF.match(entry, place)
        # The same element means something only where it belongs.
        if found is None or found[1] in (_ABOVE if inside else _BELOW):
            raise _UnusualPage
        tag = found[1]
        if found[2] is not None:
            yield tag, re.escape(found[0]), False
        elif tag in _NESTED:
            yield tag, rf"<{tag}>((?:<[^<>]+>[^<]*)*?)</{tag}>", True
        else:
            yield tag, f"<{tag}>([^<]*)</{tag}>" if tag in _ORDER else f"<{tag}>[^<]*</{tag}>", tag in _ORDER
        place = found.end()
    if inside:
        raise _UnusualPage
    yield "Blob", "</Blob>", False


_shapes: tuple[_Shape, ...] = ()


def _learn(entry: str) -> _Shape:
    global _shapes
    shape = _Shape(entry)
    _shapes = (shape, *_shapes[: _MOST_SHAPES - 1])
    return shape


def _unescaped(text: str) -> str:
    return _REFERENCE.sub(_referred, text) if "&" in text else text


def _referred(found: re.Match[str]) -> str:
    name = found[1]
    if found[2] and name in _NAMED:
        return _NAMED[name]
    number = name[2:] if name.startswith("#x") else name[1:]
    if not found[2] or not name.startswith("#") or not number.isascii() or not number.isalnum() or len(number) > 6:
        raise _UnusualPage
    try:
        code = int(number, 16 if name.startswith("#x") else 10)
    except ValueError:
        raise _UnusualPage from None
    # What XML cannot carry is no character either when it is spelt as a number.
    if not (code in (9, 10, 13) or 32 <= code < 0xD800 or 0xDFFF < code < 0xFFFE or 0xFFFF < code < 0x110000):
        raise _UnusualPage
    return chr(code)


def _pairs(inner: str, pattern: re.Pattern[str]) -> dict[str, str]:
    """Names and values; every character of `inner` must belong to one of them."""
    found: dict[str, str] = {}
    place = 0
    while place < len(inner):
        one = pattern.match(inner, place)
        if one is None:
            raise _UnusualPage
        value = _unescaped(one[2] or "")
        if not value.isprintable():
            raise _UnusualPage
        found[_unescaped(one[1])] = value
        place = one.end()
    return found


def _tag_set(inner: str) -> dict[str, str]:
    if inner in ("<TagSet />", "<TagSet/>"):
        return {}
    if not (inner.startswith("<TagSet>") and inner.endswith("</TagSet>")):
        raise _UnusualPage
    return _pairs(inner[len("<TagSet>") : -len("</TagSet>")], _TAG)


_NOTHING: Mapping[str, str] = {}
_metadata = _Known(lambda inner: _pairs(inner, _META))
_tag_sets = _Known(_tag_set)
