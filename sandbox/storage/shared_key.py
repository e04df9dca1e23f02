"""Shared Key signatures.

REST: "Authorize with Shared Key" (string to sign of 2015-02-21 and later: a zero Content-Length is empty). Header
names are sorted lexicographically by the page; the service's real order ignores hyphens, which is what the SDKs
imitate. Both orders are accepted. Shared Key Lite and versions before 2015-02-21 are refused.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from sandbox.storage.call import Call
from sandbox.storage.errors import AzureError

MAX_SKEW = 15 * 60
_SIGNED = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)


def sign(key: bytes, text: str) -> str:
    """Base64 of the HMAC-SHA256 of `text`."""
    return base64.b64encode(hmac.digest(key, text.encode(), hashlib.sha256)).decode()


def check_shared_key(call: Call, credentials: str, dated: float | None) -> None:
    """Raise 403 unless `credentials` (`account:signature`) sign this request and its date is recent."""
    name, _, signature = credentials.partition(":")
    if name != call.account.name or not signature:
        raise AzureError("AuthenticationFailed")
    if dated is None or abs(call.now - dated) > MAX_SKEW:
        raise AzureError(
            "AuthenticationFailed",
            details={"AuthenticationErrorDetail": "The Date header in the request is missing or too far from now."},
        )
    named = _x_ms_headers(call)
    orders = {tuple(sorted(named)), tuple(sorted(named, key=_service_order))}
    if not any(hmac.compare_digest(sign(call.account.key, _text(call, order, named)), signature) for order in orders):
        raise AzureError(
            "AuthenticationFailed",
            details={
                "AuthenticationErrorDetail": "The MAC signature found in the HTTP request is not the computed one."
            },
        )


def _x_ms_headers(call: Call) -> dict[str, str]:
    named: dict[str, str] = {}
    for raw_name, raw_value in call.raw_headers:
        name = raw_name.decode().lower()
        if name.startswith("x-ms-"):
            value = raw_value.decode("utf-8", "surrogateescape").strip()
            named[name] = f"{named[name]},{value}" if name in named else value
    return named


def _service_order(name: str) -> str:
    return name.replace("-", "").replace("_", "\x01")


def _text(call: Call, order: tuple[str, ...], named: dict[str, str]) -> str:
    lines = [call.method]
    for header in _SIGNED:
        value = call.header(header)
        if (header == "content-length" and value == "0") or (header == "date" and "x-ms-date" in named):
            value = ""
        lines.append(value)
    lines += [f"{name}:{named[name]}" for name in order]
    lines.append(f"/{call.account.name}{call.raw_path}")
    lines += [f"{name}:{call.query[name]}" for name in sorted(call.query)]
    return "\n".join(lines)
