"""Whom connections trust: the certificates that the environment names, read once for all of a process."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache


def trust_at_hand() -> ssl.SSLContext:
    """The trusted certificates that the environment names now, read at the first call."""
    return _context(os.environ.get("SSL_CERT_FILE", ""), os.environ.get("SSL_CERT_DIR", ""))


@lru_cache(maxsize=4)
def _context(*_trusted: str) -> ssl.SSLContext:
    """What all connections share: reading the trusted certificates takes longer than opening one."""
    made = ssl.create_default_context()
    made.set_alpn_protocols(["http/1.1"])
    return made
