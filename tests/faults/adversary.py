"""Writers that overwrite blobs of the source all the time while somebody copies them, and the judge of what arrived.

Every generation of a blob is noise of its own, of the same size as all others, and its SHA-256 is noted before it is
written. So whatever stands at the target either is one of the generations that existed, or is torn.
"""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobServiceClient, ContainerClient

KIB = 1024
BLOCK = 64 * KIB
"""Size of the blocks that the copies under attack are cut into."""
SIZES: Mapping[str, int] = {f"blocks/{n:02}": 4 * BLOCK + 17 for n in range(18)} | {
    f"one/{n:02}": 9000 for n in range(6)
}
"""Most take several blocks, so that no single request can make their copy atomic by luck; some take one request."""


@dataclass
class Adversary:
    """Overwrites the blobs of one container, from several threads, at random moments.

    Args:
        service: the source account, by its key: the customer's own applications.
        seed: draws which blob, when, and what.
    """

    service: BlobServiceClient
    container: str
    seed: int = 1
    threads: int = 2
    longest_rest: float = 0.05
    """Seconds between two writes of one thread, at most."""
    overwrites: int = 0
    """Done so far."""
    _known: dict[str, set[str]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _running: list[threading.Thread] = field(default_factory=list)
    _wrong: list[BaseException] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def prepare(self) -> None:
        """The container, and the first generation of every blob."""
        room = self.service.get_container_client(self.container)
        if not room.exists():
            room.create_container()
        draw = random.Random(self.seed)
        for name in SIZES:
            self._write(room, name, draw)

    def begin(self, overwrites: int) -> None:
        """Overwrite that many times, beside whatever the caller does."""
        self._stop.clear()
        aim = self.overwrites + overwrites
        self._running = [
            threading.Thread(target=self._work, args=(random.Random(f"{self.seed}/{aim}/{n}"), aim), daemon=True)
            for n in range(self.threads)
        ]
        for thread in self._running:
            thread.start()

    @property
    def busy(self) -> bool:
        return any(thread.is_alive() for thread in self._running)

    def end(self, *, at_once: bool = False) -> None:
        """Wait until they are done.

        Raises:
            Exception: a write failed.
        """
        if at_once:
            self._stop.set()
        for thread in self._running:
            thread.join()
        if self._wrong:
            raise self._wrong[0]

    def torn(self, found: Mapping[str, bytes]) -> list[str]:
        """Names whose content is no generation that ever existed."""
        return [name for name, data in found.items() if hashlib.sha256(data).hexdigest() not in self._known[name]]

    def _work(self, draw: random.Random, aim: int) -> None:
        try:
            room = self.service.get_container_client(self.container)
            while not self._stop.is_set():
                with self._lock:
                    if self.overwrites >= aim:
                        return
                    self.overwrites += 1
                self._write(room, draw.choice(list(SIZES)), draw)
                time.sleep(draw.random() * self.longest_rest)
        except Exception as wrong:
            self._wrong.append(wrong)

    def _write(self, room: ContainerClient, name: str, draw: random.Random) -> None:
        data = draw.randbytes(SIZES[name])
        # Noted first: a copy may see it before the answer to the write has come.
        with self._lock:
            self._known.setdefault(name, set()).add(hashlib.sha256(data).hexdigest())
        room.get_blob_client(name).upload_blob(data, overwrite=True)


def contents(service: BlobServiceClient, container: str) -> dict[str, bytes]:
    """All blobs of a container; nobody else may be writing there."""
    room = service.get_container_client(container)
    try:
        return {item.name: room.download_blob(item.name).readall() for item in room.list_blobs()}
    except ResourceNotFoundError:
        return {}
