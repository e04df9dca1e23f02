"""What may be shown of a text that a service or an SDK wrote: one line, without secrets."""

from __future__ import annotations

import re

_LONGEST = 400
_SECRETS = (
    (re.compile(r"(https?://[^\s?\"'<>]+)\?[^\s\"'<>]*"), r"\1"),
    (
        re.compile(r"(?i)\b(sig|signature|client_secret|client_assertion|accountkey|sharedkey|password)=[^\s&;\"'<>]+"),
        r"\1=REDACTED",
    ),
    (re.compile(r"(?i)\b(bearer|sharedkey)\s+\S{8,}"), r"\1 REDACTED"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}(\.[A-Za-z0-9_-]*){0,2}"), "REDACTED"),
)


def without_secrets(text: str) -> str:
    """`text` without query strings, signatures, tokens and keys."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


def clean(text: str) -> str:
    """One line of `text` without query strings, signatures, tokens and keys, at most 400 characters."""
    line = without_secrets(next((part.strip() for part in text.splitlines() if part.strip()), ""))
    return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."
