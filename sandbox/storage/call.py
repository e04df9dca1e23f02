"""One request as the handlers see it, and the responses they give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web
from multidict import CIMultiDictProxy

from sandbox.storage.errors import AzureError, bad_header, bad_query
from sandbox.storage.model import Account, Blob, Container

if TYPE_CHECKING:
    from sandbox.storage.grants import Grant

RawHeaders = tuple[tuple[bytes, bytes], ...]


@dataclass(slots=True)
class Call:
    """A parsed request. `body` is whole; `grant` is what its credentials allow."""

    method: str
    account: Account
    container_name: str
    blob_name: str
    raw_path: str
    raw_query: str
    query: Mapping[str, str]
    headers: CIMultiDictProxy[str]
    raw_headers: RawHeaders
    version: str
    now: float
    secure: bool = True
    remote: str = ""
    body: bytes = b""
    grant: Grant = field(init=False)
    pulled: list[Callable[[], None]] = field(default_factory=list)
    """What is to happen when this request has been served: hooks of the accounts that it read from."""

    @property
    def container(self) -> Container:
        """The container named in the request.

        Raises:
            AzureError: 404 ContainerNotFound, 409 ContainerBeingDeleted.
        """
        found = self.account.containers.get(self.container_name)
        if found is None:
            if self.account.being_deleted.get(self.container_name, 0.0) > self.now:
                raise AzureError("ContainerBeingDeleted" if self.method == "PUT" else "ContainerNotFound")
            raise AzureError("ContainerNotFound")
        return found

    def header(self, name: str) -> str:
        return self.headers.get(name, "")

    @property
    def lease_id(self) -> str:
        return self.headers.get("x-ms-lease-id", "")

    def base_blob(self) -> Blob:
        """The committed base blob, rehydration settled.

        Raises:
            AzureError: 404 where container or blob is missing; 400 where the request names a snapshot.
        """
        if "snapshot" in self.query:
            raise AzureError("InvalidQueryParameterValue", details={"QueryParameterName": "snapshot"})
        blob = self.container.find(self.blob_name)
        if blob is None:
            raise AzureError("BlobNotFound")
        blob.settle(self.now)
        return blob

    def any_blob(self) -> Blob:
        """The base blob or the snapshot that the request names."""
        stamp = self.query.get("snapshot", "")
        if version := self.query.get("versionid", ""):
            return self._version_of(version, stamp)
        base = self.container.find(self.blob_name)
        if base is None:
            raise AzureError("BlobNotFound")
        blob = base if not stamp else next((one for one in base.snapshots if one.snapshot == stamp), None)
        if blob is None:
            raise AzureError("BlobNotFound")
        blob.settle(self.now)
        return blob

    def _version_of(self, version: str, stamp: str) -> Blob:
        from sandbox.storage.versions import find_version

        if stamp:
            raise AzureError("MutuallyExclusiveQueryParameters")
        blob = find_version(self.container, self.blob_name, version)
        if blob is None:
            raise AzureError("BlobNotFound")
        blob.settle(self.now)
        return blob

    def whole_number(self, header: str) -> int | None:
        """A header that must be a whole number, None where it is absent."""
        text = self.headers.get(header)
        if text is None:
            return None
        if not text.isascii() or not text.isdigit():
            raise bad_header(header, text)
        return int(text)

    def maxresults(self) -> int:
        text = self.query.get("maxresults")
        if text is None or text == "":
            return 5000
        try:
            wanted = int(text)
        except ValueError:
            raise bad_query("maxresults", text) from None
        if wanted <= 0:
            raise AzureError(
                "OutOfRangeQueryParameterValue",
                details={
                    "QueryParameterName": "maxresults",
                    "QueryParameterValue": text,
                    "MinimumAllowed": "1",
                    "MaximumAllowed": "2147483647",
                },
            )
        return min(wanted, 5000)


def reply(status: int, headers: Mapping[str, str] | None = None, body: bytes = b"") -> web.Response:
    response = web.Response(status=status, headers=headers)
    if body:
        response.body = body
    return response


def xml_reply(text: str, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(
        status=200,
        headers={"Content-Type": "application/xml", **(headers or {})},
        body=f'<?xml version="1.0" encoding="utf-8"?>{text}'.encode(),
    )
