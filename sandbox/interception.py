"""What happens to every request of every service before and after the service sees it: counting and faults."""

from __future__ import annotations

import asyncio
import json
import time
from xml.sax.saxutils import escape

from aiohttp import web
from aiohttp.payload import Payload
from aiohttp.typedefs import Handler, Middleware

from sandbox.counters import Counters, classify
from sandbox.faults import FaultBook, FaultRule, Reset
from sandbox.journal import Journal
from sandbox.names import Service
from sandbox.proxy import break_off

BROKEN = 499
"""The status under which a broken connection is counted."""


def line_of(cloud: str, service: Service, request: web.Request) -> str:
    """A request as rules see it: `commercial blob GET /account/container/name?query`, still percent-encoded."""
    account = f"/{request.host.partition('.')[0].lower()}" if service is Service.BLOB else ""
    return f"{cloud} {service} {request.method} {account}{request.raw_path}"


def intercept(cloud: str, service: Service, counters: Counters, faults: FaultBook, journal: Journal) -> Middleware:
    """A middleware that counts and notes the requests of one service, and applies the fault rules."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        asked = classify(service, request.method, request.path)
        if asked is not None:
            counters.count(asked)
        line, arrived = line_of(cloud, service, request), time.time()
        rule = faults.strike(line)
        response = await (handler(request) if rule is None else _faulty(rule, service, request, handler))
        counters.answered(response.status)
        if service is Service.BLOB or (service is Service.ARM and request.method not in ("GET", "HEAD")):
            journal.note(arrived, line, response.status)
        return response

    return middleware


async def _faulty(rule: FaultRule, service: Service, request: web.Request, handler: Handler) -> web.StreamResponse:
    if rule.delay:
        await asyncio.sleep(rule.delay)
    if rule.reset is Reset.BEFORE:
        return _broken(request)
    if rule.status:
        await request.read()  # An unread body would end the connection, which is another fault.
        response: web.StreamResponse = _error(rule, service)
    else:
        response = await handler(request)
    if rule.reset is Reset.AFTER:
        return _broken(request)
    if not response.prepared:
        response.headers.update(rule.headers)
    if rule.truncate >= 0 or rule.corrupt:
        return await _spoil(rule, request, response)
    return response


def _broken(request: web.Request) -> web.Response:
    if request.transport is not None and isinstance(request.transport, asyncio.WriteTransport):
        break_off(request.transport)
    return web.Response(status=BROKEN)


def _error(rule: FaultRule, service: Service) -> web.Response:
    """The error of a rule, in the words of the service."""
    match service:
        case Service.BLOB:
            text = f"<Error><Code>{escape(rule.code)}</Code><Message>{escape(rule.message)}</Message></Error>"
            body, kind = '\ufeff<?xml version="1.0" encoding="utf-8"?>' + text, "application/xml"
        case Service.ARM:
            body, kind = json.dumps({"error": {"code": rule.code, "message": rule.message}}), "application/json"
        case Service.ENTRA:
            body, kind = json.dumps({"error": rule.code, "error_description": rule.message}), "application/json"
    headers = {"x-ms-request-id": "00000000-0000-0000-0000-000000000000"}
    if service is Service.BLOB:
        headers["x-ms-error-code"] = rule.code
    return web.Response(status=rule.status, text=body, content_type=kind, headers=headers)


async def _spoil(rule: FaultRule, request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Send the answer's head as it is, and its body with a flipped bit, or broken off in the middle."""
    if not isinstance(response, web.Response) or response.prepared:
        raise RuntimeError("A fault rule would spoil the body of an answer that is streamed.")
    whole = response.body
    body = bytearray(await whole.as_bytes() if isinstance(whole, Payload) else whole or b"")
    if rule.corrupt and body:
        body[0] ^= 1
    if rule.truncate < 0 or rule.truncate >= len(body):
        response.body = bytes(body)
        return response
    broken = web.StreamResponse(status=response.status, reason=response.reason, headers=response.headers)
    broken.content_length = len(body)
    await broken.prepare(request)
    await broken.write(bytes(body[: rule.truncate]))
    if request.transport is not None:
        request.transport.close()  # Flushes what was written; the peer then misses the rest.
    return broken
