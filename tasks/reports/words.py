"""How values are written for people: labels of closed words, numbers, times, and text that cannot play tricks."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from mappings.report_model import Check, Cover, Kind, Place, Value
from mappings.report_words import data_size

NOTHING = "–"
"""Stands where there is no value."""

# C0 and C1 controls, soft hyphen, invisible and direction-changing characters, and code points that XML refuses.
_UNSEEN = re.compile(
    "[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f]"
)


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a closed set as readers see it. The label says it all; tone and icon repeat it."""

    label: str
    tone: str
    icon: str


GOOD, WARN, INFO, BAD, QUIET = "good", "warn", "info", "bad", "quiet"

WORDS: dict[str, Word] = {
    "ready": Word("Ready", GOOD, "check"),
    "ready-with-changes": Word("Ready with changes", WARN, "half"),
    "replace": Word("Replace", INFO, "swap"),
    "blocked": Word("Blocked", BAD, "cross"),
    "unknown": Word("Unknown", QUIET, "question"),
    "no-verdict": Word("No verdict", BAD, "alert"),
    "equal": Word("Equal", GOOD, "check"),
    "mismatch": Word("Does not add up", BAD, "alert"),
    "pending": Word("Not finished", WARN, "clock"),
    "not-compared": Word("Not compared", QUIET, "question"),
    "explained": Word("Differs, ids listed", WARN, "half"),
    "running": Word("Running", INFO, "clock"),
    "done": Word("Done", GOOD, "check"),
    "partial": Word("Partial", WARN, "half"),
    "failed": Word("Failed", BAD, "cross"),
    "interrupted": Word("Interrupted", WARN, "clock"),
    "copied": Word("Copied", GOOD, "check"),
    "same": Word("Unchanged", QUIET, "dot"),
    "excluded": Word("Left out", QUIET, "dot"),
    "reported": Word("Reported", QUIET, "dot"),
    "new": Word("New", QUIET, "dot"),
    "content": Word("Content", QUIET, "dot"),
    "suspect": Word("Suspect", WARN, "question"),
    "properties": Word("Headers", QUIET, "dot"),
    "metadata": Word("Metadata", QUIET, "dot"),
    "tags": Word("Tags", QUIET, "dot"),
    "tier": Word("Tier", QUIET, "dot"),
    "deleted": Word("Deleted", WARN, "half"),
    "extra": Word("Extra", WARN, "half"),
    "drifted": Word("Drifted", BAD, "alert"),
    "green": Word("Green", GOOD, "check"),
    "open": Word("Open", WARN, "clock"),
    "overdue": Word("Overdue", BAD, "alert"),
    "overridden": Word("Overridden by name", INFO, "half"),
    "not-applicable": Word("Does not apply", QUIET, "dot"),
    "pull": Word("Pull", QUIET, "dot"),
    "stream": Word("Stream", QUIET, "dot"),
    "azcopy": Word("AzCopy", QUIET, "dot"),
    "proof-3": Word("L3", GOOD, "check"),
    "proof-2": Word("L2", GOOD, "check"),
    "proof-1": Word("L1", INFO, "half"),
    "proof-0": Word("L0", WARN, "half"),
    "since-new": Word("New", INFO, "dot"),
    "since-gone": Word("Gone", QUIET, "dot"),
    "since-unseen": Word("Not seen", WARN, "question"),
    "since-worse": Word("Worse", BAD, "alert"),
    "since-better": Word("Better", GOOD, "check"),
    "since-answered": Word("Answered", INFO, "check"),
    "gap-new": Word("Opened", BAD, "alert"),
    "gap-closed": Word("Closed", GOOD, "check"),
    "not-scanned": Word("Not scanned", WARN, "question"),
    "name-kept": Word("Kept", QUIET, "dot"),
    "name-new": Word("New", WARN, "swap"),
}


IN_OUT = {
    Check.EQUAL: "yes",
    Check.EXPLAINED: "differs, every id is listed",
    Check.MISMATCH: "no",
    Check.PENDING: "not finished",
    Check.NOT_COMPARED: "could not be compared",
}
"""Whether in equals out, in the words of the first page."""


def word(value: str) -> Word:
    """The word for a status; one that a newer report brings is shown as it is."""
    return WORDS.get(value) or Word(value, QUIET, "dot")


def visible(text: str) -> str:
    """`text` with every character that hides, turns the direction of text or breaks a file shown as its code point."""
    return text if text.isascii() and text.isprintable() else _UNSEEN.sub(lambda m: f"⟨U+{ord(m[0]):04X}⟩", text)


def said(value: Value, kind: Kind) -> str:
    """A value in words, e.g. `1,204`, `15.0 GiB`, `91 %`, `2026-10-12 14:05`."""
    if value is None or value == "":
        return NOTHING
    match kind:
        case Kind.COUNT:
            return f"{value:,}"
        case Kind.BYTES:
            return data_size(int(value))
        case Kind.SHARE:
            return _share(float(value))
        case Kind.STARS:
            return f"{value} of 5"
        case Kind.SECONDS:
            return _duration(int(value))
        case Kind.TIME:
            return visible(str(value)).replace("T", " ").removesuffix("Z")[:16]
        case Kind.STATUS:
            return visible(word(str(value)).label)
        case Kind.TEXT | Kind.NAME | Kind.DATE | Kind.SOURCE:
            return visible(str(value))


def _share(share: float) -> str:
    # Rounded down, so that 100 % is said of all and never of nearly all; the small term undoes binary fractions.
    floor = math.floor(share * 100 + 1e-9)
    return "<1 %" if share > 0 and not floor else f"{floor} %"


def _duration(seconds: int) -> str:
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"


def moment(then: datetime) -> str:
    """To the minute, in UTC."""
    return then.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _age(hours: int) -> str:
    if hours < 48:
        return "under an hour old" if not hours else f"{hours} h old"
    return f"{hours // 24} days old"


def _place(place: Place) -> str:
    tenant = f"tenant {place.tenant_id}" if place.tenant_id else "tenant not told"
    return f"{place.cloud}, {tenant}" if place.cloud else "not told"


def _short(scope: str) -> str:
    """A scope of many names, cut where the cover would become a list; report.json has all of it."""
    return scope if len(scope) <= _SCOPE else scope[:_SCOPE].rpartition(" ")[0].rstrip(",") + " …"


_SCOPE = 160


def cover_facts(cover: Cover) -> Iterator[tuple[str, str]]:
    """The facts of the cover as (label, text)."""
    yield "From", visible(_place(cover.source))
    yield "To", visible(_place(cover.target))
    yield "Scope", _short(visible(cover.scope)) or NOTHING
    taken = f"{moment(cover.inventory_taken_at)}, {_age(cover.data_age_hours)} when this report was made"
    yield "Inventory taken", taken
    yield "Report made", moment(cover.made_at)
    yield "Rules last checked", cover.catalogue_date.isoformat() if cover.catalogue_date else "no date"
    yield "Plan", visible(cover.plan_id) or "none yet"
    yield "Newest runs", visible(", ".join(cover.run_ids)) or "none"
    yield "Made by", visible(f"govlift {cover.version}")
