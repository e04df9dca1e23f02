"""Hosts of commercial Azure in any text, and their counterparts in Azure Government.

The table (`catalogue/tables/endpoints.toml`) has 119 pairs with their sources. The longest suffix decides. A host of
Microsoft that no pair covers is reported and left as it is, never guessed. Only hosts are kept of what is read: keys,
passwords and signatures in the same text are passed over.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from mappings.errors import FixTheInput

_LABEL = r"[A-Za-z0-9-]+"
_NO_LABEL_BEFORE = r"(?:(?<![A-Za-z0-9_-])|(?<=%[0-9A-Fa-f]{2}))"
"""A suffix begins at a label; in a URL-encoded text the label follows an escape such as %2F."""
_NO_LABEL_AFTER = r"(?![A-Za-z0-9_-]|\.[A-Za-z0-9_-])"
_FRONT = re.compile(r"(?:\*\.)?[A-Za-z0-9_.-]*\Z")
"""Labels before a suffix; a star is a whole first label (`*.example`) and never joins two hosts."""
_LONGEST_HOST = 255
_ADDRESS = re.compile(
    r"(?:://|\btcp:|\b(?:Server|Host|HostName|Data Source)\s*=\s*)(?:[^/@\s;\"']{0,200}@)?"
    r"((?:[A-Za-z0-9_*-]+\.)+[A-Za-z]{2,24})(?![A-Za-z0-9_-])",
    re.IGNORECASE,
)
_GOVERNMENT_DOMAINS = re.compile(
    r"(?:^|\.)(?:azure\.us|usgovcloudapi\.net|usgovcloudapp\.net|microsoft\.us|microsoftonline\.us|windowsazure\.us|"
    r"usgovtrafficmanager\.net|azure[\w-]*\.us)$"
)


@dataclass(frozen=True, slots=True)
class EndpointSource:
    title: str
    where: str
    dated: date | None


@dataclass(frozen=True, slots=True)
class Pair:
    """One commercial suffix and one counterpart that a source names."""

    service: str
    commercial: str
    government: str
    """"" where the source says that there is none."""
    source: EndpointSource
    scope: str = ""
    """Kind of government tenant that the pair is for ("GCC High", "DoD"), "" for every one."""
    conflict: str = ""
    """What the sources disagree about, "" where they agree."""


@dataclass(frozen=True, slots=True)
class Change:
    """One host that was rewritten."""

    host: str
    """As it stood, in lower case."""
    becomes: str
    suffix: str
    """The commercial suffix that decided."""
    pairs: tuple[Pair, ...]
    """What the sources say, best first; more than one where they name several counterparts."""

    @property
    def candidates(self) -> tuple[str, ...]:
        """Every Government suffix that a source names, best first."""
        return tuple(dict.fromkeys(pair.government for pair in self.pairs if pair.government))


@dataclass(frozen=True, slots=True)
class Unknown:
    """One host of Microsoft that was left as it is."""

    host: str
    domain: str
    """The domain by which it is known as Microsoft's, or the suffix that has no counterpart."""
    why: str


@dataclass(frozen=True, slots=True)
class ServiceTags:
    missing: frozenset[str]
    """In lower case; tags that Azure Government does not have."""
    paths: frozenset[str]
    """Names of properties, in lower case, that hold service tags."""
    regions: Mapping[str, str]
    """Region -> its spelling inside a tag."""
    no_regions: frozenset[str]
    """Second parts of tags, in lower case, that are no regions."""
    source: EndpointSource


@dataclass(frozen=True, slots=True)
class EndpointTable:
    """The pairs, ready for use; made by `parse_endpoints`."""

    pairs: tuple[Pair, ...]
    keep: Mapping[str, str]
    """Host -> why it stays."""
    domains: frozenset[str]
    always_own: frozenset[str]
    """Names of properties in which Azure puts an address that it makes itself."""
    own: frozenset[str]
    """The same, where the host begins with the resource's own name."""
    named_by_host: frozenset[str]
    tags: ServiceTags
    by_suffix: Mapping[str, tuple[Pair, ...]]
    templates: tuple[tuple[re.Pattern[str], str], ...]
    """Suffixes with a free label: pattern, the suffix in `by_suffix`."""
    finder: re.Pattern[str] = field(repr=False)
    hint: re.Pattern[str] = field(repr=False)

    def may_hold(self, text: str) -> bool:
        """Whether `text` can hold a host that this table knows; quick, and True too often."""
        return self.hint.search(text) is not None


def rewrite(text: str, table: EndpointTable) -> tuple[str, list[Change], list[Unknown]]:
    """`text` with every known commercial host replaced by its Government counterpart.

    Where the sources name several counterparts the first (newest source) is written, and all are in the `Change`.

    Returns:
        The new text, what was changed, and the hosts of Microsoft that stay because nothing says what they become.
    """
    changes: list[Change] = []
    unknown: list[Unknown] = []
    if not table.may_hold(text):
        return text, changes, unknown
    parts: list[str] = []
    done = 0
    for match in table.finder.finditer(text):
        found = match[0].lower()
        if found in table.keep:
            continue
        front = _front(text, match.start())
        pairs, becomes = _counterpart(found, table)
        if not pairs:
            if not _GOVERNMENT_DOMAINS.search(front + found):
                unknown.append(Unknown(front + found, found, "No source names a counterpart for this host."))
            continue
        if not becomes:
            why = f"{pairs[0].service}: the source names no counterpart in Azure Government."
            unknown.append(Unknown(front + found, found, why))
            continue
        parts += [text[done : match.start()], becomes]
        done = match.end()
        changes.append(Change(front + found, front + becomes, pairs[0].commercial, pairs))
    parts.append(text[done:])
    return "".join(parts), changes, unknown


def other_hosts(text: str, table: EndpointTable) -> list[str]:
    """Hosts in addresses of `text` that are neither Microsoft's commercial ones nor Government ones, in lower case."""
    if "." not in text:
        return []
    found = [match[1].lower() for match in _ADDRESS.finditer(text)]
    return [host for host in found if not table.finder.search(host) and not _GOVERNMENT_DOMAINS.search(host)]


def _front(text: str, start: int) -> str:
    """The part of a host before its suffix."""
    before = _FRONT.search(text[max(0, start - _LONGEST_HOST) : start])
    front = before[0].lstrip(".").lower() if before else ""
    # The escape of a URL-encoded text is no part of the host.
    at = start - len(front)
    return front[2:] if at > 0 and text[at - 1] == "%" and re.match(r"[0-9a-f]{2}", front) else front


def _counterpart(found: str, table: EndpointTable) -> tuple[tuple[Pair, ...], str]:
    pairs = table.by_suffix.get(found)
    if pairs:
        return pairs, pairs[0].government
    for pattern, suffix in table.templates:
        match = pattern.fullmatch(found)
        if match:
            pairs = table.by_suffix[suffix]
            becomes = pairs[0].government
            for name, label in match.groupdict().items():
                becomes = becomes.replace(f"{{{name}}}", label)
            return pairs, becomes
    return (), ""


def parse_endpoints(text: str, *, origin: str) -> EndpointTable:
    """Read the table.

    Args:
        text: TOML.
        origin: its file, for messages.

    Raises:
        FixTheInput: not TOML, a key missing, a source that the file does not have, a pair given twice.
    """
    try:
        data = tomllib.loads(text)
        sources = {
            key: EndpointSource(one["title"], one["where"], one.get("dated")) for key, one in data["source"].items()
        }
        pairs = tuple(_pair(one, sources) for one in data["endpoints"])
        tags = data["service_tags"]
        service_tags = ServiceTags(
            frozenset(map(str.lower, tags["missing"])),
            frozenset(tags["paths"]),
            tags["regions"],
            frozenset(tags["no_regions"]),
            sources[tags["source"]],
        )
        keep = {one["host"]: one["why"] for one in data["keep"]}
        own = data["own_endpoints"]
        lists = (data["microsoft_domains"], own["always"], own["own"], data["named_by_host"])
    except tomllib.TOMLDecodeError as wrong:
        raise FixTheInput(f"{origin} is not valid TOML: {wrong}.", next_step="Correct that line.") from None
    except KeyError as wrong:
        raise FixTheInput(f"{origin}: {wrong} is missing.", next_step="Add it, or correct its spelling.") from None
    domains, always, named_own, named_by_host = (frozenset(one) for one in lists)
    by_suffix = _by_suffix(pairs, origin)
    return EndpointTable(
        pairs=pairs,
        keep=keep,
        domains=domains,
        always_own=always,
        own=named_own,
        named_by_host=named_by_host,
        tags=service_tags,
        by_suffix=by_suffix,
        templates=tuple((_template(suffix), suffix) for suffix in by_suffix if "{" in suffix),
        finder=_finder(by_suffix, keep, domains),
        hint=_hint({*by_suffix, *keep, *domains}),
    )


def _pair(one: Mapping[str, Any], sources: Mapping[str, EndpointSource]) -> Pair:
    return Pair(
        one["service"],
        one["commercial"],
        one["government"],
        sources[one["source"]],
        one.get("scope", ""),
        one.get("conflict", ""),
    )


def _by_suffix(pairs: tuple[Pair, ...], origin: str) -> dict[str, tuple[Pair, ...]]:
    """Commercial suffix -> its pairs: those for every tenant before those for DoD, then the newest source first."""
    groups: dict[str, list[Pair]] = {}
    for pair in pairs:
        same = groups.setdefault(pair.commercial, [])
        if any(other.government == pair.government for other in same):
            raise FixTheInput(
                f"{origin}: {pair.commercial} -> {pair.government} stands twice.", next_step="Remove one of the lines."
            )
        same.append(pair)
    return {
        suffix: tuple(
            sorted(same, key=lambda pair: (pair.scope == "DoD", -(pair.source.dated or date.min).toordinal()))
        )
        for suffix, same in groups.items()
    }


def _template(suffix: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", suffix)
    names = [f"(?P<{part}>{_LABEL})" if number % 2 else re.escape(part) for number, part in enumerate(parts)]
    return re.compile("".join(names), re.IGNORECASE)


def _finder(suffixes: Mapping[str, Any], keep: Mapping[str, str], domains: frozenset[str]) -> re.Pattern[str]:
    """One pattern for all. The search goes from left to right, so the longest suffix of a host is found first."""
    plain = [re.sub(r"\\\{\w+\\\}", lambda _: _LABEL, re.escape(suffix)) for suffix in {*suffixes, *domains} - {*keep}]
    whole = [rf"(?<!\.){re.escape(host)}" for host in keep]
    ordered = "|".join([*whole, *sorted(plain, key=lambda one: (-len(one), one))])
    return re.compile(f"{_NO_LABEL_BEFORE}(?:{ordered}){_NO_LABEL_AFTER}", re.IGNORECASE | re.ASCII)


def _hint(hosts: set[str]) -> re.Pattern[str]:
    """The last two labels, of which every known host has one: a short alternation that rejects most texts at once."""
    endings = sorted({host.partition(":")[0].rpartition(".")[2] for host in hosts})
    return re.compile(rf"\.(?:{'|'.join(endings)})(?![A-Za-z0-9_])", re.IGNORECASE)
