"""The blob service of one cloud: accounts born at run time, in memory, behind real host names.

REST: "Blob service REST API", "Versioning for the Azure Storage services" (400 InvalidHeaderValue for an x-ms-version
that the service does not know, which is how a cloud that lags shows itself).
"""

from __future__ import annotations

import base64
import re
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from sandbox.estates.model import AccountSpec
from sandbox.storage.access import Gate
from sandbox.storage.addressing import account_of, split_query, split_target
from sandbox.storage.backend import VerifyBearer
from sandbox.storage.call import Call
from sandbox.storage.counters import Counters, class_of
from sandbox.storage.errors import AzureError, bad_header
from sandbox.storage.grants import Grant
from sandbox.storage.hooks import Hook, Rule, Served, mutate_blob
from sandbox.storage.loading import fill_account
from sandbox.storage.model import Account
from sandbox.storage.operations import GET_BLOB, find_operation, refuse_absent
from sandbox.storage.stamps import new_request_id

_SERVER = "Windows-Azure-Blob/1.0 Microsoft-HTTPAPI/2.0"
_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}\Z")
_ACCOUNT_NAME = re.compile(r"[a-z0-9]{3,24}\Z")
_UNVERSIONED = "2009-09-19"
MAX_BODY = 8 << 30


class BlobService:
    """All storage accounts of one cloud.

    Public attributes: `accounts` by name, `peers` by suffix (where copy sources may be), `counters`, `hooks`.
    """

    def __init__(
        self,
        *,
        suffix: str,
        verify_bearer: VerifyBearer,
        clock: Callable[[], float] = time.time,
        authorization_uri: str = "https://login.microsoftonline.com/common/oauth2/authorize",
        max_version: str = "",
        container_delete_seconds: float = 30.0,
        rehydration_seconds: float = 0.0,
    ) -> None:
        """`suffix`: as in `<account>.blob.<suffix>`. `authorization_uri` goes into the bearer challenge. `max_version`:
        newest x-ms-version that is accepted, "" for any. `container_delete_seconds`: how long the name of a deleted
        container is taken (REST, Delete Container: at least 30). `rehydration_seconds`: 0 rehydrates at once."""
        self.suffix = suffix
        self.clock = clock
        self.max_version = max_version
        self.container_delete_seconds = container_delete_seconds
        self.rehydration_seconds = rehydration_seconds
        self.accounts: dict[str, Account] = {}
        self.peers: dict[str, BlobService] = {}
        self.counters = Counters()
        self.hooks: list[Hook] = []
        self._gate = Gate(verify_bearer, authorization_uri)

    # Accounts

    def create_account(
        self,
        name: str,
        *,
        key: str,
        kind: str = "StorageV2",
        sku: str = "Standard_LRS",
        classic: bool = False,
        default_tier: str = "Hot",
        allow_shared_key: bool = True,
        allow_public_access: bool = False,
    ) -> Account:
        """Give birth to an empty account; an existing one is left as it is. `key` is Base64.

        Raises:
            ValueError: not a storage account name.
        """
        if not _ACCOUNT_NAME.match(name):
            raise ValueError(f"{name!r} is no storage account name")
        if name not in self.accounts:
            self.accounts[name] = Account(
                name,
                base64.b64decode(key),
                kind,
                sku,
                classic,
                default_tier,
                allow_shared_key,
                allow_public_access,
                delegation_secret=secrets.token_bytes(32),
            )
        return self.accounts[name]

    def load(self, spec: AccountSpec) -> Account:
        """Give birth to an account with its containers and blobs."""
        account = self.create_account(
            spec.name,
            key=spec.key,
            kind=spec.kind,
            sku=spec.sku,
            classic=spec.classic,
            default_tier=spec.default_tier,
            allow_public_access=any(container.public_access for container in spec.containers),
        )
        fill_account(account, spec, self.clock())
        return account

    def knows(self, host: str) -> bool:
        """Whether `host` is an account here. Azure has no DNS name for an account that does not exist."""
        return account_of(host, self.suffix) in self.accounts

    def endpoint(self, account: str) -> str:
        return f"https://{account}.blob.{self.suffix}/"

    def locate(self, host: str) -> tuple[BlobService | None, str]:
        """The service and account that a copy source's host names, in this cloud or a peer."""
        for service in (self, *self.peers.values()):
            name = account_of(host, service.suffix)
            if name is not None:
                return service, name
        return None, ""

    # Control

    def set_rule(self, account: str, *, allow_pull: bool) -> None:
        """Whether other accounts may read from `account` by URL; clients are not concerned.

        Raises:
            KeyError: no such account.
        """
        self.accounts[account].public_network = allow_pull

    def overwrite(self, account: str, container: str, blob: str, content: bytes) -> None:
        """Replace a block blob as another writer would: new content, new ETag, no request counted.

        Raises:
            KeyError: no such account or container.
        """
        mutate_blob(self, account, {"container": container, "blob": blob, "content": content})

    async def add_hook(self, rule: Mapping[str, Any]) -> Rule:
        """Add a rule of the form told in `hooks`; `fired` of the result counts its deeds.

        Raises:
            ValueError: the rule is not of that form.
        """
        hook = Rule(rule)
        self.hooks.append(hook)
        return hook

    def clear_hooks(self) -> None:
        self.hooks.clear()

    def run_hooks(self, method: str, account: str, container: str, blob: str, query: str) -> None:
        """Let the hooks see a request that was served."""
        if self.hooks:
            served = Served(self, method, account, container, blob, query)
            for hook in tuple(self.hooks):
                hook(served)

    def admit_read(self, call: Call, authorization: str) -> Grant:
        """The grant for Get Blob by a service that pulls.

        Raises:
            AzureError: the source refuses.
        """
        return self._gate.admit(call, GET_BLOB, authorization)

    # Requests

    def application(self) -> web.Application:
        """The service as an application, for any number of hosts of its suffix."""
        application = web.Application(client_max_size=MAX_BODY)
        application.router.add_route("*", r"/{tail:[\s\S]*}", self.handle)
        return application

    async def handle(self, request: web.Request) -> web.Response:
        """Serve one request."""
        request_id = new_request_id()
        try:
            response = await self._serve(request)
        except AzureError as error:
            moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.clock()))
            response = web.Response(
                status=error.status,
                headers={"x-ms-error-code": error.code, "Content-Type": "application/xml", **error.headers},
                body=None if request.method == "HEAD" else error.body(request_id, moment),
            )
        headers = response.headers
        headers["Server"] = _SERVER
        headers["x-ms-request-id"] = request_id
        headers["x-ms-version"] = request.headers.get("x-ms-version", _UNVERSIONED)
        if client_id := request.headers.get("x-ms-client-request-id"):
            headers["x-ms-client-request-id"] = client_id
        return response

    async def _serve(self, request: web.Request) -> web.Response:
        body = await request.read() if request.can_read_body else b""
        name = account_of(request.host, self.suffix) or ""
        account = self.accounts.get(name)
        if account is None:
            raise AzureError("ResourceNotFound")
        method, headers = request.method, request.headers
        query = split_query(request.raw_path.partition("?")[2])
        operation_name = "Unknown"
        try:
            version = self._version(headers, query)
            target = split_target(request.raw_path)
            operation = find_operation(method, target.container, target.blob, query, headers)
            operation_name = operation.name
        finally:
            self.counters.count(name, operation_name, class_of(method, query.get("comp", "")))
        call = Call(
            method=method,
            account=account,
            container_name=target.container,
            blob_name=target.blob,
            raw_path=target.raw_path,
            raw_query=target.raw_query,
            query=query,
            headers=headers,
            raw_headers=request.raw_headers,
            version=version,
            now=self.clock(),
            secure=request.secure,
            remote=request.remote or "",
            body=body,
        )
        call.grant = self._gate.admit(call, operation, headers.get("Authorization", ""))
        refuse_absent(operation.name, query, headers)
        response = operation.handler(self, call)
        for served in call.pulled:
            served()
        self.run_hooks(method, name, target.container, target.blob, target.raw_query)
        return response

    def _version(self, headers: Mapping[str, str], query: Mapping[str, str]) -> str:
        """The version of the request: its header, else that of its SAS."""
        version = headers.get("x-ms-version") or query.get("sv", _UNVERSIONED)
        if not _VERSION.match(version) or (self.max_version and version > self.max_version):
            raise bad_header("x-ms-version", version)
        return version
