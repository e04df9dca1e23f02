"""What a run finds out once for each pair of accounts, before it copies; plain, so that every flow may wrap it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.copiers.probe import object_to_probe, probe_pull

if TYPE_CHECKING:
    from tasks.copiers.base import SourceBlobs, TargetBlobs
    from tasks.copiers.routes import RouteBook


async def probe_pair(pair: str, container: str, routes: RouteBook, source: SourceBlobs, target: TargetBlobs) -> str:
    """Find out by one object of `container` whether `target` can pull from `source`, and keep it in `routes`.

    Returns:
        the outcome for a reader.
    """
    item = await object_to_probe(source, container)
    if item is None:
        return f"{pair}: nothing to probe with in {container}"
    found = await probe_pull(source, target, container, item)
    routes.probed(source.account, target.account, ok=found.ok, reason=found.reason)
    return f"{pair}: {'pull' if found.ok else f'stream ({found.reason})'}"
