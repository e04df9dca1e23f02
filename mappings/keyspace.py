"""Guesses where in a container names lie, from the few that were seen: so that several can list it at once. Pure.

A name is read as a number of mixed base: at each place stand the characters seen there, with the rest of their class
(digits, letters of one case), since numbering goes on. A wrong guess costs a request and never an object.
"""

from __future__ import annotations

from collections.abc import Iterable
from string import ascii_lowercase, ascii_uppercase, digits

_PLACES = 64
"""Characters of a name that count; names that differ later only are not told apart."""


class KeySpace:
    """What was seen of the names of one container; grows with each page, and stays small."""

    def __init__(self) -> None:
        self._seen: list[set[str]] = []
        self._places: list[str] = []

    def learn(self, names: Iterable[str]) -> None:
        """Take names of a page; a few dozen of them tell enough."""
        for name in names:
            cut = name[:_PLACES]
            while len(self._seen) < len(cut):
                self._seen.append(set())
            for place, char in enumerate(cut):
                self._seen[place].add(char)
        self._places = [_alphabet(seen) for seen in self._seen]

    def beyond(self, first: str, last: str, pages: int) -> str | None:
        """A name about `pages` pages behind a page that goes from `first` to `last`; None where none comes to mind."""
        low = self._number(last)
        return self._between(low + pages * max(1, low - self._number(first)), last, None)

    def middle(self, low: str, high: str) -> str | None:
        """A name about half way from `low` to `high`, excluding both; None where none comes to mind."""
        return self._between((self._number(low) + self._number(high)) // 2, low, high)

    def pages_left(self, first: str, last: str, end: str) -> float:
        """How many pages like the one from `first` to `last` lie between it and `end`, about."""
        low = self._number(last)
        return max(0, self._number(end) - low) / max(1, low - self._number(first))

    def _number(self, name: str) -> int:
        number = 0
        for place, chars in enumerate(self._places):
            # Rank 0 is the end of the name. A character that was never seen here counts as its neighbour.
            rank = sum(one <= name[place] for one in chars) if place < len(name) else 0
            number = number * (len(chars) + 1) + rank
        return number

    def _between(self, number: int, low: str, high: str | None) -> str | None:
        chars: list[str] = []
        for alphabet in reversed(self._places):
            number, rank = divmod(number, len(alphabet) + 1)
            # What stood behind the end of a name means nothing.
            chars = [alphabet[rank - 1], *chars] if rank else []
        name = "".join(chars)
        return name if number == 0 and low < name and (high is None or name < high) else None


def _alphabet(seen: set[str]) -> str:
    chars = set(seen)
    for whole in (digits, ascii_lowercase, ascii_uppercase):
        here = seen & set(whole)
        hexadecimal = seen & set(digits) and here <= set("abcdefABCDEF") and whole is not digits
        if here:
            chars |= set(whole[:6]) if hexadecimal else set(whole)
    return "".join(sorted(chars))
