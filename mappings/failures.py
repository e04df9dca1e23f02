"""Failed objects by cause: how many, how large, which for example, and exactly what to do. Pure; the table is data."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from mappings.delta import NOT_OURS, is_mismatch
from mappings.errors import FixTheInput
from mappings.objects import EvidenceRow
from mappings.runs import ShardRecord
from mappings.states import ShardState

MISMATCH_CODE = "ContentMismatch"
NOT_OURS_CODE = "TargetNotOurs"
OTHER = "other"
"""`Cause.id` of what no entry of the table names."""
_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason for which objects fail, and its remedy."""

    id: str
    title: str
    codes: tuple[str, ...]
    """As the service, or govlift, calls it (`EvidenceRow.code`)."""
    remedy: str
    """What somebody does now, in the imperative."""
    source: str
    """Page that says what the codes mean."""
    checked: date


@dataclass(frozen=True, slots=True)
class CauseTable:
    """The table of causes."""

    causes: tuple[Cause, ...]
    by_code: Mapping[str, Cause]
    other: Cause

    def of(self, code: str) -> Cause:
        """The cause that a code belongs to."""
        return self.by_code.get(code, self.other)


def parse_causes(text: str, *, origin: str) -> CauseTable:
    """Read the table.

    Args:
        text: TOML with one `[[cause]]` an entry.
        origin: its file, for messages.

    Raises:
        FixTheInput: it is no such table, or a code or a title stands twice.
    """
    fix = "Correct the table."
    try:
        told = tomllib.loads(text)
        causes = tuple(_cause(entry) for entry in told["cause"])
        other = next(cause for cause in causes if cause.id == OTHER)
    except (tomllib.TOMLDecodeError, KeyError, TypeError, StopIteration) as wrong:
        raise FixTheInput(f"{origin} is no table of causes: {wrong!r}.", next_step=fix) from None
    by_code: dict[str, Cause] = {}
    for cause in causes:
        # Readers count by title; two causes of one title would be one to them.
        if sum(one.title == cause.title for one in causes) > 1:
            raise FixTheInput(f'{origin}: the title "{cause.title}" stands twice.', next_step=fix)
        for code in cause.codes:
            if code in by_code:
                raise FixTheInput(f"{origin}: {code} stands in {by_code[code].id} and in {cause.id}.", next_step=fix)
            by_code[code] = cause
    return CauseTable(causes, by_code, other)


def _cause(entry: dict[str, Any]) -> Cause:
    return Cause(
        id=entry["id"],
        title=entry["title"],
        codes=tuple(entry["codes"]),
        remedy=entry["remedy"],
        source=entry["source"],
        checked=entry["checked"],
    )


@dataclass(frozen=True, slots=True)
class Failure:
    """One object that was not copied, or one shard whose listing failed (`name` "")."""

    account: str
    container: str
    name: str
    snapshot: str
    size: int
    code: str
    """"" where nobody gave one."""
    reason: str
    attempts: int = 0


def failure_of(account: str, container: str, row: EvidenceRow) -> Failure:
    """A failed row of a manifest as a failure."""
    return Failure(account, container, row.name, row.snapshot, row.size, code_of(row), row.reason, row.attempts)


def failure_of_shard(record: ShardRecord) -> Failure | None:
    """A shard that failed before it had a manifest, as one failure without a name; None where its rows tell."""
    if record.state is not ShardState.FAILED or (record.manifest and record.tally.listed):
        return None
    shard = record.shard
    return Failure(shard.source_account, shard.container, "", "", 0, code_in(record.reason), record.reason)


def code_of(row: EvidenceRow) -> str:
    """What the failure of a row is called, also where the row holds a sentence only."""
    if row.code:
        return row.code
    if is_mismatch(row):
        return MISMATCH_CODE
    return NOT_OURS_CODE if row.reason == NOT_OURS else code_in(row.reason)


_CODE = re.compile(r"\(([A-Z][A-Za-z0-9]+)\)")


def code_in(sentence: str) -> str:
    """The service's code in one of our sentences, where it stands in brackets; "" where there is none."""
    found = _CODE.findall(sentence)
    return found[-1] if found else ""


@dataclass(frozen=True, slots=True)
class FailureClass:
    """All failures of one cause."""

    cause: Cause
    objects: int
    shards: int
    """Key ranges that could not be listed, so nobody knows which objects they hold."""
    bytes: int
    codes: Mapping[str, int]
    """Code -> failures; "" is none."""
    examples: tuple[str, ...]
    """`account/container/name` of a few."""
    reason: str
    """Of the first, word for word."""


@dataclass(slots=True)
class FailureCount:
    """Counts failures by cause, in flat memory."""

    table: CauseTable
    _classes: dict[str, _Count] = field(default_factory=dict)

    def add(self, failure: Failure) -> None:
        """Count one."""
        cause = self.table.of(failure.code)
        found = self._classes.get(cause.id)
        if found is None:
            found = self._classes[cause.id] = _Count(cause)
        found.add(failure)

    def classes(self) -> list[FailureClass]:
        """What was counted, the most frequent cause first."""
        made = [count.made() for count in self._classes.values()]
        return sorted(made, key=lambda one: (-one.objects - one.shards, one.cause.id))


@dataclass(slots=True)
class _Count:
    cause: Cause
    objects: int = 0
    shards: int = 0
    bytes: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    reason: str = ""

    def add(self, failure: Failure) -> None:
        self.objects += bool(failure.name)
        self.shards += not failure.name
        self.bytes += failure.size
        self.codes[failure.code] += 1
        self.reason = self.reason or failure.reason
        if len(self.examples) < _EXAMPLES:
            place = f"{failure.account}/{failure.container}/{failure.name}".rstrip("/")
            self.examples.append(f"{place} (snapshot {failure.snapshot})" if failure.snapshot else place)

    def made(self) -> FailureClass:
        return FailureClass(
            self.cause, self.objects, self.shards, self.bytes, dict(self.codes), tuple(self.examples), self.reason
        )


def by_cause(failures: Iterable[Failure], table: CauseTable) -> list[FailureClass]:
    """Failures grouped by cause, the most frequent first."""
    count = FailureCount(table)
    for failure in failures:
        count.add(failure)
    return count.classes()


def causes_to_json(classes: Iterable[FailureClass]) -> list[dict[str, Any]]:
    """As `status --json`, `failed --json` and the summary of a run have it."""
    return [
        {
            "cause": one.cause.id,
            "title": one.cause.title,
            "objects": one.objects,
            "shards": one.shards,
            "bytes": one.bytes,
            "codes": dict(one.codes),
            "examples": list(one.examples),
            "reason": one.reason,
            "remedy": one.cause.remedy,
            "source": one.cause.source,
        }
        for one in classes
    ]


def failing_to_json(codes: Mapping[str, int], table: CauseTable) -> list[dict[str, Any]]:
    """Failures of which only the codes are known, by cause, the most frequent first.

    Args:
        codes: code -> objects; "" is none.
    """
    found: dict[str, dict[str, int]] = {}
    causes = {code: table.of(code) for code in codes}
    for code, number in sorted(codes.items()):
        found.setdefault(causes[code].id, {})[code] = number
    told = [
        {
            "cause": cause.id,
            "title": cause.title,
            "objects": sum(found[cause.id].values()),
            "codes": found[cause.id],
            "remedy": cause.remedy,
        }
        for cause in {cause.id: cause for cause in causes.values()}.values()
    ]
    return sorted(told, key=lambda one: (-sum(found[str(one["cause"])].values()), str(one["cause"])))


def cause_lines(classes: Iterable[FailureClass]) -> list[str]:
    """As a reader of the terminal has it."""
    lines = []
    for one in classes:
        counted = [f"{one.objects:,} objects" if one.objects else "", f"{one.shards:,} shards" if one.shards else ""]
        codes = ", ".join(code or "no code" for code in sorted(one.codes))
        lines += [f"{one.cause.title}: {' and '.join(part for part in counted if part)} ({codes})"]
        lines += [f"  e.g. {one.examples[0]}: {one.reason}", f"  do: {one.cause.remedy}"]
    return lines
