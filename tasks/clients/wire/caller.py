"""One request of the blob service, from its parts to its answer: guard, signature, retries, errors. The one owner of
retries on this way; the rules are those of `tasks.clients.retries`.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable
from html import unescape
from importlib.metadata import PackageNotFoundError, version

from mappings.clouds import Cloud
from mappings.errors import ObjectError, SlowDown
from tasks.clients.errors import Answer, Sent, object_error
from tasks.clients.redact import clean
from tasks.clients.retries import TRIES, Refusal, SpokenVersion, pause, refuses_version, wait_for
from tasks.clients.session import HostGuard
from tasks.clients.wire.answers import Reply
from tasks.clients.wire.auth import Signer
from tasks.clients.wire.calls import Call, Then
from tasks.clients.wire.dial import Dialer
from tasks.clients.wire.heads import folder, quoted
from tasks.clients.wire.line import Line, Lost, Yard
from tasks.clients.wire.pool import Pool

SILENCE = 60.0
"""Seconds without a byte after which a request is given up; the SDK's own figure."""
SMALL = 1024 * 1024
"""Most bytes of an answer whose body matters little."""
_MOST_LINES = 1024
_MOST_THREADS = 8
"""There are two sides, so together they have a thread for each processor; more only take the interpreter's lock from
each other."""
_SENT = Sent()
_READS = frozenset({"GET", "HEAD"})
_CODE = re.compile(rb"<Code>([^<]*)</Code>")
_MESSAGE = re.compile(rb"<Message>([^<]*)</Message>")


def _ourselves() -> str:
    try:
        return f"govlift/{version('govlift')}"
    except PackageNotFoundError:
        return "govlift"


class Caller:
    """Requests to one account.

    Args:
        spoken: API version of the account, shared with the SDK client beside this one.
        reads_only: nothing but GET and HEAD leaves this caller.
        threads: large bodies carried at once off the event loop; 0 carries all on it, None is half of the processors.
    """

    def __init__(
        self,
        cloud: Cloud,
        account: str,
        signer: Signer,
        spoken: SpokenVersion,
        *,
        reads_only: bool,
        threads: int | None = None,
    ) -> None:
        self.cloud, self.account = cloud, account
        self.spoken = spoken
        self.throttled: Callable[[float | None], None] = lambda _: None
        """Called for each answer that asks to slow down."""
        self.requests = 0
        """Requests sent, retries included."""
        self._signer, self._reads_only = signer, reads_only
        self._guard = HostGuard(cloud, reads_only=reads_only)
        self._threads = max(1, min(_MOST_THREADS, (os.cpu_count() or 1) // 2)) if threads is None else threads
        self._pool: Pool | None = None
        self._yard: Yard | None = None
        self._fixed = ""
        self._fixed_version = ""

    async def ask(
        self,
        method: str,
        container: str,
        name: str = "",
        query: str = "",
        headers: str = "",
        body: bytes | memoryview = b"",
        *,
        doing: str,
        sent: Sent = _SENT,
        most: int = SMALL,
        patience: float = SILENCE,
    ) -> Reply:
        """Send a request until it is answered for good.

        Args:
            query: encoded, without "?".
            headers: whole header lines.
            doing: a verb, for the sentence of an error: "read" makes "read account/container/name".
            most: bytes that the answer's body may have.

        Raises:
            ObjectError: the answer is 300 or more, or there is none after all tries.
            GovliftError: the sign-in, the certificate or the proxy refused, or the host is of another cloud.
        """
        path = f"{folder(container)}/{quoted(name)}" if name else folder(container)
        target = f"{method} {path}?{query}" if query else f"{method} {path}"
        reads = method in _READS
        if not reads:
            headers = f"{headers}Content-Length: {len(body)}\r\n"
        signer, bodiless = self._signer, method == "HEAD"
        tries, renewed = 0, False
        if self._reads_only and not reads:
            self._guard.check(method, self.cloud.blob_endpoint(self.account) + path)
        while True:
            version = self.spoken.current
            tries += 1
            try:
                if self._fixed_version != version or signer.stale:
                    await self._renew(version)
                if signer.each:
                    told = f"{headers}x-ms-version: {version}\r\n"
                    signed = headers + signer.sign(method, path, query, told, len(body))
                else:
                    signed = headers
                head = f"{target} HTTP/1.1\r\n{self._fixed}{signed}\r\n".encode()
                self.requests += 1
                reply = await (self._pool or self._open()).ask(head, body, reads, bodiless, most, patience)
            except Lost as lost:
                if tries >= TRIES:
                    raise self._no_answer(lost, doing, container, name) from None
                await asyncio.sleep(pause(tries))
                continue
            status = reply.status
            if status < 300:
                return reply
            if status == 401 and not renewed and self._signer.forget():
                renewed, tries = True, tries - 1
                continue
            said = refusal_of(reply)
            if refuses_version(status, said.code, _message_of(reply)) and self.spoken.step_down(version):
                tries -= 1
                continue
            wait = wait_for(said, tries, self.throttled)
            if wait is None:
                raise object_error(answer_of(reply), f"{doing} {self.called(container, name)}", sent)
            await asyncio.sleep(wait)

    @property
    def starts(self) -> bool:
        """Whether `start` can be used: requests are not signed one by one."""
        return not self._signer.each

    def start(
        self,
        target: str,
        headers: str,
        body: bytes | memoryview = b"",
        *,
        then: Then,
        most: int = SMALL,
        patience: float = SILENCE,
    ) -> Call:
        """Send a request once, and have `then` called; see `Call`.

        Args:
            target: method and path, as the request line begins.
            headers: whole header lines, the length of the body among them.

        Raises:
            AskForApproval: it would write to what is only read.
        """
        call, pool = Call(self, then, most), self._pool
        line = pool.idle() if pool is not None and self._is_ready else None
        if line is None or pool is None:
            call.wait_for(asyncio.ensure_future(self._start_later(call, target, headers, body, patience)))
        else:
            head = f"{target} HTTP/1.1\r\n{self._fixed}{headers}\r\n".encode()
            if self._reads_only:
                pool.allow(head, body)
            self.requests += 1
            call.send(line, head, body, patience)
        return call

    async def _start_later(
        self, call: Call, target: str, headers: str, body: bytes | memoryview, patience: float
    ) -> None:
        """As `start`, where a line has to be opened first, or the requests are to be signed anew."""
        try:
            if not self._is_ready:
                await self._renew(self.spoken.current)
            pool = self._pool or self._open()
            head = f"{target} HTTP/1.1\r\n{self._fixed}{headers}\r\n".encode()
            pool.allow(head, body)
            line = await pool.take()
        except Exception as wrong:
            call.set_exception(wrong)
            return
        self.requests += 1
        call.send(line, head, body, patience)

    def give(self, line: Line) -> None:
        """Take back the line of a call."""
        if self._pool is not None:
            self._pool.give(line)

    def heed(self, reply: Reply) -> float:
        """Seconds to wait after an answer that was no success."""
        return wait_for(refusal_of(reply), 1, self.throttled) or 0.0

    @property
    def _is_ready(self) -> bool:
        return self.spoken.current == self._fixed_version and not self._signer.stale

    def called(self, container: str, name: str = "") -> str:
        """How an object is named in a sentence."""
        return f"{self.account}/{container}/{name}" if name else f"{self.account}/{container}"

    async def _renew(self, version: str) -> None:
        """The header lines that all requests share; the guard is asked before a token is."""
        cloud = self.cloud
        endpoint = cloud.blob_endpoint(self.account)
        self._guard.check("GET", endpoint)
        signed = await self._signer.steady()
        host = endpoint.removeprefix("https://")
        self._fixed = f"Host: {host}\r\nUser-Agent: {_ourselves()}\r\nx-ms-version: {version}\r\n{signed}"
        self._fixed_version = version

    def _open(self) -> Pool:
        loop = asyncio.get_running_loop()
        self._yard = Yard(loop, self._threads)
        host = self.cloud.blob_endpoint(self.account).removeprefix("https://")
        self._pool = Pool(loop, Dialer(self._yard, host), most=_MOST_LINES, reads_only=self._reads_only)
        return self._pool

    def _no_answer(self, lost: Lost, doing: str, container: str, name: str) -> ObjectError:
        code = "BrokenOff" if lost.heard else "NoAnswer"
        return SlowDown(clean(f"No answer to: {doing} {self.called(container, name)}: {lost}."), code=code)

    async def aclose(self) -> None:
        """Close all connections."""
        if self._pool is not None and self._yard is not None:
            self._pool.close()
            self._yard.close()
            self._pool = self._yard = None


def refusal_of(reply: Reply) -> Refusal:
    """What decides about another try."""
    return Refusal(
        reply.status,
        reply.named("x-ms-error-code") or _first(_CODE, reply.body),
        reply.named("retry-after"),
        reply.named("x-ms-copy-source-status-code"),
    )


def answer_of(reply: Reply) -> Answer:
    """The answer as `tasks.clients.errors` judges it."""
    headers = {name.lower(): value for name, value in reply.headers()}
    return Answer(reply.status, refusal_of(reply).code, clean(_message_of(reply)), headers)


def _message_of(reply: Reply) -> str:
    return _first(_MESSAGE, reply.body)


def _first(pattern: re.Pattern[bytes], body: bytes) -> str:
    found = pattern.search(body)
    return unescape(found[1].decode("utf-8", "replace")) if found else ""
