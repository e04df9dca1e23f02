"""Calls to Partner Center that US Government does not have, as patterns. The text is handed in.

The data is `mappings/csp/partner_api.toml`: what is missing and why, what takes its place, and how the call looks as a
REST path, in the SDKs for .NET and Java, and in PowerShell.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mappings.errors import FixTheInput


class Form(StrEnum):
    """How a call is written."""

    REST = "rest"
    SDK = "sdk"
    CMDLET = "cmdlet"
    IMPORT = "import"
    HOST = "host"


@dataclass(frozen=True, slots=True)
class Call:
    """One kind of call that does not exist for US Government."""

    id: str
    title: str
    why: str
    workaround: str
    source: str
    """Who says that it is missing: titles with dates."""
    shape: str
    """Who says how it is written."""
    finds: tuple[str, ...]
    leaves: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pattern:
    """One way to write a call."""

    call: Call
    form: Form
    regex: re.Pattern[str]
    starts: str
    """In lower case: a match begins with it, or with "get" and it."""
    holds: str
    """In lower case: a text without it has no match."""


@dataclass(frozen=True, slots=True)
class PartnerCalls:
    """All of them."""

    calls: tuple[Call, ...]
    patterns: tuple[Pattern, ...]
    checked: date


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Source(_Part):
    title: str
    where: str
    dated: date | None = None


class _Call(_Part):
    id: str
    title: str
    why: str
    workaround: str
    source: tuple[str, ...] = Field(min_length=1)
    shape: tuple[str, ...] = Field(min_length=1)
    rest: tuple[str, ...] = ()
    sdk: tuple[str, ...] = ()
    cmdlets: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    finds: tuple[str, ...] = Field(min_length=1)
    leaves: tuple[str, ...] = Field(min_length=1)


class _File(_Part):
    checked: date
    source: dict[str, _Source]
    call: tuple[_Call, ...]


def parse_partner_calls(text: str, *, origin: str) -> PartnerCalls:
    """The calls from TOML.

    Raises:
        FixTheInput: wrong data; names the file and the key.
    """
    try:
        data = _File.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, ValidationError) as wrong:
        raise FixTheInput(f"{origin}: {wrong}.", next_step="Correct the file and run again.") from None
    calls, patterns = [], []
    for one in data.call:
        for key in (*one.source, *one.shape):
            if key not in data.source:
                raise FixTheInput(
                    f'{origin}: "{one.id}" cites the source "{key}", which is not defined.',
                    next_step="Correct the file and run again.",
                )
        call = Call(
            one.id,
            one.title,
            one.why,
            one.workaround,
            _cited(data.source[key] for key in one.source),
            _cited(data.source[key] for key in one.shape),
            one.finds,
            one.leaves,
        )
        calls.append(call)
        patterns += _patterns(one, call)
    return PartnerCalls(tuple(calls), tuple(patterns), data.checked)


def _patterns(one: _Call, call: Call) -> list[Pattern]:
    found = []
    for path in one.rest:
        parts = path.lower().split("/")
        found.append(Pattern(call, Form.REST, rest_pattern(path), parts[0], parts[-1]))
    for chain in one.sdk:
        names = chain.lower().replace("()", "").split(".")
        found.append(Pattern(call, Form.SDK, chain_pattern(chain), names[0], names[-1]))
    whole = ((Form.CMDLET, one.cmdlets, r"[\w-]"), (Form.IMPORT, one.imports, r"\w"), (Form.HOST, one.hosts, r"[\w.-]"))
    for form, words, part in whole:
        found += [Pattern(call, form, _whole(word, part), word.lower(), word.lower()) for word in words]
    return found


def _cited(sources: Iterable[_Source]) -> str:
    return "; ".join(f"{one.title} ({one.dated or 'undated'})" for one in sources)


def _whole(words: str, part: str) -> re.Pattern[str]:
    """`words` where they do not continue on either side by a character of the class `part`."""
    return re.compile(f"(?<!{part}){re.escape(words)}(?!{part})", re.IGNORECASE)


_SEGMENT = (
    r"(?:\{\{[^{}\n]{1,60}\}\}"  # {{ customer }}
    r"|<[^<>\n]{1,60}>"  # <customer-id>
    r"|[\"'`]\s*[+.&]\s*[^\"'`\n]{1,80}?\s*[+.&]\s*[\"'`]"  # " + customerId + "
    r"|[^/\s\"'`<>?&,;]{1,120})"  # 4d3c..., {id}, ${id}, $($c.Id), %s, :id
)


def rest_pattern(path: str) -> re.Pattern[str]:
    """`customers/{}/users` as it stands in code and logs, also with `\\/`; `{}` is one segment in any spelling."""
    parts = r"\\?/".join(_SEGMENT if part == "{}" else re.escape(part) for part in path.split("/"))
    return re.compile(rf"(?<![\w.-]){parts}(?![\w-])", re.IGNORECASE)


_INSIDE = r"[^()]{0,200}(?:\([^()]{0,200}\)[^()]{0,200}){0,3}"
_DOT = r"\s*\??\.\s*"


def chain_pattern(chain: str) -> re.Pattern[str]:
    """`Customers.ById().Users` over line ends, in the spelling of .NET and of Java (`getCustomers().byId(x)`)."""
    members = []
    for name in chain.split("."):
        if name.endswith("()"):
            first = name[0]
            members.append(rf"[{first.upper()}{first.lower()}]{name[1:-2]}\s*\({_INSIDE}\)")
        else:
            members.append(rf"(?:[{name[0].upper()}{name[0].lower()}]{name[1:]}\b(?!\s*\()|get{name}\s*\(\s*\))")
    return re.compile(r"(?<!\w)" + _DOT.join(members))
