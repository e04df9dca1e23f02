"""Where an ARM path points: the scope, the type and the name in it."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SUBSCRIPTION = re.compile(r"/subscriptions/([^/]+)", re.IGNORECASE)
_GROUP = re.compile(r"/subscriptions/[^/]+/resourcegroups/([^/]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ResourcePath:
    """An ARM path below a provider: of one resource, or of the list of a type (`name` is "")."""

    path: str
    scope: str
    """What stands before the last `/providers/`: a subscription, a group or another resource."""
    subscription: str
    group: str
    """"" outside of groups."""
    type: str
    """With the namespace, as written."""
    name: str
    """Of nested resources all names, with slashes."""

    @classmethod
    def parse(cls, path: str) -> ResourcePath | None:
        """The parts of `path`, or None where it does not lead below a provider of a subscription."""
        subscription = _SUBSCRIPTION.match(path)
        at = path.lower().rfind("/providers/")
        words = path[at:].strip("/").split("/")[1:]
        if subscription is None or at < 0 or len(words) < 2:
            return None
        group = _GROUP.match(path)
        return cls(
            path=path,
            scope=path[:at],
            subscription=subscription[1],
            group=group[1] if group else "",
            type="/".join([words[0], *words[1::2]]),
            name="/".join(words[2::2]) if len(words) % 2 else "",
        )
