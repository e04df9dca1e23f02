"""What the service itself can do: the limits that stand beside the results."""

from __future__ import annotations

from benchmarks.blobd import Service


def limits(service: Service) -> str:
    return ""
