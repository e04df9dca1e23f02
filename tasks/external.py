"""AzCopy as the mover of a shard's new objects, for customers who have to use it. What it did is never believed.

It gets the names that the target does not have yet. The engine then goes over the whole shard as after an attempt that
was killed: what is at the target is compared by content with the source under the pin, adopted where it is equal, and
copied by the engine where it is torn, changed or missing. Changed objects are the engine's alone, for AzCopy cannot
demand a generation at the target.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mappings.azcopy import Ending, can_carry, command, ending, environment_of, moved
from mappings.errors import FixTheInput
from mappings.objects import EvidenceRow, ListedObject, Tally
from mappings.plan import CopyShard
from mappings.settings import Settings
from mappings.states import Change, Outcome, Route
from tasks.copiers.base import SourceBlobs, TargetBlobs
from tasks.copiers.journal import Journal, Part
from tasks.copiers.listed import listed_pages
from tasks.copiers.prints import Turn, at_once
from tasks.copiers.rules import MIB, CopyRules

log = logging.getLogger("govlift")

CARRIED = "Carried by AzCopy; taken over because source and target were read and are equal."
_ROOT = "$root"
"""Blobs of the root container have URLs without a container, which AzCopy takes for one."""


_TAIL = 65_536
"""Bytes of its output in which its last word surely stands."""
_GRACE = 10.0
"""Seconds that it has to end by itself."""


class AzCopy:
    """Starts one AzCopy process per shard.

    Args:
        settings: of the migration.
        environ: where the target's client secret is, and what AzCopy shall see of proxies and certificates.

    Raises:
        FixTheInput: there is no such binary, or no secret.
    """

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        copy, target = settings.copy_, settings.target
        found = shutil.which(copy.azcopy, path=environ.get("PATH"))
        if found is None:
            raise FixTheInput(
                f'copy.mover is "azcopy", and there is no program "{copy.azcopy}".',
                next_step="Install AzCopy 10, or name its place in copy.azcopy.",
            )
        secret = environ.get(target.credential.secret_env, "")
        if target.credential.kind == "client-secret" and not secret:
            raise FixTheInput(
                f"The secret of the target is not in the environment variable {target.credential.secret_env}.",
                next_step=f"Set {target.credential.secret_env} and run again.",
            )
        self._binary = found
        self._out: Path | None = None
        self._cloud = target.in_cloud
        # Whatever AZCOPY_... the user has set stays, e.g. AZCOPY_CONCURRENCY_VALUE; what signs in is ours.
        self._environ = dict(environ) | environment_of(target.credential, target.tenant_id, self._cloud, secret)

    def moved(self) -> int:
        """A number that changes while the process that runs now moves on."""
        if self._out is None:
            return 0
        with self._out.open("rb") as out:
            out.seek(max(0, self._out.stat().st_size - _TAIL))
            return moved(out.read().decode("utf-8", "replace").splitlines())

    async def carry(
        self,
        shard: CopyShard,
        source: SourceBlobs,
        target: TargetBlobs,
        rules: CopyRules,
        journal: Journal,
        *,
        turn: Turn = at_once,
        bytes_per_second: Callable[[], float] = lambda: 0.0,
    ) -> frozenset[str]:
        """Let AzCopy copy what the target does not have; returns the names that it was given.

        Args:
            turn: awaited before each page of a listing.
            bytes_per_second: asked when the process starts, which keeps to it until its end; 0 is no cap.

        Raises:
            ObjectError: a listing failed, or no SAS could be had.
        """
        names, first = await _missing(shard, source, target, rules, turn)
        if first is None:
            return frozenset()
        # From here on something of ours may stand at the target under these names.
        journal.begin(names)
        url, _, sas = (await source.pull_url(shard.container, first)).partition("?")
        base = url[: url.index("/", len("https://")) + 1]
        to = f"{self._cloud.blob_endpoint(target.account)}/{shard.container}"
        told, status = await self._run(f"{base}{shard.container}?{sas}", to, names, bytes_per_second() / MIB)
        said = "without a word" if told is None else f"{told.status}: {told.completed} done, {told.failed} failed"
        log.info("azcopy: %s: %s names, exit code %s, %s; all are compared now", shard.id, len(names), status, said)
        return frozenset(names)

    async def _run(
        self, source_url: str, target_url: str, names: Sequence[str], mib_per_second: float
    ) -> tuple[Ending | None, int]:
        with tempfile.TemporaryDirectory(prefix="govlift-azcopy-") as folder:
            listed, out = Path(folder) / "names", Path(folder) / "out"
            listed.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
            # Its plans hold every name, and its defaults lie in the home folder of whoever runs this.
            kept = {"AZCOPY_LOG_LOCATION": folder, "AZCOPY_JOB_PLAN_LOCATION": folder, "HOME": folder}
            words = command(self._binary, source_url, target_url, str(listed), mib_per_second=mib_per_second)
            with out.open("wb") as output:
                process = await asyncio.create_subprocess_exec(
                    *words, env=self._environ | kept, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output
                )
                self._out = out
                try:
                    status = await process.wait()
                except asyncio.CancelledError:
                    await _end(process)
                    raise
                finally:
                    self._out = None
            with out.open(encoding="utf-8", errors="replace") as lines:
                return ending(lines), status


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a process: politely, and one that does not hear it by force."""
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _GRACE)
    except TimeoutError:
        process.kill()
        await process.wait()


async def _missing(
    shard: CopyShard, source: SourceBlobs, target: TargetBlobs, rules: CopyRules, turn: Turn
) -> tuple[list[str], ListedObject | None]:
    """Names of the shard that the target does not have and that AzCopy can carry; and one of these objects."""
    if shard.container == _ROOT:
        return [], None
    place = shard.container, shard.begin, shard.end
    there = {one.name async for page in listed_pages(target, *place, turn=turn) for one in page}
    names: list[str] = []
    history: set[str] = set()
    first: ListedObject | None = None
    async for page in listed_pages(source, *place, turn=turn):
        for item in page:
            if not item.is_base:
                history.add(item.name)  # Snapshots and versions come before their base, oldest first: the engine's.
            elif item.name in there or item.name in history:
                continue
            elif can_carry(item.name) and not rules.left_out(item):
                names.append(item.name)
                first = first or item
    return [name for name in names if name not in history], first if names else None


class Handed:
    """A journal in which the names that AzCopy was given count as begun by an earlier attempt."""

    def __init__(self, journal: Journal, names: frozenset[str]) -> None:
        self._journal, self._names = journal, names

    def begin(self, names: Sequence[str]) -> None:
        self._journal.begin(names)

    def note(self, rows: Sequence[EvidenceRow]) -> None:
        self._journal.note(rows)

    def note_part(self, item: ListedObject, part: Part) -> None:
        self._journal.note_part(item, part)

    def begun(self, name: str) -> bool:
        return name in self._names or self._journal.begun(name)

    def finished(self, name: str) -> Sequence[EvidenceRow]:
        return self._journal.finished(name)

    def parts(self, item: ListedObject) -> Sequence[Part]:
        return self._journal.parts(item)


class Marking:
    """Records the rows of what AzCopy has carried under its route, and counts them as copied."""

    def __init__(self, names: frozenset[str], record: Callable[[EvidenceRow], None]) -> None:
        self._names, self._record = names, record
        self._same = self._size = 0
        self.carried = self.recopied = 0
        """Names that AzCopy brought over whole; those that the engine had to copy."""

    def __call__(self, row: EvidenceRow) -> None:
        if row.name in self._names and row.key.snapshot == "" and row.change is Change.NEW:
            if row.route is not None:
                self.recopied += 1
            elif row.outcome in (Outcome.SAME, Outcome.COPIED):
                self.carried += 1
                self._same += row.outcome is Outcome.SAME
                self._size += row.size
                row = replace(row, outcome=Outcome.COPIED, route=Route.AZCOPY, reason=CARRIED)
        self._record(row)

    def counted(self, tally: Tally) -> Tally:
        """The tally of these rows as they were recorded."""
        return replace(
            tally,
            copied=tally.copied + self._same,
            same=tally.same - self._same,
            bytes=tally.bytes + self._size,
            azcopy=tally.azcopy + self.carried,
        )


def azcopy_of(settings: Settings, environ: Mapping[str, str] = os.environ) -> AzCopy | None:
    """AzCopy where the settings ask for it.

    Raises:
        FixTheInput: it is asked for and cannot be started.
    """
    return AzCopy(settings, environ) if settings.copy_.mover == "azcopy" else None
