"""Pages of List Blobs: the fast way and the XML parser read the same values, or both refuse the page."""

from __future__ import annotations

import base64
import random
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import quote
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.errors import ObjectError
from mappings.objects import BlobType, HttpHeaders, ListedObject
from tasks.clients import listing
from tasks.clients.listing import parse_page, parse_page_xml

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\r"), min_size=1, max_size=30)
PLAIN = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"]), max_size=20)
LABELS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
TIMES = st.integers(min_value=0, max_value=2**32).map(lambda second: datetime.fromtimestamp(second, UTC))
OBJECTS = st.builds(
    ListedObject,
    name=NAMES,
    snapshot=st.sampled_from(["", "2026-11-22T10:00:00.1234567Z"]),
    blob_type=st.sampled_from(BlobType),
    size=st.integers(min_value=0, max_value=2**45),
    etag=st.integers(min_value=0, max_value=2**60).map(lambda n: f'"0x{n:X}"'),
    last_modified=TIMES,
    headers=st.builds(
        HttpHeaders,
        content_type=PLAIN,
        content_encoding=st.sampled_from(["", "gzip"]),
        cache_control=PLAIN,
        content_disposition=PLAIN,
        content_md5=st.sampled_from([b"", bytes(range(16))]),
    ),
    metadata=st.dictionaries(LABELS, PLAIN, max_size=3),
    tags=st.dictionaries(PLAIN.filter(bool), PLAIN, max_size=3),
    tier=st.sampled_from(["", "Hot", "P10"]),
    tier_inferred=st.booleans(),
    created=st.none() | TIMES,
    sequence_number=st.integers(min_value=0, max_value=9),
    sealed=st.booleans(),
    legal_hold=st.booleans(),
    immutable_until=st.none() | TIMES,
)
UNFIT = set("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x0b\x0c\x0e\x0f\ufffe\uffff") | {chr(n) for n in range(0x10, 0x20)}


def http_date(time: datetime | None) -> str:
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT") if time else ""


class Writer:
    """Writes entries as services do, each time in another of the ways that mean the same."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)

    def element(self, tag: str, value: str, attributes: str = "") -> str:
        if not value and not attributes:
            return self.dice.choice((f"<{tag} />", f"<{tag}/>", f"<{tag}></{tag}>", ""))
        shown = escape(value, {'"': "&quot;", "\r": "&#xD;"})
        if self.dice.random() < 0.1 and value[-1].isalnum():
            shown = f"{escape(value[:-1])}&#{ord(value[-1])};"
        return f"<{tag}{attributes}>{shown}</{tag}>"

    def entry(self, item: ListedObject) -> str:
        if UNFIT & set(item.name):
            parts = [f'<Name Encoded="true">{quote(item.name, safe="")}</Name>']
        else:
            parts = [self.element("Name", item.name)]
        parts.append(self.element("Snapshot", item.snapshot))
        parts.append(f"<Properties>{self.properties(item)}</Properties>")
        parts.append(self.metadata(item))
        if item.tags:
            inner = "".join(
                f"<Tag>{self.element('Key', key)}<Value>{escape(value)}</Value></Tag>"
                for key, value in item.tags.items()
            )
            parts.append(f"<Tags><TagSet>{inner}</TagSet></Tags>")
        parts.append(self.dice.choice(("", "<OrMetadata />", "<OrMetadata><or-a_b>complete</or-a_b></OrMetadata>")))
        return f"<Blob>{''.join(parts)}</Blob>"

    def metadata(self, item: ListedObject) -> str:
        inner = "".join(
            self.element(key, value) if value else self.dice.choice((f"<{key} />", f"<{key}></{key}>"))
            for key, value in item.metadata.items()
        )
        return f"<Metadata>{inner}</Metadata>" if inner else self.dice.choice(("", "<Metadata />"))

    def properties(self, item: ListedObject) -> str:
        heads = item.headers
        etag = item.etag if self.dice.random() < 0.2 else item.etag.strip('"')
        flags = {"Sealed": item.sealed, "LegalHold": item.legal_hold, "AccessTierInferred": item.tier_inferred}
        texts = {
            "Creation-Time": http_date(item.created), "Last-Modified": http_date(item.last_modified), "Etag": etag,
            "Content-Length": str(item.size), "Content-Type": heads.content_type,
            "Content-Encoding": heads.content_encoding, "Content-Language": heads.content_language,
            "Content-CRC64": "", "Content-MD5": base64.b64encode(heads.content_md5).decode(),
            "Cache-Control": heads.cache_control, "Content-Disposition": heads.content_disposition,
            "BlobType": item.blob_type.value, "AccessTier": item.tier,
            "x-ms-blob-sequence-number": str(item.sequence_number or ""),
            "LeaseState": "available", "ServerEncrypted": "true",
            "ImmutabilityPolicyUntilDate": http_date(item.immutable_until),
        } | {tag: "true" for tag, value in flags.items() if value}  # fmt: skip
        return "".join(self.element(tag, value) for tag, value in texts.items())

    def page(self, items: list[ListedObject], marker: str = "") -> bytes:
        following = f"<NextMarker>{escape(marker)}</NextMarker>" if marker else "<NextMarker />"
        text = (
            '<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="https://a.example/"'
            f' ContainerName="c"><Blobs>{"".join(map(self.entry, items))}</Blobs>{following}</EnumerationResults>'
        )
        return self.dice.choice((b"", b"\xef\xbb\xbf")) + text.encode()


@pytest.mark.slow
@settings(max_examples=150)
@given(st.lists(OBJECTS, max_size=6), st.integers(), PLAIN)
def test_both_ways_read_what_was_written(items: list[ListedObject], seed: int, marker: str) -> None:
    body = Writer(seed).page(items, marker)
    page = parse_page(body)
    assert page.entries == items and page.marker == marker
    assert page == parse_page_xml(body)


DAMAGE = [
    b"", b"<", b">", b"&", b"/", b" ", b"\r", b"\n", b"1", b"<Blob>", b"</Blob>", b"\x00", b"\x0b", b"\x1f", b"\x85",
    b"\xc2\x85", b"\xc2\xa0", b"\xef\xbb\xbf", b"\xef\xbf\xbf", b"]]>", b"&#0;", b"&#65;", b"&b;", b'"', b"'", b"-",
    b"<Blobs />", b"<NextMarker />", b"<Properties>", b"</Properties>", b"<!-- -->", b"<?a?>", b' a="1"',
]  # fmt: skip


@pytest.mark.slow
@settings(max_examples=300)
@given(st.lists(OBJECTS, max_size=3), st.integers(), st.data())
def test_a_damaged_page_is_read_the_same_by_both_or_by_none(
    items: list[ListedObject], seed: int, data: st.DataObject
) -> None:
    body = Writer(seed).page(items)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(body)) | st.integers(0, min(150, len(body))))
        gone = data.draw(st.sampled_from([0, 0, 1, 1, 5, len(body)]))
        body = body[:at] + data.draw(st.sampled_from(DAMAGE)) + body[at + gone :]
    assert_read_the_same(body)


def assert_read_the_same(body: bytes) -> bool:
    """Returns whether both read it."""
    try:
        expected = parse_page_xml(body)
    except ObjectError as wrong:
        assert wrong.code == "BrokenListing"
        with pytest.raises(ObjectError, match="cannot be read"):
            parse_page(body)
        return False
    assert parse_page(body) == expected
    return True


DECLARED = '<?xml version="1.0" encoding="utf-8"?>'
REFUSED = {
    "a space before the declaration": (DECLARED, f" {DECLARED}"),
    "a line feed before the declaration": (DECLARED, f"\n{DECLARED}"),
    "a second byte order mark": (DECLARED, f"\ufeff\ufeff{DECLARED}"),
    "a space before the byte order mark": (DECLARED, f" \ufeff{DECLARED}"),
    "a byte order mark behind the declaration": (DECLARED, f"{DECLARED}\ufeff"),
    "two kinds of quotes around the version": ('version="1.0"', "version=\"1.0'"),
    "two kinds of quotes around the encoding": ('encoding="utf-8"', "encoding=\"utf-8'"),
    "a declaration in capitals": ("<?xml version", "<?XML version"),
    "an attribute of the declaration in capitals": ("<?xml version", "<?xml VERSION"),
    "standalone neither yes nor no": ("?>", ' standalone="maybe"?>'),
    "standalone in capitals": ("?>", ' standalone="YES"?>'),
    "a root in small letters": ("EnumerationResults", "enumerationresults"),
    "a root that ends in other letters": ("</EnumerationResults>", "</ENUMERATIONRESULTS>"),
    "the same attribute twice": (' ContainerName="c"', ' ContainerName="c" ContainerName="c"'),
    "the same attribute twice, apart": (' ContainerName="c"', ' ContainerName="c" ServiceEndpoint="c"'),
    "an attribute that begins with a digit": (' ContainerName="c"', ' 1="c"'),
    "a namespace of its own": (' ContainerName="c"', ' xmlns="c"'),
    "an ampersand in an attribute": (' ContainerName="c"', ' ContainerName="a&b"'),
    "a control character in an attribute": (' ContainerName="c"', ' ContainerName="\x01"'),
    "a character that is none in an attribute": (' ContainerName="c"', ' ContainerName="\uffff"'),
    "a head's element that ends in other letters": ("<Blobs>", "<Prefix>a</prefix><Blobs>"),
    "a head's element that begins with a digit": ("<Blobs>", "<1 /><Blobs>"),
    "an ampersand in the head": ("<Blobs>", "<Prefix>a&b</Prefix><Blobs>"),
    "a control character in the head": ("<Blobs>", "<Prefix>\x0c</Prefix><Blobs>"),
    "a character that is none in the head": ("<Blobs>", "<Prefix>\ufffe</Prefix><Blobs>"),
    "the end of a CDATA section in the head": ("<Blobs>", "<Prefix>]]></Prefix><Blobs>"),
    "an ampersand in the marker": ("<NextMarker />", "<NextMarker>a&b</NextMarker>"),
    "a reference to no character in the marker": ("<NextMarker />", "<NextMarker>&#0;</NextMarker>"),
    "a control character in the marker": ("<NextMarker />", "<NextMarker>\x1f</NextMarker>"),
    "a character that is none in the marker": ("<NextMarker />", "<NextMarker>\uffff</NextMarker>"),
    "the end of a CDATA section in the marker": ("<NextMarker />", "<NextMarker>]]></NextMarker>"),
    "properties that do not end": ("</Properties><Metadata><a>0</a></Metadata>", ""),
    "a control character in a property": ("text/plain", "text\x0bplain"),
    "a character that is none in a property": ("text/plain", "text\ufffeplain"),
    "the end of a CDATA section in a property": ("text/plain", "text]]>plain"),
    "an ampersand in a property that is not read": ("available", "avail&able"),
    "a reference to no character in a property that is not read": ("available", "avail&#x1F;able"),
    "a control character in a property that is not read": ("available", "\x7favail\x02able"),
    "the end of a CDATA section in a name": ("<Name>dir", "<Name>]]>dir"),
    "metadata whose name is none": ("<Metadata><a>0</a>", "<Metadata><0>0</0>"),
    "rules whose elements do not match": ("<Metadata>", "<OrMetadata><a>complete</b></OrMetadata><Metadata>"),
    "rules whose names are none": ("<Metadata>", "<OrMetadata><1>complete</1></OrMetadata><Metadata>"),
    "an ampersand in a rule": ("<Metadata>", "<OrMetadata><a>&b</a></OrMetadata><Metadata>"),
    "a rule that is cut off": ("<Metadata>", "<OrMetadata><a</OrMetadata><Metadata>"),
    "a size of thousands of digits": ("<Content-Length>0<", f"<Content-Length>{'1' * 5000}<"),
} | {
    f"U+{ord(space):04X} {place}": (mark, mark.replace("^", space))
    for space in "\x0b\x0c\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2028\u2029\u202f\u205f\u3000"
    for place, mark in {
        "before everything": f"^{DECLARED}", "behind the declaration": f"{DECLARED}^",
        "behind everything": "</EnumerationResults>^", "in a tag of the tail": "</EnumerationResults^>",
    }.items()
}  # fmt: skip


def plain_page() -> str:
    blobs = "".join(
        f"<Blob><Name>dir/{n}</Name><Properties><Last-Modified>Thu, 01 Jan 2026 00:00:00 GMT</Last-Modified>"
        f"<Etag>0x{n:X}</Etag><Content-Length>{n}</Content-Length><Content-Type>text/plain</Content-Type>"
        "<BlobType>BlockBlob</BlobType><LeaseState>available</LeaseState></Properties>"
        f"<Metadata><a>{n}</a></Metadata></Blob>"
        for n in range(2)
    )
    return (
        f'{DECLARED}<EnumerationResults ServiceEndpoint="https://a.example/" ContainerName="c">'
        f"<Blobs>{blobs}</Blobs><NextMarker /></EnumerationResults>"
    )


@pytest.mark.parametrize("damage", REFUSED)
def test_what_the_xml_parser_refuses_is_refused(damage: str) -> None:
    there, instead = REFUSED[damage]
    mark = there.replace("^", "")
    body = plain_page()
    assert mark in body
    assert not assert_read_the_same(body.replace(mark, instead, 1).encode())


READ = {
    "no declaration": (DECLARED, ""),
    "white space and no declaration": (DECLARED, "\n\t "),
    "a byte order mark": (DECLARED, f"\ufeff{DECLARED}"),
    "a byte order mark, white space and no declaration": (DECLARED, "\ufeff \n"),
    "an encoding in capitals": ("utf-8", "UTF-8"),
    "single quotes": ('version="1.0" encoding="utf-8"', "version='1.0' encoding='utf-8' standalone='yes'"),
    "white space around the root": (DECLARED, f"{DECLARED}\n"),
    "white space at the end": ("</EnumerationResults>", "</EnumerationResults>\n\t "),
    "what was asked for": ("<Blobs>", "<Prefix>dir/</Prefix><Marker /><MaxResults>5000</MaxResults><Blobs>"),
    "what was asked for, encoded": ("<Blobs>", '<StartFrom Encoded="true">a%00</StartFrom><Blobs>'),
    "references in a property that is not read": ("available", "a&amp;b&#65;&#x1F600;"),
    "a control character that XML knows": ("available", "a\x7fb\x85\tc"),
    "brackets": ("text/plain", "a[0]] > b"),
    "rules": ("<Metadata>", "<OrMetadata><or-a_b>complete</or-a_b><c /></OrMetadata><Metadata>"),
}


@pytest.mark.parametrize("way", READ)
def test_what_services_write_is_read_without_an_xml_parser(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    there, instead = READ[way]
    body = plain_page()
    assert there in body
    body = body.replace(there, instead, 1)
    assert assert_read_the_same(body.encode())
    monkeypatch.setattr(listing, "parse_page_xml", None)
    assert [one.name for one in parse_page(body.encode()).entries] == ["dir/0", "dir/1"]


@pytest.mark.parametrize("early", ["<Blobs />", "<Blobs></Blobs>", "<NextMarker>no</NextMarker>", "<NextMarker />"])
def test_the_list_and_the_marker_are_the_first_of_their_names(early: str) -> None:
    body = plain_page().replace("<NextMarker />", "<NextMarker>yes</NextMarker>").replace("<Blobs>", f"{early}<Blobs>")
    assert assert_read_the_same(body.encode())


def common(count: int) -> list[ListedObject]:
    when = datetime(2026, 1, 1, tzinfo=UTC)
    heads = HttpHeaders("text/plain", content_md5=bytes(16))
    return [
        ListedObject(f"dir/{n:05d} & more", "", BlobType.BLOCK, n, f'"0x{n:X}"', when, heads, {"a": str(n % 3)})
        for n in range(count)
    ]


def test_a_common_page_needs_no_xml_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(body: bytes) -> listing.Page:
        raise AssertionError("the XML parser was asked")

    monkeypatch.setattr(listing, "parse_page_xml", never)
    items = common(200)
    labelled = [replace(one, tags={"k": "<v>"}, tier="Hot") if n % 7 == 0 else one for n, one in enumerate(items)]
    assert parse_page(Writer(1).page(labelled)).entries == labelled


@pytest.mark.parametrize("tag", ["Last-Modified", "Etag", "Content-Length", "BlobType", "Name"])
def test_an_entry_without_what_every_blob_has_is_no_entry(tag: str) -> None:
    body = Writer(3).page(common(3)).decode()
    start = body.index(f"<{tag}>", body.index("<Blob>", body.index("<Blob>") + 1))
    end = body.index(f"</{tag}>", start) + len(tag) + 3
    for put in ("", f"<{tag} />", f"<{tag}>nonsense</{tag}>" if tag not in ("Name", "Etag") else ""):
        with pytest.raises(ObjectError) as caught:
            parse_page((body[:start] + put + body[end:]).encode())
        assert caught.value.code == "BrokenListing"


def test_what_is_cut_off_or_no_listing_is_no_empty_page() -> None:
    body = Writer(5).page(common(2))
    for end in range(0, len(body), 97):
        with pytest.raises(ObjectError):
            parse_page(body[:end])
    for other in (
        b"",
        b"<Error><Code>ServerBusy</Code></Error>",
        b"<html></html>",
        body.replace(b"<NextMarker />", b""),
    ):
        with pytest.raises(ObjectError):
            parse_page(other)


def test_a_current_version_is_the_base_and_an_earlier_one_is_not() -> None:
    body = Writer(7).page(common(2)).decode()
    first, rest = body.split("<Properties>", 1)
    versions = first + "<VersionId>2026-11-22T10:00:00.0000000Z</VersionId><Properties>" + rest
    second = versions.rindex("<Properties>")
    told = "<VersionId>2026-11-22T11:00:00.0000000Z</VersionId><IsCurrentVersion>true</IsCurrentVersion>"
    page = parse_page((versions[:second] + told + versions[second:]).encode())
    assert [one.previous for one in page.entries] == [True, False]
    assert [one.version_id[11:13] for one in page.entries] == ["10", "11"]
    assert page == parse_page_xml((versions[:second] + told + versions[second:]).encode())


def test_prefixes_are_told() -> None:
    text = Writer(9).page(common(1)).decode().replace("<Blobs>", "<Blobs><BlobPrefix><Name>a/</Name></BlobPrefix>")
    assert parse_page(text.encode()).prefixes == ("a/",)
