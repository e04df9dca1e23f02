"""Finds calls that US Government does not have in a partner's code and HTTP logs. The texts are handed in.

A path alone proves little: other APIs have customers with users too. So the host decides where it is written, and
where it is not, the file or the other files must speak of Partner Center.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mappings.partner_calls import Call, Form, PartnerCalls, Pattern

PARTNER_HOSTS = ("api.partnercenter.microsoft.com", "api.partner.microsoft.com", "api.cp.microsoft.com")


class Sureness(StrEnum):
    """How sure it is that the text calls Partner Center."""

    CERTAIN = "certain"
    """The host, the module or the SDK is named with it."""
    LIKELY = "likely"
    """Only the path or chain is there, in files that speak of Partner Center."""


@dataclass(frozen=True, slots=True)
class Found:
    """One call in one place."""

    file: str
    line: int
    """1-based; of a HAR file the number of the entry."""
    unit: str
    """What `line` counts: `line` or `entry`."""
    call: Call
    form: Form
    text: str
    """The call as it is written, on one line, without query string, secrets and long identifiers of people."""
    sureness: Sureness

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line}" if self.unit == "line" else f"{self.file}, {self.unit} {self.line}"


def scan_texts(texts: Mapping[str, str], calls: PartnerCalls) -> tuple[Found, ...]:
    """All findings, by file and place; one per place and call, and of overlapping ones the most specific.

    Args:
        texts: file name -> content.
        calls: what to look for.
    """
    speaks = {name: bool(_SPEAKS.search(text)) for name, text in texts.items()}
    anywhere = any(speaks.values())
    found: list[Found] = []
    for name, text in texts.items():
        entries = har_requests(text) if _looks_like_har(text) else None
        if entries is not None:
            for number, request in enumerate(entries, start=1):
                found += _scan(name, request, calls, same_file=False, anywhere=False, entry=number)
        else:
            found += _scan(name, text, calls, same_file=speaks[name], anywhere=anywhere)
    return tuple(found)


_SPEAKS = re.compile(
    r"partner[\s_.-]?center|partnerOperations|IAggregatePartner|-PartnerCustomer|api\.partner\.microsoft", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class _Hit:
    start: int
    end: int
    named: int
    """End of what the pattern itself names; of two hits in one place the one that names more is the call."""
    call: Call
    form: Form
    text: str
    sureness: Sureness


def _scan(
    name: str, text: str, calls: PartnerCalls, *, same_file: bool, anywhere: bool, entry: int = 0
) -> Iterator[Found]:
    hits = []
    for pattern, match in _matches(text, calls):
        hit = _judge(text, match, pattern.call, pattern.form, same_file=same_file, anywhere=anywhere)
        if hit is not None:
            hits.append(hit)
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    told: set[tuple[int, str]] = set()
    end = -1
    for hit in sorted(hits, key=lambda hit: (hit.start, -hit.named)):
        if hit.start < end:
            continue
        end = hit.end
        line = entry or bisect_right(starts, hit.start)
        if (line, hit.call.id) not in told:
            told.add((line, hit.call.id))
            yield Found(name, line, "entry" if entry else "line", hit.call, hit.form, hit.text, hit.sureness)


def _matches(text: str, calls: PartnerCalls) -> Iterator[tuple[Pattern, re.Match[str]]]:
    """Where a pattern matches. A regular expression is only tried where its first word stands: logs are long."""
    lower = text.lower()
    if len(lower) != len(text):
        # A few letters grow in lower case; then only ASCII is lowered, so that places stay the same.
        lower = "".join(letter.lower() if letter.isascii() else letter for letter in text)
    places: dict[str, list[int]] = {}
    for pattern in calls.patterns:
        if pattern.holds not in lower:
            continue
        if pattern.starts not in places:
            places[pattern.starts] = [found.start() for found in re.finditer(re.escape(pattern.starts), lower)]
        for place in places[pattern.starts]:
            match = pattern.regex.match(text, place)
            if match is None and pattern.form is Form.SDK and place >= 3:
                match = pattern.regex.match(text, place - 3)
            if match is not None:
                yield pattern, match


def _judge(text: str, match: re.Match[str], call: Call, form: Form, *, same_file: bool, anywhere: bool) -> _Hit | None:
    start, end = match.span()
    match form:
        case Form.CMDLET | Form.IMPORT | Form.HOST:
            return _Hit(start, end, end, call, form, _shown(match[0]), Sureness.CERTAIN)
        case Form.SDK:
            if not (same_file or anywhere):
                return None
            sure = Sureness.CERTAIN if same_file else Sureness.LIKELY
            return _Hit(start, end, end, call, form, _shown(match[0]), sure)
        case Form.REST:
            return _rest(text, start, end, call, same_file=same_file, anywhere=anywhere)


_TOKEN_ENDS = frozenset(" \t\r\n\"'`<>()[]")
_LONGEST_PREFIX = 300
_HOST = re.compile(r"https?://([^/\s]*)", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"[{$%<}]")


def _rest(text: str, start: int, end: int, call: Call, *, same_file: bool, anywhere: bool) -> _Hit | None:
    prefix = _token_before(text, start).replace("\\", "")
    host = _HOST.search(prefix)
    written = host is not None and not _PLACEHOLDER.search(host[1])
    if host is not None and written:
        if host[1].lower().rpartition("@")[2].partition(":")[0] not in PARTNER_HOSTS:
            return None
        sure = Sureness.CERTAIN
    else:
        literal = [part for part in prefix.split("/") if part and not _PLACEHOLDER.search(part)]
        if host is not None:
            literal = [part for part in literal if part.lower() not in ("http:", "https:")]
        if literal not in ([], ["v1"], ["V1"]) or not (same_file or (anywhere and literal)):
            return None
        sure = Sureness.LIKELY
    line_start = text.rfind("\n", 0, start) + 1
    verb = _verb(text[line_start:start])
    tail = _DEEPER.match(text, end)
    path = _shown(prefix + text[start:end] + (tail[0] if tail else ""))
    return _Hit(start, tail.end() if tail else end, end, call, Form.REST, f"{verb} {path}".strip(), sure)


def _token_before(text: str, start: int) -> str:
    """What stands before `start` without a blank, quote or bracket between: scheme, host, `/v1/`."""
    begin, floor = start, max(0, start - _LONGEST_PREFIX)
    while begin > floor and text[begin - 1] not in _TOKEN_ENDS:
        begin -= 1
    return text[begin:start]


_DEEPER = re.compile(r"(?:/[^/\s\"'`<>?&,;]{1,120}){1,4}")
"""What follows the path, so that a deeper call is shown whole; never the query string."""
_VERB = re.compile(
    r"\b(GET|POST|PUT|PATCH|DELETE|HEAD)\b"
    r"|(?:-X\s*|-Method\s+|HttpMethod\.|\.)(get|post|put|patch|delete|head)(?:Async|AsJsonAsync)?\b",
    re.IGNORECASE,
)


def _verb(before: str) -> str:
    """The HTTP method nearest before the path on its line; "" where none is written."""
    found = list(_VERB.finditer(before[-_LONGEST_PREFIX:]))
    return (found[-1][1] or found[-1][2]).upper() if found else ""


_SECRETS = (
    (re.compile(r"\?[^\s\"'<>]*"), ""),
    (re.compile(r"(?i)//[^/@\s]+@"), "//"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}(\.[A-Za-z0-9_-]*){0,2}"), "REDACTED"),
    (
        re.compile(
            r"(?i)\b(sig|signature|client_?secret|client_assertion|account_?key|access_?token|refresh_?token|api_?key"
            r"|pass(?:word|wd)?|pwd|token|secret)(\s*[=:]\s*)[^\s&;,)]+"
        ),
        r"\1\2REDACTED",
    ),
    (re.compile(r"(?i)\b(bearer|basic|sharedkey)\s+[A-Za-z0-9+/=._~-]{8,}"), r"\1 REDACTED"),
    # An address of a person, and anything long that is no GUID.
    (re.compile(r"[\w.+%-]+@[\w-]+\.[\w.-]+"), "REDACTED"),
    (re.compile(r"(?![0-9a-fA-F]{8}-)[A-Za-z0-9+_=~-]{40,}"), "REDACTED"),
)
_MOST = 160


def _shown(text: str) -> str:
    line = re.sub(r"\s+", " ", text).strip()
    for pattern, instead in _SECRETS:
        line = pattern.sub(instead, line)
    return line if len(line) <= _MOST else line[: _MOST - 3] + "..."


def _looks_like_har(text: str) -> bool:
    head = text[:2000]
    return head.lstrip()[:1] == "{" and '"log"' in head


def har_requests(text: str) -> list[str] | None:
    """`METHOD URL` of each entry of an HTTP archive; None where it is none, so that it is read as plain text.

    Only requests count: an answer may link to anything.
    """
    try:
        data: Any = json.loads(text)
    except ValueError:
        return None
    log = data.get("log") if isinstance(data, dict) else None
    entries = log.get("entries") if isinstance(log, dict) else None
    if not isinstance(entries, list):
        return None
    requests = []
    for entry in entries:
        request = entry.get("request") if isinstance(entry, dict) else None
        told = request if isinstance(request, dict) else {}
        requests.append(f"{told.get('method', '')} {told.get('url', '')}")
    return requests


def found_to_json(found: Found) -> dict[str, Any]:
    """The published form of one finding."""
    return {
        "file": found.file,
        found.unit: found.line,
        "call": found.text,
        "kind": found.call.id,
        "title": found.call.title,
        "form": found.form.value,
        "sureness": found.sureness.value,
        "why": found.call.why,
        "workaround": found.call.workaround,
        "source": found.call.source,
        "shape": found.call.shape,
    }
