"""Files that are whole or absent, and readable by their owner only."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write `content` to `path`: a temporary file beside it, flushed to the disk, then renamed. Mode 0600.

    Raises:
        OSError: the folder cannot be written or the disk is full; what stood at `path` still stands.
    """
    # mkstemp makes the file with mode 0600, whatever the umask.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    unfinished = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
