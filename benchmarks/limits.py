"""What the service itself can do: its limits stand beside the results, so that a reader sees how far off they are."""

from __future__ import annotations

import json
import subprocess

from benchmarks.blobd import Service, built
from benchmarks.cases import CONTAINER
from benchmarks.tools import SOURCE, TARGET

MIB = 1 << 20


def limits(service: Service) -> str:
    """A table of requests a second that a client in C++ reaches on the same cores, over TLS."""
    lines = [
        "\n### The service's own limits\n",
        "A client in C++ with plain sockets, over TLS, 32 connections on one thread, on the same cores.\n",
        "| what | a second | MB/s | CPU of that client per request | CPU of the service per request |",
        "|---|--:|--:|--:|--:|",
    ]
    for title, mode, count, size, requests, pull in (
        ("Get Blob, 16 KiB", "get", 10_000, 16 * 1024, 30_000, "ref"),
        ("Put Blob, 16 KiB", "put", 10_000, 16 * 1024, 30_000, "ref"),
        ("Put Blob From URL, 16 KiB, source in memory", "pull", 10_000, 16 * 1024, 30_000, "ref"),
        ("Put Blob From URL, 16 KiB, source over HTTPS", "pull", 10_000, 16 * 1024, 20_000, "fetch"),
        ("Get Blob, 8 MiB", "get", 32, 8 * MIB, 200, "ref"),
        ("Put Blob, 8 MiB", "put", 32, 8 * MIB, 200, "ref"),
        ("List Blobs, blobs", "list", 100_000, 1024, 0, "ref"),
    ):
        service.ask("settings", pull=pull)
        service.ask("drop", side="commercial", account=SOURCE, container=CONTAINER)
        service.ask("load", side="commercial", account=SOURCE, container=CONTAINER, n=count, size=size, md5=size < MIB)
        service.ask("account", side="government", name=TARGET)
        service.ask("load", side="government", account=TARGET, container="limit", n=0)
        before = _cpu(service)
        told = _asked(service, mode, count, requests)
        used = _cpu(service) - before
        service.ask("drop", side="government", account=TARGET, container="limit", whole=1)
        n, seconds = told["count"], told["seconds"]
        lines.append(
            f"| {title} | {n / seconds:,.0f} | {told['bytes'] / seconds / 1e6:,.0f} "
            f"| {told['cpu'] / n * 1e6:,.1f} us | {used / n * 1e6:,.1f} us |"
        )
    service.ask("drop", side="commercial", account=SOURCE, container=CONTAINER, whole=1)
    return "\n".join(lines)


def _cpu(service: Service) -> float:
    told = service.ask("counters")
    return float(told["cpu_user"]) + float(told["cpu_system"])


def _asked(service: Service, mode: str, names: int, requests: int) -> dict[str, float]:
    command = [str(built("load")), "--port", str(service.port), "--mode", mode, "--names", str(names)]
    done = subprocess.run([*command, "--requests", str(requests)], capture_output=True, text=True, check=True)
    told: dict[str, float] = json.loads(done.stdout)
    return told
