"""The closing account of a copy or verification, in the published form."""

from __future__ import annotations

from typing import Any

from mappings.objects import Tally


def counts(tally: Tally, seconds: float) -> dict[str, Any]:
    """Objects, bytes, routes and proof; `listed` is the sum of the four outcomes, or the run is not complete."""
    return {
        "objects": {
            "listed": tally.listed,
            "copied": tally.copied,
            "same": tally.same,
            "excluded": tally.excluded,
            "failed": tally.failed,
        },
        "deleted_at_source": tally.deleted,
        "bytes": tally.bytes,
        "routes": {"pull": tally.pull, "stream": tally.stream, "azcopy": tally.azcopy},
        "proof": {f"L{level}": n for level, n in enumerate(tally.proof)},
        "seconds": round(seconds, 3),
    }
