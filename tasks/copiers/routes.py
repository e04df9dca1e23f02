"""Which way bytes travel between one pair of accounts, and when that changes in mid-run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from mappings.states import Route


@dataclass(frozen=True, slots=True)
class RouteEvent:
    """One thing learnt about a pair of accounts; goes to the event log and the report."""

    at: datetime
    source_account: str
    target_account: str
    route: Route
    """The route from then on, for the object or for the pair."""
    name: str
    """The object that it happened to, "" where it is about the whole pair."""
    reason: str


class RouteBook:
    """The route of every account pair of one run; shared by all shards of a process.

    Args:
        mode: "auto" pulls where the pair allows it and falls back; "pull" never falls back; "stream" never pulls.
        patience: refused objects in a row after which a pair streams for the rest of the run.
    """

    def __init__(
        self,
        mode: Literal["auto", "pull", "stream"] = "auto",
        *,
        patience: int = 3,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.mode = mode
        self._patience = patience
        self._clock = clock
        self._routes: dict[tuple[str, str], Route] = {}
        self._refused_in_a_row: dict[tuple[str, str], int] = {}
        self.events: list[RouteEvent] = []

    def route(self, source_account: str, target_account: str) -> Route:
        """The way the next object of this pair travels."""
        first = Route.STREAM if self.mode == "stream" else Route.PULL
        return self._routes.get((source_account, target_account), first)

    def knows(self, source_account: str, target_account: str) -> bool:
        """Whether a probe has answered for this pair."""
        return (source_account, target_account) in self._routes

    @property
    def may_fall_back(self) -> bool:
        return self.mode != "pull"

    def probed(self, source_account: str, target_account: str, *, ok: bool, reason: str = "") -> None:
        """Keep what a probe of the pair found."""
        pair = (source_account, target_account)
        route = Route.PULL if ok and self.mode != "stream" else Route.STREAM
        self._routes[pair] = route if self.may_fall_back else Route.PULL
        self._tell(pair, self._routes[pair], "", reason or "the probe passed")

    def refused(
        self, source_account: str, target_account: str, name: str, reason: str, *, of_pair: bool = True
    ) -> None:
        """The target service could not read `name` from the source: that object streams, and after enough the pair.

        Args:
            of_pair: False where the reason is the object's own and says nothing about the others.
        """
        pair = (source_account, target_account)
        self._tell(pair, Route.STREAM, name, reason)
        if not of_pair:
            return
        count = self._refused_in_a_row[pair] = self._refused_in_a_row.get(pair, 0) + 1
        if count == self._patience:
            self._routes[pair] = Route.STREAM
            self._tell(pair, Route.STREAM, "", f"{count} objects in a row could not be pulled")

    def pulled(self, source_account: str, target_account: str) -> None:
        """A pull worked: the row of refusals is broken."""
        self._refused_in_a_row[(source_account, target_account)] = 0

    def _tell(self, pair: tuple[str, str], route: Route, name: str, reason: str) -> None:
        self.events.append(RouteEvent(self._clock(), *pair, route, name, reason))
