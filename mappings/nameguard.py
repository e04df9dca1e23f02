"""What names and tags tell to those who should not know: regimes, missions, people, secrets.

Microsoft advises against names that are "sensitive to business/mission functions" or "indicate customer regulatory
requirements" ("Considerations for naming Azure resources", azure-docs, 2020-03-17). The words and shapes stand in
`catalogue/tables/names.toml`. A name is cut into words first, so that "ear" in "search" and "cui" in "circuit" are
none. Values that look personal or secret are never repeated: a finding shows them masked.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from typing import Any

from mappings.errors import FixTheInput
from mappings.model import Inventory
from mappings.namepeople import People, Secrets, parse_people, parse_secrets, personal_in, secret_in

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_]+")
_BIG_WORD = re.compile(r"[A-Z]{2,}")
_WITH_DIGITS = re.compile(r"[A-Za-z]+\d+")


class Reveals(StrEnum):
    """What a name tells; also its severity, most severe first."""

    SECRET = "secret"
    REGIME = "regime"
    MISSION = "mission"
    PERSONAL = "personal"
    CUSTOMER = "customer"


class Part(StrEnum):
    """What was read."""

    NAME = "name"
    TAG = "tag"


@dataclass(frozen=True, slots=True)
class NameFinding:
    """One name or tag that tells too much."""

    place: str
    """ARM id, or `account/container`, of what bears it."""
    what: str
    """What bears it: "resource", "resource group", "subscription", "container"."""
    part: Part
    key: str
    """The tag's key; "" for a name."""
    text: str
    """The name, or the tag's value; masked where it looks personal or secret."""
    reveals: Reveals
    word: str
    """The word or shape that was found."""
    why: str
    source: str
    advice: str


@dataclass(frozen=True, slots=True)
class Word:
    parts: tuple[str, ...]
    """In lower case; one word or a phrase."""
    reveals: Reveals
    joined: str = ""
    not_in: tuple[str, ...] = ()
    only_with: frozenset[str] = frozenset()
    not_with: frozenset[str] = frozenset()
    capitals: bool = False

    @property
    def text(self) -> str:
        return " ".join(self.parts)


@dataclass(frozen=True, slots=True)
class Topic:
    """One thing that names can reveal, and what to say of it."""

    why: str
    advice: str
    source: str


@dataclass(frozen=True, slots=True)
class NameGuard:
    """The words and shapes, ready for use; made by `parse_names`, made a customer's own by `with_settings`."""

    words: Mapping[str, tuple[Word, ...]]
    """First part of a word -> the words that begin so."""
    joined: tuple[Word, ...]
    topics: Mapping[Reveals, Topic]
    classification_keys: frozenset[str]
    people: People
    secrets: Secrets
    allow: frozenset[str] = frozenset()
    """Names, tag keys, values and words in lower case that somebody has looked at and that may stay."""
    known: dict[tuple[str, bool], tuple[tuple[Reveals, str], ...]] = field(default_factory=dict, repr=False)
    """Answers for texts seen before: tags repeat thousands of times."""

    def with_settings(self, words: Iterable[str], allow: Iterable[str]) -> NameGuard:
        """This guard with the customer's own words and what the customer allows."""
        index = {first: list(found) for first, found in self.words.items()}
        for own in words:
            parts = tokens(own)
            if parts:
                index.setdefault(parts[0], []).append(Word(parts, Reveals.CUSTOMER))
        return replace(
            self,
            words={first: tuple(found) for first, found in index.items()},
            allow=self.allow | {one.strip().lower() for one in allow},
            known={},
        )

    def allows(self, finding: NameFinding) -> bool:
        """Whether the customer allows it: by the name or value, the tag's key, `key=value`, or the word."""
        text, key = finding.text.lower(), finding.key.lower()
        asked = {text, finding.word.lower(), f"{key}={text}", *([key] if key else [])}
        return not asked.isdisjoint(self.allow)

    def in_name(self, name: str, *, place: str, what: str) -> list[NameFinding]:
        """What the name tells, without what is allowed; each thing once."""
        shapes = [(Reveals.PERSONAL, shape) for shape in personal_in(name, "", self.people)]
        found = [*dict.fromkeys(self._search(name, False)), *shapes]
        made = [self._finding(place, what, Part.NAME, "", name, reveals, word) for reveals, word in found]
        return [one for one in made if not self.allows(one)]

    def in_tags(self, tags: Mapping[str, Any], *, place: str, what: str) -> list[NameFinding]:
        """What the tags tell, keys and values, without what is allowed; each thing once per tag."""
        found: list[NameFinding] = []
        for key, given in tags.items():
            value = "" if given is None else str(given)
            if f"{key}={value}".lower() in self.allow or value.lower() in self.allow or key.lower() in self.allow:
                continue
            for reveals, word, shown in self._in_tag(key, value):
                one = self._finding(place, what, Part.TAG, key, shown, reveals, word)
                if not self.allows(one):
                    found.append(one)
        return found

    def _in_tag(self, key: str, value: str) -> Iterator[tuple[Reveals, str, str]]:
        if key.lower().startswith("hidden-"):
            # Written by the portal, e.g. hidden-link:<id> and hidden-title; the title is a customer's text.
            if "title" not in key.lower():
                return
            key = "title"
        flat = flattened(key)
        secret = secret_in(value, flat, self.secrets)
        if secret:
            # Nothing of it is looked at further, so nothing of it can be shown.
            yield Reveals.SECRET, secret, "(not shown)"
            return
        personal = personal_in(value, flat, self.people)
        for shape in personal:
            yield Reveals.PERSONAL, shape, self.people.masked(value)
        shown = self.people.masked(value) if personal else value
        alone = flat in self.classification_keys
        told = dict.fromkeys([*self._words_in(value, alone=alone), *self._words_in(key)])
        for reveals, word in told:
            yield reveals, word, shown

    def _words_in(self, text: str, *, alone: bool = False) -> tuple[tuple[Reveals, str], ...]:
        """Words of the lists in a text. `alone`: it stands in a classification tag, where ordinary words count too."""
        if (text, alone) not in self.known:
            self.known[text, alone] = tuple(dict.fromkeys(self._search(text, alone)))
        return self.known[text, alone]

    def _search(self, text: str, alone: bool) -> Iterator[tuple[Reveals, str]]:
        parts = tokens(text)
        present = frozenset(parts)
        for number, part in enumerate(parts):
            for word in self.words.get(part, ()):
                if parts[number : number + len(word.parts)] == word.parts and _counts(word, text, present, alone):
                    yield word.reveals, word.text
            if len(part) > 3:
                for word in self.joined:
                    if part != word.parts[0] and _inside(word, part):
                        yield word.reveals, word.text

    def _finding(
        self, place: str, what: str, part: Part, key: str, text: str, reveals: Reveals, word: str
    ) -> NameFinding:
        topic = self.topics[reveals]
        return NameFinding(place, what, part, key, text, reveals, word, topic.why, topic.source, topic.advice)


def tokens(text: str) -> tuple[str, ...]:
    """The words of a name in lower case: cut at separators, before capitals, and between letters and digits.

    A word with digits at its end is also given whole, before its parts: `IL5Data` -> `il5`, `il`, `5`, `data`.
    """
    if text.islower() and text.isalpha():
        return (text,)
    found: list[str] = []
    for chunk in re.split(r"[\W_]+", text):
        whole = _WITH_DIGITS.match(chunk)
        if whole:
            found.append(whole[0].lower())
        found += [word.lower() for word in _WORD.findall(chunk)]
    return tuple(found)


def flattened(key: str) -> str:
    """A tag's key without separators, in lower case: `Created By` and `created-by` are one key."""
    return re.sub(r"[\W_]+", "", key).lower()


def _counts(word: Word, text: str, present: frozenset[str], alone: bool) -> bool:
    if word.not_with & present:
        return False
    if not word.only_with or word.only_with & present:
        return True
    if alone:
        return True
    # In a name that is all capitals nothing stands out.
    shouted = word.capitals and not text.isupper() and word.parts[0].upper() in _BIG_WORD.findall(text)
    return bool(shouted)


def _inside(word: Word, part: str) -> bool:
    inner = word.parts[0]
    if any(other in part for other in word.not_in):
        return False
    if word.joined == "edge":
        return part.startswith(inner) or part.endswith(inner)
    return inner in part


def parse_names(text: str, *, origin: str) -> NameGuard:
    """Read the words and shapes.

    Args:
        text: TOML.
        origin: its file, for messages.

    Raises:
        FixTheInput: not TOML, a key missing or unknown, or a source that the file does not have.
    """
    try:
        data = tomllib.loads(text)
        words = [
            _word(one, reveals) for reveals in (Reveals.REGIME, Reveals.MISSION) for one in data[reveals.value]["words"]
        ]
        topics = {reveals: _topic(data[reveals.value], data["source"]) for reveals in Reveals}
        people, secrets = parse_people(data["personal"]), parse_secrets(data["secret"])
        keys = frozenset(data["classification_keys"])
    except tomllib.TOMLDecodeError as wrong:
        raise FixTheInput(f"{origin} is not valid TOML: {wrong}.", next_step="Correct that line.") from None
    except (KeyError, TypeError) as wrong:
        raise FixTheInput(
            f"{origin}: {wrong} is missing or unknown.", next_step="Correct the key; the head of the file lists them."
        ) from None
    index: dict[str, list[Word]] = {}
    for word in words:
        index.setdefault(word.parts[0], []).append(word)
    return NameGuard(
        words={first: tuple(found) for first, found in index.items()},
        joined=tuple(word for word in words if word.joined),
        topics=topics,
        classification_keys=keys,
        people=people,
        secrets=secrets,
    )


def _word(given: Mapping[str, Any], reveals: Reveals) -> Word:
    more = {key: value for key, value in given.items() if key != "word"}
    for key in ("only_with", "not_with"):
        if key in more:
            more[key] = frozenset(more[key])
    if "not_in" in more:
        more["not_in"] = tuple(more["not_in"])
    # Cut as names are; the whole of a word with digits stands first, and is what a name is compared with.
    parts = tokens(given["word"])
    return Word(parts[:1] if any(map(str.isdigit, parts)) and " " not in given["word"] else parts, reveals, **more)


def _topic(given: Mapping[str, Any], sources: Mapping[str, Any]) -> Topic:
    source = sources[given["source"]]
    dated = source.get("dated")
    shown = f"{source['title']} ({source['where']}" + (f", {dated:%Y-%m-%d})" if isinstance(dated, date) else ")")
    return Topic(given["why"], given["advice"], shown)


def scan_names(inventory: Inventory, guard: NameGuard) -> list[NameFinding]:
    """Everything in the inventory that bears a name or tags: subscriptions, groups, resources, containers.

    Names of blobs are not read: they are data inside a resource, and no resource names in the sense of the guidance.
    """
    found: list[NameFinding] = []
    for subscription in inventory.subscriptions:
        place = f"/subscriptions/{subscription.id}"
        found += guard.in_name(subscription.name, place=place, what="subscription")
    groups = {group.id.lower() for group in inventory.groups}
    for group in inventory.groups:
        found += guard.in_name(group.name, place=group.id, what="resource group")
        found += guard.in_tags(group.tags, place=group.id, what="resource group")
    ids = {resource.id.lower() for resource in inventory.resources if "/" not in resource.name}
    for resource in inventory.resources:
        group_id = f"/subscriptions/{resource.subscription_id}/resourceGroups/{resource.resource_group}"
        if resource.resource_group and group_id.lower() not in groups:
            # An exported list has no groups of its own.
            groups.add(group_id.lower())
            found += guard.in_name(resource.resource_group, place=group_id, what="resource group")
        name = resource.name
        if "/" in name and resource.id.lower().rsplit("/", 2)[0] in ids:
            # The parent has a row of its own.
            name = name.rpartition("/")[2]
        found += guard.in_name(name, place=resource.id, what="resource")
        if resource.tags:
            found += guard.in_tags(resource.tags, place=resource.id, what="resource")
    for survey in inventory.containers:
        place = f"{survey.account}/{survey.container}"
        found += guard.in_name(survey.container, place=place, what="container")
    return worst_first(found)


def worst_first(findings: Sequence[NameFinding]) -> list[NameFinding]:
    """Most severe first, then by what bears it."""
    rank = {reveals: number for number, reveals in enumerate(Reveals)}
    return sorted(findings, key=lambda one: (rank[one.reveals], one.what, one.place.lower(), one.key, one.word))
