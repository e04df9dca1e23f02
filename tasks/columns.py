"""Columns of Python values as Arrow arrays, made of their buffers.

`pyarrow.array` and `pyarrow.scalar` would do the same, but ask at their first call whether they were given something of
pandas, and import pandas to find out: a second and 60 MB in a worker that needs neither.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import accumulate
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

_CODES = {"int8": "b", "int32": "i", "int64": "q"}


def column(values: Sequence[Any], kind: pa.DataType) -> pa.Array[Any]:
    """An array of texts, whole numbers or times; None is null.

    Raises:
        ValueError: a time without a zone, which Arrow would take for UTC.
        TypeError: `kind` is none of these, or a value is not of it.
    """
    import pyarrow as pa

    if len(values) > 1 and values.count(values[0]) == len(values):
        return pa.repeat(column(values[:1], kind)[0], len(values))
    valid = None
    if None in values:
        bits = int("".join("0" if one is None else "1" for one in reversed(values)) or "0", 2)
        valid = pa.py_buffer(bits.to_bytes(-(-len(values) // 8), "little"))
    if pa.types.is_string(kind):
        return pa.Array.from_buffers(kind, len(values), [valid, *_texts(values, valid is not None)])
    if pa.types.is_timestamp(kind):
        numbers = array("q", [0 if one is None else microseconds(one) for one in values])
    elif str(kind) in _CODES:
        numbers = array(_CODES[str(kind)], [0 if one is None else one for one in values])
    else:
        raise TypeError(f"no column of {kind}")
    return pa.Array.from_buffers(kind, len(values), [valid, pa.py_buffer(numbers)])


def _texts(values: Sequence[Any], nulls: bool) -> tuple[pa.Buffer, pa.Buffer]:
    import pyarrow as pa

    texts = ["" if one is None else one for one in values] if nulls else values
    joined = "".join(texts)
    if joined.isascii():
        data, lengths = joined.encode("ascii"), map(len, texts)
    else:
        parts = [one.encode("utf-8") for one in texts]
        data, lengths = b"".join(parts), map(len, parts)
    return pa.py_buffer(array("i", accumulate(lengths, initial=0))), pa.py_buffer(data)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(moment: datetime) -> int:
    """Since 1970, exactly.

    Raises:
        ValueError: it has no zone, and Arrow would take it for UTC.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone")
    since = moment - _EPOCH
    return (since.days * 86400 + since.seconds) * 1_000_000 + since.microseconds
