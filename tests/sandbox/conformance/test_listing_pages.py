"""The product's reading of listing pages against the SDK's, on the bytes that the services really send."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from azure.storage.blob import ContentSettings, StandardBlobTier

from mappings.objects import ListedObject
from tasks.clients.blob_values import listed
from tasks.clients.listing import Page, parse_page, parse_page_xml
from tests.sandbox.conformance.conftest import new_name
from tests.sandbox.conformance.stage import Stage

INCLUDE = ["snapshots", "metadata", "tags"]


def pages(container: Any, **options: Any) -> list[tuple[bytes, list[ListedObject]]]:
    """Bodies as they came, each with what the SDK made of it."""
    bodies: list[bytes] = []

    def keep(response: Any) -> None:
        bodies.append(response.http_response.body())

    found = []
    for page in container.list_blobs(raw_response_hook=keep, **options).by_page():
        items = [listed(item) for item in page]
        found.append((bodies[-1], items))
    assert len(found) == len(bodies)
    return found


def agrees(page: Page, expected: list[ListedObject]) -> bool:
    # The SDK leaves the key's digest of a listed blob out.
    plain = [replace(item, customer_key=False, key_sha256="") for item in page.entries]
    return plain == [replace(item, customer_key=False, key_sha256="") for item in expected]


def fill(container: Any) -> None:
    for name in ("plain", 'dir/naïve & <odd> "quoted" 100%.txt', "日本/語", "emoji \U0001f600", " spaced  out "):
        container.upload_blob(
            name,
            name.encode(),
            metadata={"Written_By": "a & b <c>", "empty": ""},
            content_settings=ContentSettings(
                "text/plain; charset=utf-8", "gzip", "de, en", 'attachment; filename="a&b"', "no-store, max-age=0"
            ),
        )
    container.upload_blob("bare", b"")
    container.upload_blob("tiered", b"x", standard_blob_tier=StandardBlobTier.COOL)
    container.get_blob_client("tiered").create_snapshot()
    container.upload_blob("tiered", b"y", overwrite=True)
    container.upload_blob("grows", b"one", blob_type="AppendBlob")
    container.get_blob_client("pages").create_page_blob(1024, ContentSettings(), sequence_number=7)


def test_every_page_reads_as_the_sdk_reads_it(container: Any) -> None:
    fill(container)
    for options in ({"include": INCLUDE}, {"include": INCLUDE, "results_per_page": 3}, {}):
        seen = 0
        for body, expected in pages(container, **options):
            assert agrees(parse_page(body), expected)
            assert parse_page(body) == parse_page_xml(body)
            seen += len(expected)
        assert seen == (10 if options else 9)


def test_tags_and_names_that_xml_cannot_carry(own_stage: Stage) -> None:
    container = own_stage.client().create_container(new_name())
    container.upload_blob("tagged", b"x", tags={"team": "a+b", "Empty": ""})
    container.upload_blob("bell\x07 & 100%", b"x", tags={"k": "v"})
    ((body, expected),) = pages(container, include=INCLUDE)
    assert b'Encoded="true"' in body and agrees(parse_page(body), expected)
    assert {one.name: dict(one.tags) for one in parse_page(body).entries}["tagged"] == {"team": "a+b", "Empty": ""}
    assert parse_page(body) == parse_page_xml(body)


def test_an_empty_container_is_an_empty_page(container: Any) -> None:
    ((body, _),) = pages(container, include=INCLUDE)
    assert parse_page(body) == Page([], "")


def test_markers_are_the_services_own(container: Any) -> None:
    for number in range(5):
        container.upload_blob(f"n{number}", b"")
    listing = container.list_blobs(results_per_page=2).by_page()
    bodies: list[bytes] = []
    for page in container.list_blobs(
        results_per_page=2, raw_response_hook=lambda r: bodies.append(r.http_response.body())
    ).by_page():
        list(page)
    tokens = []
    for page in listing:
        list(page)
        tokens.append(listing.continuation_token or "")
    assert [parse_page(body).marker for body in bodies] == tokens and tokens[-1] == ""


def test_a_page_tells_what_was_asked_for_in_characters_that_xml_has(own_container: Any) -> None:
    """A range of names ends behind a name, at the name and U+0000; the next one begins there."""
    for name in ("a", "b", "c"):
        own_container.upload_blob(name, b"")
    for start, names in (("a\0", ["b", "c"]), ("b\uffff", ["c"]), ("b&<", ["c"])):
        ((body, _),) = pages(own_container, start_from=start)
        # One before the start may come, too: callers cut what they did not ask for.
        assert [one.name for one in parse_page(body).entries][-len(names) :] == names
        assert parse_page(body) == parse_page_xml(body)
