"""A resource without its inside, for what is kept of every one of them: names, places, tags and SKU.

Properties are nine tenths of an inventory. Who needs them goes through the inventory once; who shows a resource in a
table needs the outline, which takes a tenth of the memory because words that repeat are kept once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mappings.model import Resource


class Outliner:
    """Makes outlines that share their words."""

    def __init__(self) -> None:
        self._words: dict[str, str] = {}
        self._maps: dict[str, Mapping[str, Any]] = {}

    def outline(self, resource: Resource) -> Resource:
        """`resource` without properties, identity, plan and zones."""
        word = self._word
        return Resource(
            id=resource.id,
            name=resource.name,
            type=word(resource.type),
            location=word(resource.location),
            kind=word(resource.kind),
            sku=self._maps.setdefault(repr(resource.sku), resource.sku),
            tags={word(key): word(value) for key, value in resource.tags.items()},
            subscription_id=word(resource.subscription_id),
            resource_group=word(resource.resource_group),
        )

    def _word(self, text: Any) -> Any:
        # ARM may give a number or null where a text is usual; it stays what it is.
        return self._words.setdefault(text, text) if type(text) is str else text
