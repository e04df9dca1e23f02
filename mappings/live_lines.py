"""A look at a run as lines for a terminal: one for a log, a few for a screen. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def one_line(live: Mapping[str, Any]) -> str:
    """The look as one line.

    Args:
        live: `running` of `status --json`.
    """
    objects, moved = live["objects"], live["bytes"]
    share = f" ({objects['done'] / objects['total']:.1%})" if objects["total"] else ""
    parts = [f"{live['kind']}: {objects['done']:,}/{objects['total']:,} objects{share}", _bytes(moved)]
    pace = live["window"] or live["mean"]
    if pace:
        parts += [f"{pace['objects_per_second']:,.0f}/s", f"{pace['mib_per_second']:,.1f} MiB/s"]
    if live["allowed"]["note"]:
        parts.append(live["allowed"]["note"])
    if live["eta"] and not live["allowed"]["paused"]:
        parts.append(f"{span(live['eta']['p50_seconds'])} to {span(live['eta']['p90_seconds'])} left (P50 to P90)")
    alive = sum(one["state"] == "alive" for one in live["workers"])
    parts.append(f"{alive} of {len(live['workers'])} workers alive")
    parts += [f"{objects['failed']:,} failed"] if objects["failed"] else []
    parts += [f"{live['throttled']:,} throttled"] if live["throttled"] else []
    return ", ".join(parts)


def screen(live: Mapping[str, Any], failures: list[dict[str, Any]]) -> list[str]:
    """The look as a screen.

    Args:
        live: `running` of `status --json`.
        failures: its `failures`.
    """
    lines = [one_line(live), ""]
    for name, pace in (("last minute", live["window"]), ("mean", live["mean"])):
        if pace:
            rates = f"{pace['objects_per_second']:,.1f} objects/s, {pace['mib_per_second']:,.2f} MiB/s"
            lines.append(f"  {name + ':':<13}{rates} over {span(pace['seconds'])}")
    if live["requests_per_object"] is not None:
        lines.append(f"  requests:    {live['requests']:,}, {live['requests_per_object']:.2f} an object")
    states = ", ".join(f"{count:,} {state}" for state, count in live["shards"].items() if count)
    lines.append(f"  shards:      {states or 'none yet'}")
    if live["in_flight"]:
        # A pace allows one at least; none is a rest, by the hours or as the service asked.
        rest = "0" if live["allowed"]["paused"] else "0 (the service asked to wait)"
        flying = ", ".join(f"{account} {count:,}" if count else f"{account} {rest}"
                           for account, count in live["in_flight"].items())  # fmt: skip
        lines.append(f"  in flight:   {flying}")
    if live["throttled_by"]:
        slowed = ", ".join(f"{account} {count:,}" for account, count in live["throttled_by"].items())
        lines.append(f"  throttled:   {slowed}")
    lines += [f"  allowed:     {allowed_line(live['allowed'])}"]
    for one in live["workers"]:
        if one["state"] == "ended":
            continue
        held = ", ".join(one["shards"]) or "no shard"
        ago = f"{one['state']}, seen {one['seen_seconds_ago']:.0f} s ago"
        lines.append(f"  worker {one['owner']}: {ago}, {one['objects']:,} objects, {held}")
    for cause in failures:
        number = cause["objects"] + cause["shards"]
        lines += [f"  failed: {cause['title']}: {number:,}", f"    do: {cause['remedy']}"]
    for cause in live["failing"]:
        lines += [f"  failing in open shards: {cause['title']}: {cause['objects']:,}", f"    do: {cause['remedy']}"]
    return lines


def allowed_line(allowed: Mapping[str, Any]) -> str:
    """Hours and caps in force, and why the run pauses or goes slower where it does.

    Args:
        allowed: `running.allowed` of `status --json`.
    """
    hours = f"{allowed['hours']} ({allowed['zone']})" if allowed["hours"] else "round the clock"
    caps = [f"{allowed['requests_per_second']:,g} requests/s"] if allowed["requests_per_second"] else []
    caps += [f"{allowed['mib_per_second']:,g} MiB/s"] if allowed["mib_per_second"] else []
    if allowed["note"]:
        return f"{allowed['note']}{', with at most ' + ' and '.join(caps) if caps else ''}"
    return f"{hours}, {'at most ' + ' and '.join(caps) if caps else 'no cap'}"


def _bytes(moved: Mapping[str, Any]) -> str:
    return size(moved["done"]) if moved["total"] is None else f"{size(moved['done'])}/{size(moved['total'])}"


def size(count: float) -> str:
    """Bytes for a reader, binary units."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def span(seconds: float) -> str:
    """Seconds for a reader."""
    whole = round(seconds)
    if whole < 90:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 5400 else f"{whole // 3600} h {whole % 3600 // 60:02d} min"
