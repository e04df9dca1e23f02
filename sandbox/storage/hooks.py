"""Hooks: something that happens at the moment a chosen request has been served.

They stand for another writer who comes between two requests of a copy. A rule is plain data, so it can arrive as JSON:
`{"match": regex on "METHOD /account/container/blob?query", "times": 1, "after": 0, "mutate": {...}}`; `after` lets that
many matches pass first. `mutate` names `container` and `blob` (and `account`, else the matched one) and what to do:
`content` (text) or `content_base64` overwrites the blob as Put Blob would, `append` / `append_base64` appends a block,
`metadata` or `tags` replace those, `"delete": true` deletes it with its snapshots.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.storage.content import Content
from sandbox.storage.model import APPEND, BLOCK, Blob
from sandbox.storage.versions import deleted, keep_version, replaced

if TYPE_CHECKING:
    from sandbox.storage.service import BlobService

Hook = Callable[["Served"], None]
_DEEDS = frozenset({"content", "content_base64", "append", "append_base64", "metadata", "tags", "delete"})


@dataclass(frozen=True, slots=True)
class Served:
    """A request that was just served, be it from a client or from a service that pulled."""

    service: BlobService
    method: str
    account: str
    container: str
    blob: str
    query: str

    @property
    def line(self) -> str:
        path = "/".join(part for part in (self.account, self.container, self.blob) if part)
        return f"{self.method} /{path}" + (f"?{self.query}" if self.query else "")


class Rule:
    """A hook made of data.

    Raises:
        ValueError: the rule is not of the form above.
    """

    def __init__(self, rule: Mapping[str, Any]) -> None:
        unknown = set(rule) - {"match", "times", "after", "mutate"}
        mutate = rule.get("mutate")
        if unknown or not isinstance(mutate, Mapping) or not isinstance(rule.get("match"), str):
            raise ValueError(f"a hook needs `match` and `mutate`, and may have `times` and `after`: {dict(rule)}")
        deeds = set(mutate) - {"account", "container", "blob"}
        if len(deeds) != 1 or not deeds <= _DEEDS or "container" not in mutate or "blob" not in mutate:
            raise ValueError(f"`mutate` needs container, blob and one of {', '.join(sorted(_DEEDS))}: {dict(mutate)}")
        self.pattern = re.compile(rule["match"])
        self.left = int(rule.get("times", 1))
        self.skip = int(rule.get("after", 0))
        self.mutate = dict(mutate)
        self.fired = 0

    def __call__(self, served: Served) -> None:
        if self.left <= 0 or not self.pattern.search(served.line):
            return
        if self.skip > 0:
            self.skip -= 1
            return
        self.left -= 1
        self.fired += 1
        mutate_blob(served.service, served.account, self.mutate)


def mutate_blob(service: BlobService, account_name: str, mutate: Mapping[str, Any]) -> None:
    """Change a blob behind the API, as another writer would: it moves ETag and Last-Modified, and no counter.

    Raises:
        KeyError: no such account, container or blob.
    """
    account = service.accounts[mutate.get("account", account_name)]
    container = account.containers[mutate["container"]]
    name, now = mutate["blob"], service.clock()
    old = container.find(name)
    if mutate.get("delete"):
        if old is not None:
            deleted(account, container, old)
        container.remove(name)
        return
    data = _bytes(mutate, "content")
    if data is not None:
        fresh = Blob(name, BLOCK, now)
        fresh.content = Content([data])
        fresh.headers = {"Content-Type": "application/octet-stream", "Content-MD5": fresh.content.md5_base64()}
        if old is not None:
            fresh.created, fresh.snapshots, fresh.metadata = old.created, old.snapshots, dict(old.metadata)
        replaced(account, container, fresh, old, now)
        container.add(fresh)
        return
    if old is None:
        raise KeyError(name)
    data = _bytes(mutate, "append")
    if data is not None and old.type == APPEND:
        old.content.append(data)
        old.append_blocks += 1
    elif "metadata" in mutate:
        keep_version(account, container, old, now)
        old.metadata = {str(key): str(value) for key, value in mutate["metadata"].items()}
    elif "tags" in mutate:
        old.tags = {str(key): str(value) for key, value in mutate["tags"].items()}
        return
    old.touch(now)


def _bytes(mutate: Mapping[str, Any], name: str) -> bytes | None:
    if f"{name}_base64" in mutate:
        return base64.b64decode(mutate[f"{name}_base64"])
    value = mutate.get(name)
    return value if value is None or isinstance(value, bytes) else str(value).encode()
