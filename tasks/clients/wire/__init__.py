"""The lean data plane: our few requests of the blob service, on an HTTP/1.1 client of our own.

From below: `answers` reads HTTP answers, `line` is one TLS connection, `dial` opens it (proxy, verification), `pool`
keeps the open ones of a host, `heads` writes requests, `auth` signs them, `caller` owns the retries, `account` lists
and reads, `source` and `target` are what the engine gets.
"""

from tasks.clients.wire.source import WireSource
from tasks.clients.wire.target import WireTarget

__all__ = ["WireSource", "WireTarget"]
