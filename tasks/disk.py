"""Writing files of the migration folder: what to do where the disk refuses."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mappings.errors import FixTheInput, ResumeLater

_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def writing(path: Path, what: str) -> Iterator[None]:
    """Turn a refusal of the disk into a sentence.

    Args:
        what: kind of file, e.g. "manifest".

    Raises:
        ResumeLater: the disk is full.
        FixTheInput: the folder cannot be written.
    """
    try:
        yield
    except OSError as wrong:
        if wrong.errno in _FULL:
            raise ResumeLater(
                f"The disk is full: the {what} {path} could not be written.",
                next_step="Free some space and give the same command again; it goes on where it stopped.",
            ) from wrong
        if wrong.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise FixTheInput(
                f"The {what} {path} cannot be written: {wrong.strerror}.",
                next_step="Make the migration folder writable for this user.",
            ) from wrong
        raise
