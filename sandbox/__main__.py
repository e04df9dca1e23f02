"""`python -m sandbox serve`: the process that `sandbox.launcher.up` starts."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path

from sandbox.files import WRONG_CALL, LifeLock, StorageKind
from sandbox.server import estate_named, serve


def main() -> None:
    """Run a sandbox until it is told to end."""
    parser = argparse.ArgumentParser(prog="python -m sandbox")
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("serve", help="run a sandbox in the foreground")
    command.add_argument("--dir", type=Path, required=True)
    command.add_argument("--estate", default="hollis-county")
    command.add_argument("--storage", type=StorageKind, choices=list(StorageKind), default=StorageKind.OWN)
    command.add_argument("--ready-fd", type=int, help="a descriptor to write one byte to when everything answers")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    options.dir.mkdir(parents=True, exist_ok=True)

    def ready() -> None:
        logging.getLogger("sandbox").info("ready: estate %s, storage %s", options.estate, options.storage)
        if options.ready_fd is not None:
            os.write(options.ready_fd, b"1")
            os.close(options.ready_fd)

    with LifeLock(options.dir / ".alive") as lock:
        if not lock.take(wait=False):
            parser.error(f"another sandbox runs in {options.dir}")
        try:
            estate = estate_named(options.estate)
        except ValueError as wrong:
            # One line and the code of a wrong call: the launcher tells it to the caller as it is.
            sys.stderr.write(f"{wrong}\n")
            sys.exit(WRONG_CALL)
        asyncio.run(serve(options.dir, estate, options.storage, ready))


if __name__ == "__main__":
    main()
