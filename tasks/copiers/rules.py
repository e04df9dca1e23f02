"""What a copy run may do, as numbers; from `[copy]` in migration.toml."""

from __future__ import annotations

from dataclasses import dataclass

from mappings.delta import exclusion
from mappings.filter_tests import Test
from mappings.objects import ListedObject
from mappings.settings import Copy
from mappings.states import ProofLevel
from tasks.clients.crc64 import RANGE

MIB = 1024 * 1024
PAGE_WRITE = 4 * MIB
"""Most bytes of one Put Page (REST, "Put Page")."""
READ = RANGE
"""Bytes of one read."""
READ_AHEAD = 2 * READ
"""Most bytes that reading from one end to the other holds: the range at hand, and the next one on its way."""
MOST_BLOCKS = 50_000
"""Committed blocks of one block blob, and blocks of one append blob (REST, "Put Block List", "Append Block")."""


def reads(size: int) -> int:
    """Requests that reading so many bytes takes."""
    return -(-size // READ)


@dataclass(frozen=True, slots=True)
class CopyRules:
    """Limits and aims of one copy run. Sizes in bytes."""

    concurrency: int = 16
    """Objects in flight at one target account, at most."""
    block: int = 4 * MIB
    """Bytes of one block that goes through the mover."""
    whole_pull: int = 256 * MIB
    """Largest block blob taken by one Put Blob From URL."""
    pull_block: int = 64 * MIB
    """Bytes of one Put Block From URL."""
    page_write: int = PAGE_WRITE
    """Bytes of one Put Page, or Put Page From URL."""
    memory: int = 256 * MIB
    """Most content bytes held at once, over all objects in flight."""
    proof: ProofLevel = ProofLevel.L2
    """Level that every copied object must reach; below it an object counts as failed."""
    exclude_blobs: tuple[str, ...] = ()
    keys: frozenset[str] = frozenset()
    """SHA-256 (Base64) of the customer-provided keys that the source's client has."""
    target_key: str = ""
    """SHA-256 (Base64) of the customer-provided key that the target's client writes with; "" for the account's own."""
    rearchive: bool = False
    """Whether what was archived at the source is archived at the target again, once it is copied and proved."""
    chosen: Test | None = None
    """The filters of the run's plan for the container at hand; None takes everything."""
    attempts: int = 5
    """Starts of one object (source changed under the copy, throttled, ...) before it counts as failed."""
    overwrite_unknown: bool = False
    """Whether a blob at the target that govlift did not write may be overwritten; off unless a caller decides so."""
    patience: float = 0.0
    """Seconds for which an object that is only throttled is started again, beyond its `attempts`."""
    pause: float = 1.0
    """Seconds before a throttled object is tried again where the service named no time; doubles with each try."""

    @classmethod
    def from_settings(cls, copy: Copy) -> CopyRules:
        """The rules that `[copy]` asks for; sixteen blocks may be held at once, within 64 MiB to 512 MiB."""
        block = copy.block_mib * MIB
        return cls(
            concurrency=copy.most_in_flight,
            block=block,
            memory=min(512 * MIB, max(64 * MIB, 16 * block)),
            proof=ProofLevel[copy.proof],
            patience=60 * copy.throttle_minutes,
            exclude_blobs=copy.exclude_blobs,
            rearchive=copy.archive == "rehydrate",
        )

    def left_out(self, item: ListedObject) -> str:
        """Why this run leaves `item` out, with the remedy; "" where it does not."""
        if self.chosen is not None and (why := self.chosen(item)):
            return why
        return exclusion(item, self.exclude_blobs, self.keys)

    def stream_block(self, size: int) -> int:
        """Bytes a block for a streamed blob of `size` bytes, large enough to stay within the block count limit."""
        return max(self.block, -(-size // MOST_BLOCKS))

    def append_block(self, size: int) -> int:
        """Bytes of one Append Block: 4 MiB, which every API version takes, unless the block count demands more."""
        return max(PAGE_WRITE, -(-size // MOST_BLOCKS))

    def pulled_block(self, size: int) -> int:
        """Likewise for a pulled blob."""
        return max(self.pull_block, -(-size // MOST_BLOCKS))
