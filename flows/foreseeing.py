"""The dry run of `govlift resync`: a look at both sides that writes nothing, and what carrying it out would take."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flows.expecting import expectation
from flows.observe import Outcome, amount, shown
from flows.planning import narrowed_plan
from flows.reporting import last_copy
from flows.wiring import Bench, now
from mappings.ahead import Ahead, ahead_rows, ahead_to_json
from mappings.errors import ExitCode, FixTheInput, GovliftError, ObjectError
from mappings.expected import Expected, expectation_lines, expectation_to_json
from mappings.narrowing import settled_containers
from mappings.plan import CopyShard, Plan
from mappings.planning import extend_plan
from tasks.copiers.rules import CopyRules
from tasks.copiers.survey import survey_container
from tasks.foresee import foresee_shard
from tasks.progress import Progress
from tasks.scanning import name_guard

AT_ONCE = 4
"""Shards that are looked at at once: each holds a few pages, so memory stays flat."""


@dataclass
class Foreseen:
    """What a look at all shards of a plan found."""

    plan: Plan
    shards: dict[str, Ahead] = field(default_factory=dict)
    """By id, of those that could be looked at."""
    unseen: dict[str, str] = field(default_factory=dict)
    """`account/container` -> why it, or a part of it, could not be listed."""
    wider: Plan | None = None
    """The plan with containers that have appeared since it was made, as the re-sync would extend it."""

    @property
    def total(self) -> Ahead:
        return sum(self.shards.values(), Ahead())

    @property
    def appeared(self) -> list[CopyShard]:
        """Shards of containers that have appeared; all that they hold is new."""
        planned = {shard.id for shard in self.plan.shards}
        return [shard for shard in (self.wider or self.plan).shards if shard.id not in planned]

    @property
    def travels(self) -> dict[str, tuple[int, int]]:
        """Shard -> objects and bytes that travel at most."""
        known = {shard: ahead.at_most for shard, ahead in self.shards.items()}
        return known | {shard.id: (shard.objects, shard.bytes) for shard in self.appeared}


async def foresee(config: Path, chosen: Mapping[str, Any]) -> Outcome:
    """Look at what the next re-sync would do; its exit code is `FINDINGS` where something could not be looked at.

    Args:
        config: path of migration.toml.
        chosen: the filter options that were given.

    Raises:
        FixTheInput: nothing was copied yet, or a filter is wrong.
        GovliftError: an identity was refused.
    """
    async with Bench(config) as bench:
        plan = narrowed_plan(bench, "", chosen)
        if plan is None or last_copy(bench.ledger.reader.runs()) is None:
            raise FixTheInput(
                "Nothing was copied yet, so there is no difference to look for.",
                next_step="Run `govlift migrate`, the dry run of the first copy.",
            )
        bench.source_session.prove()
        bench.target_session.prove()
        found = Foreseen(plan)
        progress = Progress(total_objects=sum(shard.objects for shard in plan.shards))
        async with shown("look", progress):
            await _look_at_all(bench, found, progress)
            # A part of a plan, for one run only, does not grow.
            if not plan.narrows:
                await _look_for_new(bench, found)
        expected = expectation(bench, found.wider or plan, travels=found.travels)
        code = ExitCode.FINDINGS if found.unseen else ExitCode.OK
        return Outcome("", code, _as_json(found, expected) | {"lines": _lines(found, expected)})


async def _look_at_all(bench: Bench, found: Foreseen, progress: Progress) -> None:
    rules = CopyRules.from_settings(bench.settings.copy_)
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(shard: CopyShard) -> None:
        async with gate:
            sides = bench.sides_of(shard)
            try:
                ahead = await foresee_shard(shard, bench.folder, bench.ledger.reader, rules, found.plan.filters, *sides)
            except ObjectError as wrong:
                found.unseen[f"{shard.source_account}/{shard.container}"] = wrong.sentence
                return
            found.shards[shard.id] = ahead
            progress.add(objects=ahead.listed)

    try:
        async with asyncio.TaskGroup() as group:
            for shard in found.plan.shards:
                group.create_task(one(shard))
    except BaseExceptionGroup as several:
        raise next((one for one in several.exceptions if isinstance(one, GovliftError)), several) from None


async def _look_for_new(bench: Bench, found: Foreseen) -> None:
    """Containers that have appeared since the plan was made: a re-sync makes them, and all they hold is new."""
    known, settings = settled_containers(found.plan), bench.settings
    surveys = []
    for account in sorted({account for account, _ in known}):
        source = bench.source_blobs(account)
        try:
            names = [name async for name in source.containers() if (account, name) not in known]
            for name in names:
                surveys.append(await survey_container(source, account, name, settings.copy_.shard_objects))
        except ObjectError as wrong:
            found.unseen[account] = wrong.sentence
    if surveys:
        found.wider = extend_plan(found.plan, surveys, settings, now=now(), guard=name_guard(settings))


def _by_container(shards: Iterable[CopyShard]) -> dict[tuple[str, str], tuple[int, int]]:
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for one in shards:
        objects, size = sums.get((one.source_account, one.container), (0, 0))
        sums[one.source_account, one.container] = (objects + one.objects, size + one.bytes)
    return sums


def _as_json(found: Foreseen, expected: Expected) -> dict[str, Any]:
    containers = [
        {"account": account, "container": container, "objects": objects, "bytes": size}
        for (account, container), (objects, size) in _by_container(found.appeared).items()
    ]
    unseen = [{"where": where, "why": why} for where, why in sorted(found.unseen.items())]
    return {"plan": found.plan.id, "ahead": ahead_to_json(found.total)} | {
        "new_containers": containers,
        "not_looked_at": unseen,
        "expected": expectation_to_json(expected),
    }


def _lines(found: Foreseen, expected: Expected) -> list[str]:
    total = found.total
    lines = [f"What a re-sync of plan {found.plan.id} would find now, by a look at both sides:"]
    for kind, objects, size, means in ahead_rows(total):
        sized = f", {amount(size)}" if size is not None else ""
        lines.append(f"  {kind}: {objects:,}{sized}: {means}")
    lines.append(f"  to be copied: {total.copied[0]:,} objects, {amount(total.copied[1])}")
    if total.compared[0]:
        objects, size = total.compared
        lines.append(f"  to be read and compared, and copied where it differs: {objects:,} objects, {amount(size)}")
    for (account, container), (objects, size) in _by_container(found.appeared).items():
        lines.append(f"  new container, besides these: {account}/{container}: {objects:,} objects, {amount(size)}")
    lines += [f"  not looked at: {where}: {why}" for where, why in sorted(found.unseen.items())]
    return [*lines, *expectation_lines(expected)]
