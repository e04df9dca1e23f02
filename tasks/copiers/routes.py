"""Which way bytes travel between one pair of accounts, and when that changes in mid-run.

A pair that cannot be pulled streams, but not for ever: a firewall is opened, a network rule spreads. After a while one
object tries the pull again; where it works the others follow, where it does not they stream on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from mappings.objects import BlobType
from mappings.states import Route

Pair = tuple[str, str, BlobType]
TRY_AGAIN = timedelta(minutes=10)
"""Network rules and roles take minutes to spread ("Azure Storage firewalls", "Troubleshoot Azure RBAC")."""
MOST_NAMED = 200
"""Objects of one pair that are named as refused; the route of every object stands in the manifests."""


@dataclass(frozen=True, slots=True)
class RouteEvent:
    """One thing learnt about a pair of accounts; goes to the event log, the end of the run, `status` and the report."""

    at: datetime
    source_account: str
    target_account: str
    route: Route
    """The route from then on, for the object or for the pair."""
    name: str
    """The object that it happened to, "" where it is about the whole pair."""
    reason: str
    blob_type: BlobType = BlobType.BLOCK
    """A service may take Put Block From URL from a source and refuse Put Page From URL, so each type stands alone."""


class RouteBook:
    """The route of every account pair of one run, by type of blob; shared by all shards of a process.

    Args:
        mode: "auto" pulls where the pair allows it and falls back; "pull" never falls back; "stream" never pulls.
        patience: refused objects in a row after which a pair streams.
        again: how long it does before one object tries to be pulled again.
    """

    def __init__(
        self,
        mode: Literal["auto", "pull", "stream"] = "auto",
        *,
        patience: int = 3,
        again: timedelta = TRY_AGAIN,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.mode = mode
        self._patience, self._again, self._clock = patience, again, clock
        self._known: set[Pair] = set()
        self._streams_until: dict[Pair, datetime] = {}
        self._trying: set[Pair] = set()
        """Pairs that stream, and of which an object has been sent to try the pull."""
        self._refused_in_a_row: dict[Pair, int] = {}
        self._named: dict[Pair, int] = {}
        self.events: list[RouteEvent] = []

    def route(self, source_account: str, target_account: str, blob_type: BlobType = BlobType.BLOCK) -> Route:
        """The way the next object of this pair travels. Now and then, of a pair that streams, one tries the pull."""
        if self.mode == "stream":
            return Route.STREAM
        pair = source_account, target_account, blob_type
        until = self._streams_until.get(pair)
        if until is None:
            return Route.PULL
        now = self._clock()
        if now < until:
            return Route.STREAM
        self._streams_until[pair] = now + self._again
        self._trying.add(pair)
        return Route.PULL

    def standing(self, source_account: str, target_account: str, blob_type: BlobType = BlobType.BLOCK) -> Route:
        """The way that the pair's objects take at the moment; to look at, without a try."""
        streams = self.mode == "stream" or (source_account, target_account, blob_type) in self._streams_until
        return Route.STREAM if streams else Route.PULL

    def knows(self, source_account: str, target_account: str, blob_type: BlobType = BlobType.BLOCK) -> bool:
        """Whether a probe, or another worker, has answered for this pair."""
        return (source_account, target_account, blob_type) in self._known

    @property
    def may_fall_back(self) -> bool:
        return self.mode != "pull"

    def probed(
        self,
        source_account: str,
        target_account: str,
        *,
        ok: bool,
        reason: str = "",
        blob_type: BlobType = BlobType.BLOCK,
    ) -> None:
        """Keep what a probe of the pair found."""
        pair = source_account, target_account, blob_type
        self._set(pair, Route.PULL if ok else Route.STREAM)
        self._tell(pair, self.standing(*pair), "", reason or "the probe passed")

    def heard(
        self,
        source_account: str,
        target_account: str,
        route: Route,
        blob_type: BlobType = BlobType.BLOCK,
    ) -> None:
        """Take over what another worker has learnt about the pair and has recorded."""
        self._set((source_account, target_account, blob_type), route)

    def refused(
        self,
        source_account: str,
        target_account: str,
        name: str,
        reason: str,
        *,
        of_pair: bool = True,
        blob_type: BlobType = BlobType.BLOCK,
    ) -> None:
        """The target service could not read `name` from the source: that object streams, and after enough the pair.

        Args:
            of_pair: False where the reason is the object's own and says nothing about the others.
        """
        pair = source_account, target_account, blob_type
        self._trying.discard(pair)
        self._named[pair] = self._named.get(pair, 0) + 1
        if self._named[pair] <= MOST_NAMED:
            self._tell(pair, Route.STREAM, name, reason)
        if not of_pair:
            return
        count = self._refused_in_a_row[pair] = self._refused_in_a_row.get(pair, 0) + 1
        if count == self._patience:
            self._set(pair, Route.STREAM)
            minutes = self._again.total_seconds() / 60
            again = f"one tries again in {minutes:.0f} minutes" if self.may_fall_back else "the settings allow no other"
            self._tell(pair, self.standing(*pair), "", f"{count} objects in a row could not be pulled; {again}")

    def pulled(self, source_account: str, target_account: str, blob_type: BlobType = BlobType.BLOCK) -> None:
        """A pull worked: the row of refusals is broken, and a pair that streamed pulls again."""
        if not self._refused_in_a_row and not self._streams_until:
            return
        pair = source_account, target_account, blob_type
        if pair in self._trying:
            self._set(pair, Route.PULL)
            self._tell(pair, Route.PULL, "", "a pull worked again")
        elif pair not in self._streams_until:
            # Of a pair that streams, this one was sent before that was known.
            self._refused_in_a_row.pop(pair, None)

    def _set(self, pair: Pair, route: Route) -> None:
        self._known.add(pair)
        self._trying.discard(pair)
        self._refused_in_a_row.pop(pair, None)
        if route is Route.PULL or not self.may_fall_back:
            self._streams_until.pop(pair, None)
        else:
            self._refused_in_a_row[pair] = self._patience
            self._streams_until[pair] = self._clock() + self._again

    def _tell(self, pair: Pair, route: Route, name: str, reason: str) -> None:
        source, target, blob_type = pair
        self.events.append(RouteEvent(self._clock(), source, target, route, name, reason, blob_type))
