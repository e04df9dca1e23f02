"""Reads a partner's code and HTTP logs for the scan; what is not looked at is named, never left out in silence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from mappings.errors import FixTheInput
from mappings.partner_calls import PartnerCalls, parse_partner_calls

MOST_BYTES = 64 * 1024 * 1024
"""A file beyond this is named and not read; a log of that size is better cut by day."""

NOT_SOURCE = frozenset((".git", ".hg", ".svn", "node_modules", ".venv", "venv", "__pycache__", "site-packages"))
"""Folders that hold no code of the partner."""

_MARKS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file or folder that was not looked at."""

    path: str
    why: str
    text: bool
    """True where it may hold calls, so that a scan without findings does not say that there are none."""


@dataclass(frozen=True, slots=True)
class Read:
    """What was read, and what was not."""

    texts: dict[str, str]
    skipped: tuple[Skipped, ...]


@cache
def load_partner_calls() -> PartnerCalls:
    """The calls of this release."""
    text = (files("mappings") / "csp" / "partner_api.toml").read_text("utf-8")
    return parse_partner_calls(text, origin="csp/partner_api.toml")


def read_files(paths: Iterable[Path], *, most_bytes: int = MOST_BYTES) -> Read:
    """The text files at `paths`; folders are walked.

    Raises:
        FixTheInput: a path does not exist.
    """
    texts: dict[str, str] = {}
    skipped: list[Skipped] = []
    for path in paths:
        if not path.exists():
            raise FixTheInput(f"There is no {path}.", next_step="Name a file or folder that exists.")
        for file in _files(path, skipped):
            got = _text_of(file, most_bytes)
            if isinstance(got, Skipped):
                skipped.append(got)
            else:
                texts[str(file)] = got
    return Read(texts, tuple(skipped))


def _files(path: Path, skipped: list[Skipped]) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    try:
        inside = sorted(path.iterdir())
    except OSError as wrong:
        skipped.append(Skipped(str(path), f"cannot be listed: {wrong.strerror}", True))
        return
    for one in inside:
        if one.is_symlink():
            skipped.append(Skipped(str(one), "a symbolic link, which is not followed", False))
        elif one.is_dir() and one.name in NOT_SOURCE:
            skipped.append(Skipped(str(one), "holds no code of the partner", False))
        elif one.is_dir():
            yield from _files(one, skipped)
        elif one.is_file():
            yield one


def _text_of(file: Path, most_bytes: int) -> str | Skipped:
    try:
        size = file.stat().st_size
        if size > most_bytes:
            return Skipped(str(file), f"larger than {most_bytes // 1024 // 1024} MiB", True)
        data = file.read_bytes()
    except OSError as wrong:
        return Skipped(str(file), f"cannot be read: {wrong.strerror}", True)
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace")
    if b"\0" in data[:65536]:
        return Skipped(str(file), "not a text file", False)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        # Older Windows tools write their own code page; what is looked for is ASCII in all of them.
        return data.decode("latin-1")
