"""Shapes in names and tags that look like data about a person, or like a secret. Used by `mappings.nameguard`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_MAIL = re.compile(r"(?<![\w.+-])([A-Za-z0-9][\w.+'-]{0,63})@((?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,24})(?![\w-])")
_SSN = re.compile(r"(?<![\w-])(?!000|666|9\d\d)\d{3}[- ](?!00)\d{2}[- ](?!0000)\d{4}(?![\w-])")
_PHONE = re.compile(r"(?<![\w.-])(?:\+?1[-. ]?)?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[-. ])[2-9]\d{2}[-. ]\d{4}(?![\w-])")
_DATE = re.compile(
    r"(?<!\d)(?:(?:19|20)\d\d[-/.]?[01]\d[-/.]?[0-3]\d|[01]?\d[-/.][0-3]?\d[-/.](?:(?:19|20)\d\d))(?!\d)"
)
_NUMBER = re.compile(r"(?=[\w -]*\d{3})[A-Za-z0-9][\w -]{4,24}")
_PERSON = re.compile(
    r"[A-Z][a-z'\u2019]+(?:-[A-Z][a-z]+)?(?: [A-Z]\.?)?(?: [A-Z][A-Za-z'\u2019]+(?:-[A-Z][a-z]+)?){1,2}"
    r"|[A-Z][A-Za-z'\u2019-]+, [A-Z][a-z]+(?: [A-Z]\.?)?"
    r"|[a-z]{2,20}[._][a-z]{2,25}"
)
_ROLE_MAIL = re.compile(r"(?i)(?:no-?reply|info|contact|webmaster|postmaster|abuse|hostmaster)$")
_SHAPES = (
    ("a storage key or connection string", re.compile(r"(?i)\b(?:AccountKey|SharedAccessKey|SharedAccessSignature)=")),
    ("a shared access signature", re.compile(r"(?i)(?:[?&;]|^)(?:sv|se|sp)=[^&]*&(?:.*&)?sig=")),
    ("a password in a connection string", re.compile(r"(?i)\b(?:Password|Pwd)\s*=\s*[^;\s]{3,}")),
    ("a signed token", re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}")),
    ("a private key", re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY")),
    ("a storage account key", re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{86}==")),
    ("a client secret", re.compile(r"(?<![\w~.-])[\w~.-]{3}\dQ~[\w~.-]{31,34}(?![\w~.-])")),
    ("an access token of another service", re.compile(r"\b(?:ghp_|gho_|github_pat_|xox[bp]-|AKIA|glpat-)[\w-]{10,}")),
)


@dataclass(frozen=True, slots=True)
class People:
    """Words that tell where a person is named. All in lower case; keys without separators."""

    people_keys: frozenset[str]
    no_person: frozenset[str]
    birth_keys: frozenset[str]
    licence_keys: frozenset[str]

    def masked(self, value: str) -> str:
        """`value` with what identifies somebody replaced: initials of names, the domain of an address."""
        if _MAIL.search(value):
            return _MAIL.sub(lambda match: f"{match[1][0]}***@{match[2]}", value)
        if re.search(r"\d", value):
            return re.sub(r"\d", "#", value)
        return re.sub(r"([^\W\d_])[^\W\d_]+", r"\1***", value)


@dataclass(frozen=True, slots=True)
class Secrets:
    keys: frozenset[str]
    no_secret: frozenset[str]


def parse_people(given: Mapping[str, Any]) -> People:
    """The part `[personal]` of the table."""
    return People(
        frozenset(key.replace(" ", "") for key in given["people_keys"]),
        frozenset(given["no_person"]),
        frozenset(given["birth_keys"]),
        frozenset(given["licence_keys"]),
    )


def parse_secrets(given: Mapping[str, Any]) -> Secrets:
    """The part `[secret]` of the table."""
    return Secrets(frozenset(given["keys"]), frozenset(given["no_secret"]))


def personal_in(text: str, key: str, people: People) -> list[str]:
    """Shapes of personal data in `text`, in words.

    Args:
        text: a name or a tag's value.
        key: the tag's key without separators in lower case, "" for a name.
        people: the words of the table.
    """
    found: list[str] = []
    if "@" in text and any(not _ROLE_MAIL.match(match[1]) for match in _MAIL.finditer(text)):
        found.append("an e-mail address")
    if any(map(str.isdigit, text)):
        if _SSN.search(text):
            found.append("a social security number")
        elif _PHONE.search(text):
            found.append("a telephone number")
        if key in people.birth_keys and _DATE.search(text):
            found.append("a date of birth")
        if key in people.licence_keys and _NUMBER.fullmatch(text.strip()) and not found:
            found.append("a personal document number")
    if key in people.people_keys and not found and _is_person(text.strip(), people):
        found.append("a person's name")
    return found


def secret_in(value: str, key: str, secrets: Secrets) -> str:
    """The shape of a secret in a tag's value; "" where there is none."""
    if len(value) < 6:
        return ""
    for shape, pattern in _SHAPES:
        if pattern.search(value):
            return shape
    plain = value.strip().lower()
    if key not in secrets.keys or plain in secrets.no_secret or plain.startswith(("@microsoft.keyvault(", "https://")):
        return ""
    # Words such as "stored in the vault" explain; a secret has no blanks.
    return "" if " " in plain or not re.search(r"\d|[^\w]", plain) else "a value under a key for secrets"


def _is_person(text: str, people: People) -> bool:
    if not _PERSON.fullmatch(text):
        return False
    words = re.split(r"[\s._,-]+", text.lower())
    return people.no_person.isdisjoint(words)
