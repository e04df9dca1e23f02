"""The customer at work: objects of the source are overwritten while they are copied, and every generation is known.

An object carries the number of its generation in its metadata, written by the same request as its content. So what
stands at the target is one whole generation, or bytes and number do not fit: torn.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests
from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas

from sandbox.estates import both_clouds
from sandbox.estates.building import account_key
from tests.kills.estate import EXPECTED, LARGE_HOT, SMALL_HOT, Key, content

LARGE_SHARE = 0.1
"""Of the overwrites, those of objects that stream in several blocks."""
LONGEST_REST = 0.06
"""Seconds between two overwrites, at most."""


@dataclass
class Generation:
    """One overwrite: when it was sent, and the ETag that it got; "" before its answer."""

    sent: float
    etag: str = ""


@dataclass
class Source:
    """Both source accounts, as their owner sees them."""

    state: Mapping[str, Any]
    overwritten: dict[Key, list[Generation]] = field(default_factory=dict)

    def now(self, key: Key) -> bytes:
        """The content that an object has; nobody may be writing."""
        written = len(self.overwritten.get(key, ()))
        return content(key[2], len(EXPECTED[key]), written) if written else EXPECTED[key]

    def is_whole(self, key: Key, data: bytes, number: int) -> bool:
        """Whether these bytes are the generation of this number, and that has existed."""
        if number > len(self.overwritten.get(key, ())):
            return False
        return data == (content(key[2], len(data), number) if number else EXPECTED[key])

    def stands_at(self, key: Key, etag: str, at: float) -> bool:
        """Whether an object surely had this ETag at a time, if it ever had it."""
        sent = [one for one in self.overwritten.get(key, ()) if one.sent <= at]
        # An ETag that no overwrite gave is that of the estate.
        return sent[-1].etag == etag if sent else True

    @property
    def overwrites(self) -> int:
        return sum(map(len, self.overwritten.values()))

    @contextmanager
    def in_use(self, chance: random.Random) -> Iterator[None]:
        """Overwrite objects at random moments while the block runs."""
        stop, wrong = threading.Event(), list[BaseException]()

        def work() -> None:
            try:
                with opened(self.state) as session:
                    while not stop.is_set():
                        self._overwrite(session, chance)
                        stop.wait(chance.uniform(0, LONGEST_REST))
            except BaseException as one:
                wrong.append(one)

        writer = threading.Thread(target=work, daemon=True)
        writer.start()
        try:
            yield
        finally:
            stop.set()
            writer.join()
        if wrong:
            raise wrong[0]

    def _overwrite(self, session: requests.Session, chance: random.Random) -> None:
        key = chance.choice(LARGE_HOT if chance.random() < LARGE_SHARE else SMALL_HOT)
        account, container, name = key
        known = self.overwritten.setdefault(key, [])
        number = len(known) + 1
        data = content(name, len(EXPECTED[key]), number)
        # Noted first: a copy may see it before its answer has come.
        known.append(Generation(time.time()))
        place = f"https://{account}.blob.core.windows.net/{container}/{name}"
        url = f"{place}?{sas_of(account, account_key(both_clouds.SEED, account), write=True)}"
        headers = {"x-ms-blob-type": "BlockBlob", "x-ms-meta-generation": str(number)}
        answer = session.put(url, data=data, headers=headers, timeout=30)
        assert answer.status_code == 201, (key, answer.status_code, answer.text)
        known[-1].etag = answer.headers["ETag"]


def opened(state: Mapping[str, Any]) -> requests.Session:
    """A session that reaches the clouds."""
    session = requests.Session()
    session.proxies = {"https": state["proxy"]}
    session.verify = state["ca_bundle"]
    # Otherwise REQUESTS_CA_BUNDLE of the machine stands above what is said here.
    session.trust_env = False
    return session


def sas_of(account: str, key: str, *, write: bool = False) -> str:
    may = ResourceTypes(object=True), AccountSasPermissions(read=True, write=write)
    return str(generate_account_sas(account, key, *may, expiry="2036-01-01T00:00:00Z"))
