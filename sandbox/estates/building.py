"""How the sample estates write down ARM bodies: groups that give ids, and stable invented identifiers."""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Body = dict[str, Any]
"""A full ARM body of one resource or resource group."""


def guid(*words: object) -> str:
    """A GUID that depends on `words` only."""
    return str(uuid.UUID(bytes=hashlib.sha256("/".join(map(str, words)).encode()).digest()[:16], version=4))


def account_key(seed: int, account: str) -> str:
    """The key of a storage account: base64 of 64 bytes, derived from the seed; it opens nothing but the sandbox."""
    return base64.b64encode(hashlib.sha512(f"govlift sandbox account key {seed} {account}".encode()).digest()).decode()


def client_secret(seed: int, cloud: str) -> str:
    """The client secret of the sandbox identity in `cloud`; it opens nothing but the sandbox."""
    return "sandbox~" + hashlib.sha256(f"govlift sandbox client {seed} {cloud}".encode()).hexdigest()[:32]


def public_ip(*words: object) -> str:
    """An address from the documentation range 203.0.113.0/24 (RFC 5737)."""
    return f"203.0.113.{1 + hashlib.sha256('/'.join(map(str, words)).encode()).digest()[0] % 254}"


@dataclass(frozen=True)
class Group:
    """A resource group: gives its own body, ids in it, and bodies of resources in it."""

    subscription: str
    name: str
    location: str
    tags: Mapping[str, str] = field(default_factory=dict)
    managed_by: str = ""

    @property
    def id(self) -> str:
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.name}"

    def body(self) -> Body:
        """The ARM body of the group itself."""
        body: Body = {
            "id": self.id,
            "name": self.name,
            "type": "Microsoft.Resources/resourceGroups",
            "location": self.location,
            "tags": dict(self.tags),
            "properties": {"provisioningState": "Succeeded"},
        }
        if self.managed_by:
            body["managedBy"] = self.managed_by
        return body

    def id_of(self, kind: str, name: str, *, shouted: bool = False) -> str:
        """The id of `kind` (`Namespace/type[/type]`) called `name` (`name[/name]`) in this group.

        `shouted` spells the group in capitals, as compute often does; ids are compared without regard to case.
        """
        namespace, *types = kind.split("/")
        names = name.split("/")
        if len(types) != len(names):
            raise ValueError(f"{kind} needs {len(types)} names, not {name!r}.")
        pairs = "/".join(f"{one}/{called}" for one, called in zip(types, names, strict=True))
        group = self.name.upper() if shouted else self.name
        return f"/subscriptions/{self.subscription}/resourceGroups/{group}/providers/{namespace}/{pairs}"

    def put(
        self,
        type_: str,
        name: str,
        properties: Mapping[str, Any] | None = None,
        *,
        location: str | None = None,
        tags: Mapping[str, str] | None = None,
        shouted: bool = False,
        **more: Any,
    ) -> Body:
        """The body of one resource; `more` is `sku`, `kind`, `plan`, `zones`, `identity`, `managedBy` as they apply."""
        own = {word: self.tags[word] for word in ("dept", "env") if word in self.tags}
        body: Body = {
            "id": self.id_of(type_, name, shouted=shouted),
            "name": name,
            "type": type_,
            "location": self.location if location is None else location,
            "tags": own if tags is None else dict(tags),
            "properties": {"provisioningState": "Succeeded", **(properties or {})},
        }
        for word, value in more.items():
            body[word] = value
        return body


def sku(name: str, tier: str = "", capacity: int | None = None, **more: Any) -> Body:
    """An ARM `sku` object with the parts that are given."""
    return {
        "name": name,
        **({"tier": tier} if tier else {}),
        **({"capacity": capacity} if capacity is not None else {}),
        **more,
    }


def system_identity(tenant: str, *words: object) -> Body:
    """A system-assigned managed identity."""
    return {"type": "SystemAssigned", "tenantId": tenant, "principalId": guid("principal", *words)}
