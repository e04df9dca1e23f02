"""The estates that the sandbox can be filled with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path

from sandbox.estates import hollis_county, large, tiny
from sandbox.estates.exported import estate_from_file
from sandbox.estates.model import Estate

ESTATES: Mapping[str, Callable[[], Estate]] = {
    "hollis-county": hollis_county.estate,
    "hollis-county+archive": partial(hollis_county.estate, archive=True),
    "tiny": tiny.estate,
}


def load_estate(name_or_path: str) -> Estate:
    """The estate called so.

    Args:
        name_or_path: a name in `ESTATES`, `large-RESOURCES-SUBSCRIPTIONS` (see `large`), the path of a JSON file (see
            `exported.estate_from_file`), or `module:attribute`, where the attribute is an `Estate` or makes one when
            called.

    Raises:
        ValueError: there is no such estate, or the file or module does not hold one.
    """
    if sized := large.NAME.fullmatch(name_or_path):
        return large.estate(int(sized[1]), int(sized[2]))
    if name_or_path in ESTATES:
        return ESTATES[name_or_path]()
    path = Path(name_or_path)
    if path.suffix.lower() == ".json" or path.is_file():
        return estate_from_file(path)
    module, colon, attribute = name_or_path.partition(":")
    if colon and module and attribute:
        return _from_module(module, attribute)
    raise ValueError(
        f'There is no estate "{name_or_path}". Use one of {", ".join(ESTATES)}, large-RESOURCES-SUBSCRIPTIONS, '
        "the path of a JSON file, or module:attribute."
    )


def _from_module(module: str, attribute: str) -> Estate:
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as wrong:
        raise ValueError(f'There is no estate "{module}:{attribute}": {wrong}.') from wrong
    estate = found() if callable(found) else found
    if not isinstance(estate, Estate):
        raise ValueError(f"{module}:{attribute} is not an Estate and does not make one.")
    return estate
