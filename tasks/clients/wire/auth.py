"""How requests are signed: by the bearer token of a session, or by an account's key (source accounts only).

Sources: "Authorize with Microsoft Entra ID", "Authorize with Shared Key" (string to sign of 2015-02-21 and later).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import time
from email.utils import formatdate
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote_plus

from tasks.clients.credentials import EARLY
from tasks.clients.errors import object_errors

if TYPE_CHECKING:
    from tasks.clients.session import Session


class Signer(Protocol):
    """Signs requests: by lines that all of them share for a while, or each by its own."""

    async def steady(self) -> str:
        """Header lines for each request, good until they are `stale`."""
        ...

    each: bool
    """Whether requests are signed one by one, by `sign`."""

    @property
    def stale(self) -> bool: ...

    def forget(self) -> bool:
        """The service refused the signature (401); whether another one can be had."""
        ...

    def sign(self, method: str, path: str, query: str, headers: str, length: int) -> str:
        """Header lines for this very request; `headers` are the lines that it has already."""
        ...


class BearerSigner:
    """Entra token of one session, kept until it is to be renewed."""

    each = False

    def __init__(self, session: Session) -> None:
        self._session = session
        self._line = ""
        self._until = 0.0
        self._lock = asyncio.Lock()

    @property
    def stale(self) -> bool:
        return time.time() >= self._until

    async def steady(self) -> str:
        """Raises GovliftError where the sign-in is refused, ObjectError where the authority does not answer."""
        if self.stale:
            async with self._lock:
                if self.stale:
                    await self._renew()
        return self._line

    async def _renew(self) -> None:
        cloud = self._session.cloud
        with object_errors(f"sign in to {cloud.name}", cloud=cloud):
            token = await self._session.aio_credential.get_token_info(cloud.storage_scope)
        ends = float(token.expires_on)
        renew = float(token.refresh_on or 0) or ends - EARLY
        self._line = f"Authorization: Bearer {token.token}\r\n"
        # A token that ends very soon is used for the requests of the next moment all the same, then asked for again.
        self._until = max(min(renew, ends - EARLY), time.time() + 1)

    def forget(self) -> bool:
        self._until = 0.0
        return True

    def sign(self, method: str, path: str, query: str, headers: str, length: int) -> str:
        return ""


_SIGNED = (
    "content-encoding", "content-language", "content-length", "content-md5", "content-type", "date",
    "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range",
)  # fmt: skip


class KeySigner:
    """Signs each request with an account key."""

    each, stale = True, False

    def __init__(self, account: str, key: str) -> None:
        self._account, self._key = account, base64.b64decode(key)

    async def steady(self) -> str:
        return ""

    def forget(self) -> bool:
        return False

    def sign(self, method: str, path: str, query: str, headers: str, length: int) -> str:
        dated = f"x-ms-date: {formatdate(usegmt=True)}\r\n"
        named = {"content-length": str(length) if length else ""}
        for one in (headers + dated).split("\r\n"):
            name, _, value = one.partition(":")
            named[name.lower()] = value.strip()
        ours = "".join(f"{name}:{named[name]}\n" for name in sorted(named) if name.startswith("x-ms-"))
        asked = sorted(pair.partition("=")[::2] for pair in query.split("&") if pair)
        resource = f"/{self._account}{path}" + "".join(
            f"\n{name.lower()}:{unquote_plus(value)}" for name, value in asked
        )
        text = "\n".join([method, *(named.get(name, "") for name in _SIGNED)]) + f"\n{ours}{resource}"
        signature = base64.b64encode(hmac.digest(self._key, text.encode(), hashlib.sha256)).decode("ascii")
        return f"{dated}Authorization: SharedKey {self._account}:{signature}\r\n"
