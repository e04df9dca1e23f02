"""The control endpoint: counters, fault rules, hooks and the proxy's book, over plain HTTP on loopback.

GET    /counters         {"commercial": {"entra": .., "arm": .., "blob": ..}, "government": ..}
POST   /counters/reset
GET    /faults           the rules in force, each with `seen` and `struck`
POST   /faults           one rule or a list of rules, put behind those in force (fields: `faults.FaultRule`)
DELETE /faults
GET    /hooks
POST   /hooks            one hook or a list: {"match": regex, "mutate": {"account", "container", "blob", "content" or
                         "content_base64", "cloud": "commercial"}, "times": 1}
DELETE /hooks
GET    /connections      {"allowed": {host: n}, "refused": {host: n}}
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from sandbox.counters import Counters
from sandbox.faults import BadRule, FaultBook, FaultRule
from sandbox.names import Service
from sandbox.proxy import Proxy
from sandbox.storage.backend import StorageBackend

Book = Mapping[str, Mapping[Service, Counters]]
"""Cloud -> service -> counters."""


@dataclass(slots=True)
class Hook:
    """When a request that matches has been served, and before its answer is sent, one blob is replaced."""

    match: str
    backend: StorageBackend
    account: str
    container: str
    blob: str
    content: bytes
    times: int = 1
    done: int = 0

    def report(self) -> dict[str, Any]:
        place = {"account": self.account, "container": self.container, "blob": self.blob}
        return {"match": self.match, "mutate": place, "times": self.times, "done": self.done}


class Control:
    """What the control endpoint steers."""

    def __init__(self, proxy: Proxy) -> None:
        self.faults = FaultBook()
        self.counters: dict[str, dict[Service, Counters]] = {}
        self.backends: dict[str, StorageBackend] = {}
        self._hooks: list[Hook] = []
        self._proxy = proxy

    async def served(self, line: str) -> None:
        """Run the hooks that wait for this request."""
        for hook in self._hooks:
            if hook.done < hook.times and re.search(hook.match, line):
                hook.done += 1
                await hook.backend.overwrite(hook.account, hook.container, hook.blob, hook.content)

    def application(self) -> web.Application:
        """The endpoint as a web application."""
        app = web.Application(client_max_size=1 << 28)
        app.router.add_get("/counters", self._counters)
        app.router.add_post("/counters/reset", self._reset)
        app.router.add_get("/faults", self._get_faults)
        app.router.add_post("/faults", self._post_faults)
        app.router.add_delete("/faults", self._delete_faults)
        app.router.add_get("/hooks", self._get_hooks)
        app.router.add_post("/hooks", self._post_hooks)
        app.router.add_delete("/hooks", self._delete_hooks)
        app.router.add_get("/connections", self._connections)
        return app

    async def _counters(self, request: web.Request) -> web.Response:
        report = {
            cloud: {service.value: counters.report() for service, counters in services.items()}
            for cloud, services in self.counters.items()
        }
        return web.json_response(report)

    async def _reset(self, request: web.Request) -> web.Response:
        for services in self.counters.values():
            for counters in services.values():
                counters.reset()
        return await self._counters(request)

    async def _get_faults(self, request: web.Request) -> web.Response:
        return web.json_response(self.faults.report())

    async def _post_faults(self, request: web.Request) -> web.Response:
        try:
            self.faults.add([FaultRule.parse(document) for document in await _documents(request)])
        except BadRule as problem:
            raise web.HTTPBadRequest(text=str(problem)) from problem
        return await self._get_faults(request)

    async def _delete_faults(self, request: web.Request) -> web.Response:
        self.faults.clear()
        return await self._get_faults(request)

    async def _get_hooks(self, request: web.Request) -> web.Response:
        return web.json_response([hook.report() for hook in self._hooks])

    async def _post_hooks(self, request: web.Request) -> web.Response:
        try:
            self._hooks += [self._hook(document) for document in await _documents(request)]
        except (KeyError, TypeError, binascii.Error, re.error) as problem:
            raise web.HTTPBadRequest(text=f"not a hook: {problem}") from problem
        return await self._get_hooks(request)

    def _hook(self, document: Mapping[str, Any]) -> Hook:
        mutate = document["mutate"]
        coded = mutate.get("content_base64")
        content = str(mutate["content"]).encode() if coded is None else base64.b64decode(coded, validate=True)
        re.compile(document["match"])
        return Hook(
            match=document["match"],
            backend=self.backends[mutate.get("cloud", "commercial")],
            account=mutate["account"],
            container=mutate["container"],
            blob=mutate["blob"],
            content=content,
            times=int(document.get("times", 1)),
        )

    async def _delete_hooks(self, request: web.Request) -> web.Response:
        self._hooks.clear()
        return await self._get_hooks(request)

    async def _connections(self, request: web.Request) -> web.Response:
        return web.json_response(self._proxy.report())


async def _documents(request: web.Request) -> list[Mapping[str, Any]]:
    try:
        body = await request.json()
    except ValueError as problem:
        raise web.HTTPBadRequest(text="the body is not JSON") from problem
    documents = body if isinstance(body, list) else [body]
    if not all(isinstance(document, dict) for document in documents):
        raise web.HTTPBadRequest(text="the body is not an object or a list of objects")
    return documents
