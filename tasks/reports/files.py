"""Files that are whole or absent, and readable by their owner only."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedRandom
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[BufferedRandom]:
    """A file to write what will stand at `path`: beside it until the block ends, then flushed and renamed. Mode 0600.

    Raises:
        OSError: the folder cannot be written or the disk is full; what stood at `path` still stands, as it does after
            any other error in the block.
    """
    # mkstemp makes the file with mode 0600, whatever the umask.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    unfinished = Path(name)
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """Write `content` to `path`. Raises as `whole_file`."""
    with whole_file(path) as file:
        file.write(content)
