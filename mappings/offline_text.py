"""The JSON documents of a text: one or many, with comments, after log lines, or broken in the middle.

What is broken is named by line and column; whole entries before and after the break are kept where they stand alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator
from typing import Any

from mappings.offline_entry import DECODER
from mappings.offline_reading import REMEDY, Reading

_BLANK = re.compile(r"[ \t\r\n\x00\x0b\x0c]*")
_COMMENT = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_HIGH, _LOW = r"\\u[dD][89abAB][0-9a-fA-F]{2}", r"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_HALF_PAIR = re.compile(rf"((?<!\\)(?:\\\\)*)(?:{_HIGH}(?!{_LOW})|(?<!{_HIGH}){_LOW})")
_LIST_HEAD = re.compile(r'\{[^\[\]]{0,2000}?"(?:value|data|items|resources|rows|Data|Entries)"\s*:\s*\[')
_LINE_START = re.compile(r"^[ \t]*[\[{]", re.MULTILINE)


def documents(text: str, reading: Reading) -> Iterator[Any]:
    """Every JSON document of `text`; a gap in `reading` for what is none."""
    text = text.removeprefix("\ufeff")
    at = _skip(text, 0)
    if at == len(text):
        reading.gap("", "Everything in this file.", "the file is empty", "Empty")
        return
    # Half of a surrogate pair is a letter that no file can hold; as long a mark in its place keeps every column.
    if "\\ud" in text or "\\uD" in text:
        text = _HALF_PAIR.sub(r"\1\\ufffd", text)
    yield from _decoded(text, _after_noise(text, at, reading), reading)


def _after_noise(text: str, at: int, reading: Reading) -> int:
    """Where the JSON begins: warnings of a command that was redirected with its output stand before it."""
    if text[at] in "[{":
        return at
    found = _LINE_START.search(text[:100_000], at)
    if found is None:
        return at
    try:
        DECODER.raw_decode(text, found.end() - 1)
    except (ValueError, RecursionError):
        return at
    lines = text.count("\n", at, found.start()) or 1
    reading.notes.append(f"{lines} lines before the JSON were passed over")
    return found.end() - 1


def _decoded(text: str, at: int, reading: Reading) -> Iterator[Any]:
    """Documents from `at` on."""
    uncommented = False
    while at < len(text):
        try:
            document, at = DECODER.raw_decode(text, at)
        except (ValueError, RecursionError) as wrong:
            if not uncommented and ("//" in text or "/*" in text):
                # Templates may hold comments; blanks of the same length keep every line and column.
                text, uncommented = _COMMENT.sub(_blanked, text), True
                at = _skip(text, at)
                continue
            resume = yield from _broken(text, at, wrong, reading)
            if resume < 0:
                return
            at = resume
        else:
            yield document
        at = _skip(text, at)


def _broken(text: str, at: int, wrong: Exception, reading: Reading) -> Generator[Any, None, int]:
    """Name the break, give what can be kept, and return where to go on (-1: nowhere)."""
    why, place = _reason(text, at, wrong)
    next_line = text.find("\n", at) + 1
    line = text[at : next_line - 1] if next_line else text[at:]
    if next_line and text[next_line : next_line + 1] == "{" and line.lstrip().startswith("{") and "\n" not in line:
        # What the decoder names may stand in the next line, which it took for a part of this one.
        reading.lost(_line(text, at), "This line.", why, "BrokenFile")
        return next_line
    entries = [] if isinstance(wrong, RecursionError) else _whole_entries(text, at)
    kept = f"Everything after this place; {len(entries)} entries before it were read." if entries else "This file."
    if reading.entries and not entries:
        kept = "Everything after this place."
    reading.gap(place, kept, why, "BrokenFile", REMEDY)
    if entries:
        yield entries
    return -1


def _reason(text: str, at: int, wrong: Exception) -> tuple[str, str]:
    if isinstance(wrong, json.JSONDecodeError):
        return f"not valid JSON: {wrong.msg}", f"line {wrong.lineno}, column {wrong.colno}"
    place = _line(text, at)
    deep = isinstance(wrong, RecursionError)
    return ("the JSON is nested too deeply" if deep else "not valid JSON: a number is too long"), place


def _line(text: str, at: int) -> str:
    return f"line {text.count(chr(10), 0, at) + 1}, column {at - text.rfind(chr(10), 0, at)}"


def _whole_entries(text: str, at: int) -> list[Any]:
    """The entries before the break of a broken list, alone or as the content of an answer."""
    if text[at] != "[":
        found = _LIST_HEAD.match(text, at)
        # The resources of a template mean nothing without its parameters and variables.
        if found is None or "deploymentTemplate" in found[0] or "contentVersion" in found[0]:
            return []
        at = found.end() - 1
    entries: list[Any] = []
    at = _skip(text, at + 1)
    while at < len(text):
        try:
            entry, at = DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            break
        entries.append(entry)
        at = _skip(text, at)
        if text[at : at + 1] != ",":
            break
        at = _skip(text, at + 1)
    return entries


def _blanked(found: re.Match[str]) -> str:
    piece = found[0]
    return piece if piece.startswith('"') else re.sub(r"[^\n]", " ", piece)


def _skip(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at
