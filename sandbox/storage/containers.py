"""Container operations.

REST: "Create Container", "Get Container Properties", "Set Container Metadata", "Get Container ACL", "Set Container
ACL" (five stored access policies at most; public access in `x-ms-blob-public-access`), "Delete Container" (the name
is taken for at least 30 seconds: 409 ContainerBeingDeleted), "Lease Container". ACL operations take the account key
or an Entra token, no SAS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from sandbox.storage.blob_settings import lease_action
from sandbox.storage.call import Call, reply, xml_reply
from sandbox.storage.conditions import check_container
from sandbox.storage.errors import AzureError, bad_header
from sandbox.storage.markup import child_text, element, parsed
from sandbox.storage.model import Container, Policy
from sandbox.storage.properties import metadata_headers, metadata_of
from sandbox.storage.stamps import http_date, parse_iso

if TYPE_CHECKING:
    from sandbox.storage.service import BlobService

MAX_POLICIES = 5


def _stamp(container: Container) -> dict[str, str]:
    return {"ETag": container.etag, "Last-Modified": http_date(container.last_modified)}


def _public_access(call: Call) -> str:
    level = call.header("x-ms-blob-public-access").lower()
    if level not in ("", "blob", "container"):
        raise bad_header("x-ms-blob-public-access", level)
    if level and not call.account.allow_public_access:
        raise AzureError("PublicAccessNotPermitted")
    return level


def create_container(service: BlobService, call: Call) -> web.Response:
    metadata, level = metadata_of(call.raw_headers), _public_access(call)
    account, name = call.account, call.container_name
    if name in account.containers:
        raise AzureError("ContainerAlreadyExists")
    if account.being_deleted.get(name, 0.0) > call.now:
        raise AzureError("ContainerBeingDeleted")
    account.being_deleted.pop(name, None)
    container = Container(name, call.now)
    container.metadata, container.public_access = metadata, level
    account.containers[name] = container
    return reply(201, _stamp(container))


def delete_container(service: BlobService, call: Call) -> web.Response:
    container = call.container
    container.lease.allow_write(call.lease_id, call.now, "Container")
    check_container(call.headers, container)
    del call.account.containers[container.name]
    if service.container_delete_seconds > 0:
        call.account.being_deleted[container.name] = call.now + service.container_delete_seconds
    return reply(202)


def get_container_properties(service: BlobService, call: Call) -> web.Response:
    container = call.container
    container.lease.allow_read(call.lease_id, call.now, "Container")
    headers = {
        **_stamp(container),
        **metadata_headers(container.metadata),
        **container.lease.headers(call.now),
        "x-ms-has-immutability-policy": "false",
        "x-ms-has-legal-hold": "false",
        "x-ms-default-encryption-scope": container.default_encryption_scope or "$account-encryption-key",
        "x-ms-deny-encryption-scope-override": str(container.deny_encryption_scope_override).lower(),
        "x-ms-immutable-storage-with-versioning-enabled": "false",
    }
    if container.public_access:
        headers["x-ms-blob-public-access"] = container.public_access
    return reply(200, headers)


def set_container_metadata(service: BlobService, call: Call) -> web.Response:
    metadata = metadata_of(call.raw_headers)
    container = call.container
    container.lease.allow_read(call.lease_id, call.now, "Container")
    check_container(call.headers, container)
    container.metadata = metadata
    container.touch(call.now)
    return reply(200, _stamp(container))


def get_container_acl(service: BlobService, call: Call) -> web.Response:
    container = call.container
    container.lease.allow_read(call.lease_id, call.now, "Container")
    headers = _stamp(container)
    if container.public_access:
        headers["x-ms-blob-public-access"] = container.public_access
    identifiers = "".join(_identifier(policy) for policy in container.policies)
    return xml_reply(f"<SignedIdentifiers>{identifiers}</SignedIdentifiers>", headers)


def _identifier(policy: Policy) -> str:
    parts = (("Start", policy.start), ("Expiry", policy.expiry), ("Permission", policy.permission))
    inner = "".join(element(tag, value) for tag, value in parts if value)
    return f"<SignedIdentifier>{element('Id', policy.id)}<AccessPolicy>{inner}</AccessPolicy></SignedIdentifier>"


def set_container_acl(service: BlobService, call: Call) -> web.Response:
    level = _public_access(call)
    policies = _policies(call.body) if call.body else []
    container = call.container
    container.lease.allow_read(call.lease_id, call.now, "Container")
    check_container(call.headers, container)
    container.public_access, container.policies = level, policies
    container.touch(call.now)
    return reply(200, _stamp(container))


def _policies(body: bytes) -> list[Policy]:
    policies = [
        Policy(
            child_text(item, "Id"),
            child_text(item, "AccessPolicy/Start"),
            child_text(item, "AccessPolicy/Expiry"),
            child_text(item, "AccessPolicy/Permission"),
        )
        for item in parsed(body, "SignedIdentifiers")
    ]
    ids = [policy.id for policy in policies]
    if len(policies) > MAX_POLICIES or len(set(ids)) != len(ids):
        raise AzureError("InvalidXmlDocument")
    for policy in policies:
        if not 1 <= len(policy.id) <= 64:
            raise AzureError("InvalidXmlNodeValue", details={"XmlNodeName": "Id", "XmlNodeValue": policy.id})
        for moment in (policy.start, policy.expiry):
            if moment and parse_iso(moment) is None:
                raise AzureError("InvalidXmlNodeValue", details={"XmlNodeName": "Expiry", "XmlNodeValue": moment})
    return policies


def lease_container(service: BlobService, call: Call) -> web.Response:
    container = call.container
    check_container(call.headers, container)
    status, answer = lease_action(call, container.lease)
    return reply(status, answer | _stamp(container))
