"""The control endpoint: counters, fault rules, hooks and the proxy's book, over plain HTTP on loopback.

GET    /counters         {"commercial": {"entra": .., "arm": .., "blob": ..}, "government": ..}
POST   /counters/reset
POST   /journal          begin to keep every request to the blob services, and every write to ARM
GET    /journal          [[arrived, answered (seconds since the epoch), request as fault rules see it, status], ...]
GET    /faults           the rules in force, each with `seen` and `struck`
POST   /faults           one rule or a list of rules, put behind those in force (fields: `faults.FaultRule`)
DELETE /faults
POST   /hooks            one hook or a list, each for the blob service of `cloud` ("commercial" where absent); else as
                         in `sandbox.storage.hooks`: {"match", "times", "after", "mutate": {...}}
DELETE /hooks
POST   /network          {"cloud": "commercial", "account": .., "allow_pull": false}: whether others may read from the
                         account by URL
GET    /accounts         {"commercial": [...], "government": [...]}: storage accounts as of now, as in the state
POST   /taken            {"cloud": "government", "name": ..}: somebody else takes a storage account name
GET    /connections      {"allowed": {host: n}, "refused": {host: n}}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from sandbox.counters import Counters
from sandbox.faults import BadRule, FaultBook, FaultRule
from sandbox.holdings import Holdings
from sandbox.journal import Journal
from sandbox.names import COMMERCIAL, GOVERNMENT, CloudNames, Service
from sandbox.proxy import Proxy
from sandbox.storage.backend import StorageBackend

BY_KEY = {names.key: names for names in (COMMERCIAL, GOVERNMENT)}


class Control:
    """What the control endpoint steers."""

    def __init__(self, proxy: Proxy) -> None:
        self.faults = FaultBook()
        self.journal = Journal()
        self.counters: dict[str, dict[Service, Counters]] = {}
        self.backends: dict[str, StorageBackend] = {}
        self.holdings: dict[str, Holdings] = {}
        self._proxy = proxy

    def application(self) -> web.Application:
        """The endpoint as a web application."""
        app = web.Application(client_max_size=1 << 28)
        app.router.add_get("/counters", self._counters)
        app.router.add_post("/counters/reset", self._reset)
        app.router.add_get("/journal", self._get_journal)
        app.router.add_post("/journal", self._begin_journal)
        app.router.add_get("/faults", self._get_faults)
        app.router.add_post("/faults", self._post_faults)
        app.router.add_delete("/faults", self._delete_faults)
        app.router.add_post("/hooks", self._post_hooks)
        app.router.add_delete("/hooks", self._delete_hooks)
        app.router.add_post("/network", self._network)
        app.router.add_get("/accounts", self._accounts)
        app.router.add_post("/taken", self._taken)
        app.router.add_post("/resources", self._resources)
        app.router.add_get("/connections", self._connections)
        return app

    async def _counters(self, request: web.Request) -> web.Response:
        report = {
            cloud: {service.value: counters.report() for service, counters in services.items()}
            for cloud, services in self.counters.items()
        }
        for cloud, backend in self.backends.items():
            report[cloud][Service.BLOB.value] |= backend.counts()
        return web.json_response(report)

    async def _reset(self, request: web.Request) -> web.Response:
        for services in self.counters.values():
            for counters in services.values():
                counters.reset()
        for backend in self.backends.values():
            backend.reset_counts()
        return await self._counters(request)

    async def _begin_journal(self, request: web.Request) -> web.Response:
        self.journal.begin()
        return web.json_response({})

    async def _get_journal(self, request: web.Request) -> web.Response:
        return web.json_response(self.journal.report())

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

    async def _post_hooks(self, request: web.Request) -> web.Response:
        documents = await _documents(request)
        try:
            for document in documents:
                rule = dict(document)
                self.backends[rule.pop("cloud", "commercial")].hook(rule)
        except (LookupError, ValueError, re.error) as problem:
            raise web.HTTPBadRequest(text=f"not a hook: {problem}") from problem
        return web.json_response({"added": len(documents)})

    async def _delete_hooks(self, request: web.Request) -> web.Response:
        for backend in self.backends.values():
            backend.unhook()
        return web.json_response({})

    async def _network(self, request: web.Request) -> web.Response:
        try:
            for rule in await _documents(request):
                backend = self.backends[rule.get("cloud", "commercial")]
                backend.allow_pull(str(rule["account"]), bool(rule["allow_pull"]))
        except (LookupError, ValueError) as problem:
            raise web.HTTPBadRequest(text=f"not a network rule: {problem}") from problem
        return web.json_response({})

    async def _accounts(self, request: web.Request) -> web.Response:
        return web.json_response(
            {cloud: accounts_of(holdings, BY_KEY[cloud]) for cloud, holdings in self.holdings.items()}
        )

    async def _taken(self, request: web.Request) -> web.Response:
        try:
            for document in await _documents(request):
                self.holdings[document["cloud"]].take(str(document["name"]))
        except LookupError as problem:
            raise web.HTTPBadRequest(text=f"not a cloud and name: {problem}") from problem
        return web.json_response({})

    async def _resources(self, request: web.Request) -> web.Response:
        try:
            for document in await _documents(request):
                rule = dict(document)
                holdings = self.holdings[rule.pop("cloud", "commercial")]
                holdings.change(str(rule.pop("type")), str(rule.pop("name")), **rule)
        except (LookupError, TypeError) as problem:
            raise web.HTTPBadRequest(text=f"not a change of a resource: {problem}") from problem
        return web.json_response({})

    async def _connections(self, request: web.Request) -> web.Response:
        return web.json_response(self._proxy.report())


def accounts_of(holdings: Holdings, names: CloudNames) -> list[dict[str, Any]]:
    """The storage accounts of one cloud as of now, with their keys."""
    return [
        {"name": name, "blob_endpoint": names.endpoint(name), "key": key, "classic": holdings.is_classic(name)}
        for name, key in sorted(holdings.keys.items())
    ]


async def _documents(request: web.Request) -> list[Mapping[str, Any]]:
    try:
        body = await request.json()
    except ValueError as problem:
        raise web.HTTPBadRequest(text="the body is not JSON") from problem
    documents = body if isinstance(body, list) else [body]
    if not all(isinstance(document, dict) for document in documents):
        raise web.HTTPBadRequest(text="the body is not an object or a list of objects")
    return documents
