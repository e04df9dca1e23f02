"""What the owners of the sample county do to its resources while it is being migrated."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from typing import Any

CHANGES: tuple[Mapping[str, Any], ...] = (
    {"type": "Microsoft.ClassicNetwork/reservedIps", "name": "rip-unused", "remove": True},
    {"type": "Microsoft.Network/publicIPAddresses", "name": "pip-tiles", "merge": {"sku": {"name": "Standard"}}},
    {"type": "Microsoft.Compute/snapshots", "name": "snap-docket-2024", "twin": "snap-docket-2026"},
)
"""A forgotten reserved address goes, a Basic public address becomes Standard, a snapshot is taken."""


def change_resources(state: Mapping[str, Any]) -> int:
    """Change resources of a running sandbox that holds the sample county.

    Args:
        state: the launcher's state.

    Returns:
        How many were changed.

    Raises:
        urllib.error.HTTPError: the estate has no such resource.
    """
    request = urllib.request.Request(f"{state['control']}/resources", json.dumps(CHANGES).encode())
    with urllib.request.urlopen(request, timeout=10) as answer:
        answer.read()
    return len(CHANGES)
