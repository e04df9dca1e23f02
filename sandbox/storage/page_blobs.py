"""Page blobs: creation, Put Page and clear, the same from a URL, Get Page Ranges.

REST: "Put Blob" (`x-ms-blob-content-length` in multiples of 512), "Put Page" (4 MiB at most; sequence number
conditions), "Put Page From URL", "Get Page Ranges" (`prevsnapshot` for the difference).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aiohttp import web

from sandbox.storage.call import Call, reply, xml_reply
from sandbox.storage.checksums import check_arrived, check_body
from sandbox.storage.conditions import check_read
from sandbox.storage.content import Content
from sandbox.storage.errors import AzureError, bad_header, missing_header
from sandbox.storage.model import PAGE, Blob
from sandbox.storage.pages import PAGE as PAGE_SIZE
from sandbox.storage.pages import Pages
from sandbox.storage.properties import written
from sandbox.storage.sources import open_source
from sandbox.storage.stamps import http_date
from sandbox.storage.writing import byte_range, may_change

if TYPE_CHECKING:
    from sandbox.storage.service import BlobService

MAX_PUT = 4 << 20
MAX_SIZE = 8 << 40
_RANGE = re.compile(r"bytes=(\d+)-(\d+)\Z")


def prepare_page_blob(call: Call, fresh: Blob) -> None:
    """Give a new page blob its size and sequence number."""
    size = call.whole_number("x-ms-blob-content-length")
    if size is None:
        raise missing_header("x-ms-blob-content-length")
    if size % PAGE_SIZE or size > MAX_SIZE:
        raise bad_header("x-ms-blob-content-length", str(size))
    if call.header("x-ms-access-tier"):
        raise bad_header("x-ms-access-tier", call.header("x-ms-access-tier"))
    fresh.pages, fresh.page_size = Pages(), size
    fresh.sequence_number = call.whole_number("x-ms-blob-sequence-number") or 0


def put_page(service: BlobService, call: Call) -> web.Response:
    match call.header("x-ms-page-write").lower():
        case "update":
            content = Content([call.body])
            answer = check_body(call, content)
            start, end = _span(call)
            _check_length(content, start, end)
            pages, blob = _writable(call, end)
            pages.write(start, content)
        case "clear":
            if call.body:
                raise bad_header("Content-Length", str(len(call.body)))
            start, end = _span(call)
            answer = {}
            pages, blob = _writable(call, end)
            pages.clear(start, end)
        case "":
            raise missing_header("x-ms-page-write")
        case other:
            raise bad_header("x-ms-page-write", other)
    return _answer(call, blob, answer)


def put_page_from_url(service: BlobService, call: Call) -> web.Response:
    if call.body:
        raise bad_header("Content-Length", str(len(call.body)))
    if call.header("x-ms-page-write").lower() != "update":
        raise bad_header("x-ms-page-write", call.header("x-ms-page-write"))
    if not call.header("x-ms-source-range"):
        raise missing_header("x-ms-source-range")
    content = open_source(service, call).ranged()
    answer = check_arrived(call, content)
    start, end = _span(call)
    _check_length(content, start, end)
    pages, blob = _writable(call, end)
    pages.write(start, content)
    return _answer(call, blob, answer)


def _answer(call: Call, blob: Blob, answer: dict[str, str]) -> web.Response:
    blob.touch(call.now)
    return reply(201, {**answer, **written(blob), "x-ms-blob-sequence-number": str(blob.sequence_number)})


def _span(call: Call) -> tuple[int, int]:
    """The page range of the request as start and end (exclusive)."""
    text = call.header("x-ms-range") or call.header("range")
    if not text:
        raise missing_header("x-ms-range")
    match = _RANGE.match(text)
    if match is None:
        raise bad_header("x-ms-range", text)
    start, end = int(match[1]), int(match[2]) + 1
    if start % PAGE_SIZE or end % PAGE_SIZE or end <= start:
        raise AzureError("InvalidPageRange")
    return start, end


def _check_length(content: Content, start: int, end: int) -> None:
    if content.size > MAX_PUT:
        raise AzureError("RequestBodyTooLarge")
    if content.size != end - start:
        raise bad_header("Content-Length", str(content.size))


def _writable(call: Call, end: int) -> tuple[Pages, Blob]:
    blob = may_change(call, blob_type=PAGE)
    if blob.pages is None or end > blob.page_size:
        raise AzureError("InvalidPageRange")
    number = blob.sequence_number
    most, below = call.whole_number("x-ms-if-sequence-number-le"), call.whole_number("x-ms-if-sequence-number-lt")
    equal = call.whole_number("x-ms-if-sequence-number-eq")
    if (most is not None and number > most) or (below is not None and number >= below):
        raise AzureError("SequenceNumberConditionNotMet")
    if equal is not None and number != equal:
        raise AzureError("SequenceNumberConditionNotMet")
    return blob.pages, blob


def get_page_ranges(service: BlobService, call: Call) -> web.Response:
    blob = call.any_blob()
    if blob.pages is None:
        raise AzureError("InvalidBlobType")
    blob.lease.allow_read(call.lease_id, call.now, "Blob")
    check_read(call.headers, blob)
    start, end = 0, blob.page_size
    if text := call.header("x-ms-range") or call.header("range"):
        start, end = byte_range(text, blob.page_size, "x-ms-range")
    cleared: list[tuple[int, int]] = []
    if stamp := call.query.get("prevsnapshot"):
        written_ranges, cleared = blob.pages.changes(_before(call, blob, stamp), start, end)
    else:
        written_ranges = blob.pages.ranges(start, end)
    marked = sorted([(*span, "PageRange") for span in written_ranges] + [(*span, "ClearRange") for span in cleared])
    first, marker = _page_start(call), ""
    most = call.maxresults() if "maxresults" in call.query else len(marked) + 1
    if first + most < len(marked):
        marker = str(first + most)
    body = "".join(
        f"<{tag}><Start>{low}</Start><End>{high}</End></{tag}>" for low, high, tag in marked[first : first + most]
    )
    next_marker = f"<NextMarker>{marker}</NextMarker>" if marker else "<NextMarker />"
    headers = {
        "ETag": blob.etag,
        "Last-Modified": http_date(blob.last_modified),
        "x-ms-blob-content-length": str(blob.page_size),
    }
    return xml_reply(f"<PageList>{body}{next_marker}</PageList>", headers)


def _page_start(call: Call) -> int:
    text = call.query.get("marker") or "0"
    if not text.isdigit():
        raise AzureError("OutOfRangeInput")
    return int(text)


def _before(call: Call, blob: Blob, stamp: str) -> Pages:
    base = call.container.find(call.blob_name)
    older = next((one for one in (base.snapshots if base else ()) if one.snapshot == stamp), None)
    if older is None or older.pages is None:
        raise AzureError("PreviousSnapshotNotFound")
    if blob.snapshot and blob.snapshot < stamp:
        raise AzureError("PreviousSnapshotCannotBeNewer")
    return older.pages
