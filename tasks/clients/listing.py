"""Pages of List Blobs, read from the body as the service sent it.

REST: "List Blobs", response body. A page of one service is made of few *shapes*: entries with the same elements in the
same order. Each shape is learnt from its first entry and becomes one regular expression, which demands every element
of it; what no shape fits, or what looks unusual in any way, sends the whole page through an XML parser. So the fast
way can be slow, and never wrong: an entry that it does not understand to the last character is not its own.
"""

from __future__ import annotations

import re
from binascii import a2b_base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import itemgetter
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
    try:
        return _fast(body)
    except _UnusualPage:
        return parse_page_xml(body)


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
    entries = [_entry(one) for one in blobs if one.tag == "Blob"]
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


class _Raw:
    """A `ListedObject` while it is filled: the same slots, without what a frozen class spends on each of them."""

    __slots__ = ListedObject.__slots__


class _RawHeaders:
    __slots__ = HttpHeaders.__slots__


_heads: dict[tuple[str, ...], HttpHeaders] = {}


def _object(texts: tuple[str, ...], metadata: Mapping[str, str], tags: Mapping[str, str]) -> ListedObject:
    """One entry from its texts, unescaped, in the order of `_ORDER`; "" where one is not there.

    Raises:
        ObjectError: one that every blob has is missing, or is not of its kind.
    """
    (name, snapshot, version, current, created, modified, etag, size, content_type, encoding, language, disposition,
     cache, md5, kind, sequence, tier, inferred, archive, lease, sealed, scope, key, resource, until, mode,
     hold) = texts  # fmt: skip
    if not (name and modified and etag and kind in _TYPES):
        raise _broken(f'"{name}" lacks its time, ETag or type')
    raw: Any = _Raw()
    raw.name = name
    raw.snapshot = snapshot
    raw.blob_type = _TYPES[kind]
    raw.size = _number(size)
    # Listings carry the ETag without quotes, headers with them.
    raw.etag = f'"{etag}"' if etag[0] != '"' else etag
    raw.last_modified = _times[modified]
    raw.headers = _headers(content_type, encoding, language, disposition, cache, md5)
    raw.metadata = metadata
    raw.tags = tags
    raw.tier = tier
    raw.tier_inferred = inferred == "true"
    raw.archive_status = archive
    raw.created = _times[created] if created else None
    raw.sequence_number = _number(sequence) if sequence else 0
    raw.sealed = sealed == "true"
    raw.lease_status = lease
    raw.encryption_scope = scope
    raw.customer_key = key != ""
    raw.key_sha256 = key
    raw.version_id = version
    raw.previous = version != "" and current != "true" and not snapshot
    raw.directory = resource == "directory" or metadata.get("hdi_isfolder") == "true"
    raw.immutable_until = _times[until] if until else None
    raw.immutable_locked = mode.lower() == "locked"
    raw.legal_hold = hold == "true"
    raw.__class__ = ListedObject
    return raw  # type: ignore[no-any-return]


def _headers(
    content_type: str, encoding: str, language: str, disposition: str, cache: str, md5: str
) -> HttpHeaders:  # fmt: skip
    if not md5:
        values = (content_type, encoding, language, disposition, cache)
        known = _heads.get(values)
        if known is None:
            if len(_heads) >= _KEPT:
                _heads.clear()
            known = _heads[values] = HttpHeaders(*values)
        return known
    raw: Any = _RawHeaders()
    raw.content_type = content_type
    raw.content_encoding = encoding
    raw.content_language = language
    raw.content_disposition = disposition
    raw.cache_control = cache
    try:
        raw.content_md5 = a2b_base64(md5)
    except ValueError:
        raise _broken(f'"{md5}" is no Content-MD5') from None
    raw.__class__ = HttpHeaders
    return raw  # type: ignore[no-any-return]


def _number(text: str) -> int:
    # int() would take "1_0", " 1" and other scripts' digits as well.
    if text.isascii() and text.isdigit():
        return int(text)
    raise _broken(f'"{text}" is no number')


def _decoded(name: str) -> str:
    try:
        return unquote(name, errors="strict")
    except UnicodeDecodeError:
        raise _broken(f'the name "{name}" is not UTF-8') from None


# --- by an XML parser -------------------------------------------------------------------------------------------------


def _entry(blob: ElementTree.Element) -> ListedObject:
    found = {one.tag: one.text or "" for one in blob.iterfind("Properties/*")}
    found |= {one.tag: one.text or "" for one in blob if one.tag in _ABOUT} | {"Name": _name(blob)}
    metadata = {one.tag: one.text or "" for one in blob.iterfind("Metadata/*")}
    tags = {one.findtext("Key") or "": one.findtext("Value") or "" for one in blob.iterfind("Tags/TagSet/Tag")}
    return _object(tuple(found.get(tag, "") for tag in _ORDER), metadata, tags)


def _name(of: ElementTree.Element) -> str:
    name = of.find("Name")
    if name is None or not name.text:
        raise _broken("an entry has no name")
    return _decoded(name.text) if name.get("Encoded") == "true" else name.text


# --- by shapes --------------------------------------------------------------------------------------------------------


class _UnusualPage(Exception):
    """Something that the shapes do not cover; the XML parser decides."""


_MOST_SHAPES = 48
_PAIRS = ("Metadata", "Tags")
_NESTED = (*_PAIRS, "OrMetadata")
_ABOVE, _BELOW = frozenset({*_ABOUT, *_NESTED}), frozenset(_WANTED)
_HEAD = re.compile(
    r'\s*(?:<\?xml version=["\']1\.0["\'](?: encoding=["\']utf-8["\'])?(?: standalone=["\']\w+["\'])? ?\?>)?\s*'
    r'<EnumerationResults(?: \w+="[^"<>]*")*>(?:<(\w+)>[^<]*</\1>|<\w+ ?/>)*',
    re.IGNORECASE,
)
_TAIL = re.compile(r"(?:<NextMarker>([^<]*)</NextMarker>|<NextMarker ?/>)</EnumerationResults>\s*")
_OPENING = re.compile(r'<Name(?: Encoded="(true|false)")?>[^<]+</Name>')
_LEAF = re.compile(r"<([A-Za-z][A-Za-z0-9-]*)(?:>[^<]*</\1>|( ?/)>)")
_GROUPS = re.compile(r"<(Metadata|Tags|OrMetadata)(?:>(?:<[^<>]+>[^<]*)*?</\1>|( ?/)>)")
_META = re.compile(r"<([^<>/\s&\"=:]+)(?:>([^<]*)</\1>|( ?/)>)")
_TAG = re.compile(r"<Tag><Key>([^<]*)</Key>(?:<Value>([^<]*)</Value>|<Value( ?/)>)</Tag>")
_REFERENCE = re.compile(r"&([^;&<]*)(;?)")
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}


def _fast(body: bytes) -> Page:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _UnusualPage from None
    head, _, rest = text.partition("<Blobs>")
    inner, closed, tail = rest.rpartition("</Blobs>")
    end = _TAIL.fullmatch(tail)
    # An XML parser makes a line feed of each carriage return, and there is no reason for comments or CDATA.
    if not closed or end is None or not _HEAD.fullmatch(head) or "\r" in text or "<!" in text:
        raise _UnusualPage
    first, *entries = inner.split("<Blob>")
    if first or "&" in head or inner.count("</Blob>") != len(entries):
        raise _UnusualPage
    escaped = "&" in inner
    return Page([_shaped(entry, escaped and "&" in entry) for entry in entries], _unescaped(end[1] or ""))


def _shaped(entry: str, escaped: bool) -> ListedObject:
    for shape in _shapes:
        found = shape.match(entry)
        if found is not None:
            break
    else:
        shape = _learn(entry)
        found = shape.match(entry)
        if found is None:
            raise _UnusualPage
    texts = shape.take((*found.groups(), ""))
    metadata, tags = texts[-2], texts[-1]
    texts = tuple(map(_unescaped, texts[:-2])) if escaped else texts[:-2]
    if not texts[0].isprintable():
        raise _UnusualPage
    if shape.encoded:
        texts = (_decoded(texts[0]), *texts[1:])
    return _object(
        texts, _metadata[metadata] if metadata else _NOTHING, _tag_sets[tags] if tags else _NOTHING
    )  # fmt: skip


class _Shape:
    """One sequence of elements, as an expression for a whole entry behind its `<Blob>`."""

    __slots__ = ("encoded", "match", "take")

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
        at = {tag: place for place, tag in enumerate(captured)}
        # Behind the captured texts stands one "" for all that this shape has not.
        self.take: Callable[[tuple[str, ...]], tuple[str, ...]] = itemgetter(
            *(at.get(tag, -1) for tag in (*_ORDER, *_PAIRS))
        )


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
            held = r"(?:<[^<>]+>[^<]*)*?"
            yield tag, f"<{tag}>({held})</{tag}>" if tag in _PAIRS else f"<{tag}>{held}</{tag}>", tag in _PAIRS
        else:
            yield tag, f"<{tag}>([^<]*)</{tag}>" if tag in _ORDER else f"<{tag}>[^<]*</{tag}>", tag in _ORDER
        place = found.end()
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
