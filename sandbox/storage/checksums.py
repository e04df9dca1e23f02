"""Transactional checksums of request bodies and of what arrived from a copy source.

REST: "Put Block" and its kin. Both headers at once are 400 BothCrc64AndMd5HeaderPresent; a wrong one is 400
Md5Mismatch or Crc64Mismatch and nothing is written. Content-MD5 comes back where it was sent, x-ms-content-crc64
where it was not; from version 2026-10-06 on, CRC64 comes back in any case.
"""

from __future__ import annotations

from collections.abc import Mapping

from sandbox.storage.call import Call
from sandbox.storage.content import Content
from sandbox.storage.errors import AzureError, bad_header
from sandbox.storage.properties import check_md5_form

BOTH_SINCE = "2026-10-06"


def check_body(call: Call, content: Content) -> dict[str, str]:
    """Verify `Content-MD5` or `x-ms-content-crc64` of the body; the checksum headers of the response."""
    return _check(call, content, "content-md5", "x-ms-content-crc64")


def check_arrived(call: Call, content: Content) -> dict[str, str]:
    """The same for `x-ms-source-content-md5` and `x-ms-source-content-crc64`."""
    return _check(call, content, "x-ms-source-content-md5", "x-ms-source-content-crc64")


def _check(call: Call, content: Content, md5_header: str, crc_header: str) -> dict[str, str]:
    headers: Mapping[str, str] = call.headers
    md5, crc = headers.get(md5_header), headers.get(crc_header)
    if md5 and crc:
        raise AzureError("BothCrc64AndMd5HeaderPresent")
    answer: dict[str, str] = {}
    if md5:
        check_md5_form(md5)
        computed = content.md5_base64()
        if computed != md5:
            raise AzureError("Md5Mismatch", details={"UserSpecifiedMd5": md5, "ServerCalculatedMd5": computed})
        answer["Content-MD5"] = computed
    if not md5 or call.version >= BOTH_SINCE:
        computed = content.crc64_base64()
        if crc and crc.rstrip("=") != computed.rstrip("="):
            if len(crc.rstrip("=")) != 11:
                raise bad_header(crc_header, crc)
            raise AzureError("Crc64Mismatch", details={"UserSpecifiedCrc64": crc, "ServerCalculatedCrc64": computed})
        answer["x-ms-content-crc64"] = computed
    return answer
