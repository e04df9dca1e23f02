"""Prefect servers as processes."""

from __future__ import annotations

from pathlib import Path


def server_at(api: str) -> int:
    """The process that serves the address."""
    port = api.rpartition(":")[2].partition("/")[0].encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            words = (entry / "cmdline").read_bytes().split(b"\0") if (entry / "cmdline").exists() else []
            if b"server" in words and port in words:
                return int(entry.name)
    raise AssertionError(f"nobody serves {api}")
