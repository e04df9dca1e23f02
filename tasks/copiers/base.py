"""The contract between the copy engine and a blob service: two protocols, one that can only read, one that writes.

Failure: every method raises only `mappings.errors.ObjectError` or `GovliftError`; never an SDK exception.
Retries: transient failures (503, 429, resets, time-outs) are retried inside the client, bounded; what comes out is
final for this request. Order: `objects` yields in ascending `ObjectKey` order per List Blobs (snapshots of a name,
oldest first, before its base blob). A page that cannot be had raises; it never ends the iteration early.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from mappings.fidelity import Features
from mappings.objects import BlobType, ContainerSettings, HttpHeaders, ListedObject, Written

COPY_SOURCE_TOO_LONG = "CopySourceTooLong"


@runtime_checkable
class ListsRaw(Protocol):
    """A client that can hand out the listing as the service sent it; not every one can."""

    def raw_pages(
        self, container: str, *, begin: str = "", end: str | None = None, entries: int = 0
    ) -> AsyncGenerator[bytes, None]:
        """Bodies of the List Blobs answers that `objects` would be made of, whole and in order.

        The first may hold names before `begin` and the last ones names from `end` on; the caller cuts them, and
        closes what it does not read to the end.

        Args:
            entries: expected in the range, about, so that the last answer is no larger than it has to be; 0 where
                nobody knows.
        """
        ...


class Started(Protocol):
    """A request that was begun."""

    async def cancel(self) -> None:
        """Nobody is told any more; returns when nothing of it is under way."""
        ...


ReadThen = Callable[[bytes | None, int, float], None]
"""Gets the bytes and their CRC64; or None and the seconds to wait before it is tried the ordinary way."""
WrittenThen = Callable[[Written | None, float], None]
"""Gets the answer; or None and the seconds to wait before it is tried the ordinary way."""


@runtime_checkable
class StartsReads(Protocol):
    """A source whose small reads can be begun and answered without a coroutine; not every one can.

    A request is sent once. What is no plain success is told as such, and is tried again with the methods of
    `SourceBlobs`, which know how, and say what went wrong.
    """

    @property
    def starts(self) -> bool:
        """Whether it can, the way this account is signed in to."""
        ...

    def pull_url_at_hand(self, container: str, item: ListedObject) -> str | None:
        """As `pull_url`, where that need not ask anybody; else None."""
        ...

    def start_read(
        self, container: str, item: ListedObject, then: ReadThen, *, offset: int = 0, length: int | None = None
    ) -> Started:
        """1 byte to 4 MiB of an object, all of it by default, under its pin, checked against what the service says."""
        ...


@runtime_checkable
class StartsWrites(Protocol):
    """As `StartsReads`, of a target."""

    @property
    def starts(self) -> bool: ...

    def start_put_blob_from_url(
        self, container: str, item: ListedObject, url: str, *, if_match: str | None, then: WrittenThen
    ) -> Started:
        """As `put_blob_from_url`."""
        ...

    def start_put_blob(
        self, container: str, item: ListedObject, data: bytes, *, if_match: str | None, crc: int, then: WrittenThen
    ) -> Started:
        """As `put_blob`."""
        ...


class SourceBlobs(Protocol):
    """Read access to one source account. There is no method that writes."""

    account: str
    versions: bool
    """Whether `objects` lists previous versions too; set where the plan has their history replayed."""

    @property
    def keys(self) -> frozenset[str]:
        """SHA-256 (Base64) of the customer-provided keys that this client has."""
        ...

    async def unlocked(self, container: str, item: ListedObject) -> ListedObject:
        """`item` with its metadata, which a listing does not tell of blobs under a customer-provided key."""
        ...

    @property
    def requests(self) -> int:
        """Requests sent to the account so far, retries included."""
        ...

    def listen(self, throttled: Callable[[float | None], None]) -> None:
        """Have `throttled` called each time the service asks to slow down (503, 429), before this client's own retry.

        Its argument is what `Retry-After` said, in seconds; None where it said nothing.
        """
        ...

    def containers(self) -> AsyncIterator[str]:
        """Names of all containers, `$root` and `$web` included."""
        ...

    async def container_settings(self, container: str) -> ContainerSettings: ...

    def objects(self, container: str, *, begin: str = "", end: str | None = None) -> AsyncIterator[ListedObject]:
        """Blobs and snapshots with `begin <= name < end`, with metadata and index tags."""
        ...

    def read(
        self, container: str, item: ListedObject, *, offset: int = 0, length: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Bytes of that generation, under `If-Match: item.etag`. Raises ReplanObject when it is gone or changed."""
        ...

    async def page_ranges(self, container: str, item: ListedObject) -> Sequence[tuple[int, int]]:
        """Non-empty ranges of a page blob as (offset, length), under the pin."""
        ...

    async def pull_url(self, container: str, item: ListedObject) -> str:
        """URL with a read-only SAS for the target service, valid for at least another 30 minutes.

        Raises:
            SwitchRoute: the URL is longer than a copy source may be (code `COPY_SOURCE_TOO_LONG`).
        """
        ...


class TargetBlobs(Protocol):
    """Read and write access to one target account, whose tenant and cloud were proved before.

    Writes that create a blob carry the tier of the item only where it is the blob's own; an inferred one is the default
    of its account, and the target's default takes its place.
    """

    account: str
    versions: bool
    """Whether the account keeps previous versions, and `objects` lists them; set where history is replayed."""

    @property
    def key(self) -> str:
        """SHA-256 (Base64) of the customer-provided key that all writes are under; "" for the account's own keys.

        Under a key, `set_headers`, `set_tier` and `seal` are refused by the service: they take none.
        """
        ...

    async def unlocked(self, container: str, item: ListedObject) -> ListedObject:
        """As `SourceBlobs.unlocked`."""
        ...

    @property
    def requests(self) -> int:
        """Requests sent to the account so far, retries included."""
        ...

    def listen(self, throttled: Callable[[float | None], None]) -> None:
        """As `SourceBlobs.listen`."""
        ...

    async def features(self) -> Features:
        """What this account can hold; asked for once, then remembered."""
        ...

    async def containers(self) -> Sequence[str]: ...

    async def create_container(self, settings: ContainerSettings) -> None:
        """Idempotent: an existing container gets the metadata, access level and policies."""
        ...

    async def container_settings(self, container: str) -> ContainerSettings: ...

    def objects(self, container: str, *, begin: str = "", end: str | None = None) -> AsyncIterator[ListedObject]: ...

    def read(
        self, container: str, item: ListedObject, *, offset: int = 0, length: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Bytes of that generation, under `If-Match: item.etag`. Raises CompareTarget when it is gone or changed."""
        ...

    async def put_blob(
        self, container: str, item: ListedObject, data: bytes, *, if_match: str | None, crc: int | None = None
    ) -> Written:
        """Put Blob of a block blob with headers, metadata, tags and tier of `item`.

        `crc` is the CRC64 of `data` where the caller knows it already, here and in the other writes; the service
        refuses the request when the bytes that arrive have another one.

        `if_match` None demands that the blob does not exist yet (`If-None-Match: *`); an ETag demands that generation.
        """
        ...

    async def put_blob_from_url(self, container: str, item: ListedObject, url: str, *, if_match: str | None) -> Written:
        """Put Blob From URL with `x-ms-source-if-match: item.etag`."""
        ...

    async def put_block(
        self, container: str, name: str, block_id: str, data: bytes, *, crc: int | None = None
    ) -> Written: ...

    async def put_block_from_url(
        self, container: str, name: str, block_id: str, url: str, *, offset: int, length: int, source_etag: str
    ) -> Written: ...

    async def staged_blocks(self, container: str, name: str) -> Mapping[str, int]:
        """Uncommitted blocks, id -> size; empty where there is none. Ids are the plain text that was given."""
        ...

    async def commit(
        self, container: str, item: ListedObject, block_ids: Sequence[str], *, if_match: str | None
    ) -> Written:
        """Put Block List with headers, metadata, tags and tier of `item`."""
        ...

    async def create_sized(self, container: str, item: ListedObject, *, if_match: str | None) -> Written:
        """Create an empty append blob, or a page blob of `item.size`, with headers, metadata and tags of `item`."""
        ...

    async def append(self, container: str, name: str, data: bytes, *, position: int, crc: int | None = None) -> Written:
        """Append Block that demands the blob to be `position` bytes long; CompareTarget where it is not."""
        ...

    async def append_from_url(
        self, container: str, name: str, url: str, *, offset: int, length: int, source_etag: str
    ) -> Written: ...

    async def put_pages(
        self, container: str, name: str, data: bytes, *, offset: int, crc: int | None = None
    ) -> Written: ...

    async def put_pages_from_url(
        self, container: str, name: str, url: str, *, offset: int, length: int, source_etag: str
    ) -> Written: ...

    async def seal(self, container: str, name: str) -> Written: ...

    async def snapshot(self, container: str, name: str, *, if_match: str) -> tuple[str, Written]:
        """Snapshot of the current generation; returns its snapshot time."""
        ...

    async def head(self, container: str, name: str) -> ListedObject | None:
        """Get Blob Properties; None where the blob does not exist. Tags are not part of it."""
        ...

    async def set_headers(self, container: str, name: str, headers: HttpHeaders, *, if_match: str) -> Written: ...

    async def set_metadata(
        self, container: str, name: str, metadata: Mapping[str, str], *, if_match: str
    ) -> Written: ...

    async def set_tags(self, container: str, name: str, tags: Mapping[str, str]) -> None:
        """Moves neither ETag nor Last-Modified (REST, Set Blob Tags)."""
        ...

    async def set_tier(self, container: str, name: str, tier: str, blob_type: BlobType) -> None:
        """Moves neither ETag nor Last-Modified (REST, Set Blob Tier)."""
        ...
