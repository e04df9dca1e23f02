"""The filter options that `plan`, `migrate` and `resync` share: declared once, given to each as one mapping."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

Many = list[str] | None


def _many(name: str, told: str) -> Any:
    return Annotated[Many, typer.Option(name, help=told, rich_help_panel="Filters")]


def _one(name: str, told: str) -> Any:
    return Annotated[str, typer.Option(name, help=told, rich_help_panel="Filters")]


PARTS: dict[str, Any] = {
    "accounts": _many("--account", "Only source accounts that fit this pattern; may be repeated, as all lists here."),
    "exclude_accounts": _many("--exclude-account", "Not these source accounts."),
    "containers": _many("--container", "Only containers that fit: a pattern on the name, or on account/container."),
    "exclude_containers": _many("--exclude-container", "Not these containers."),
    "prefixes": _many("--prefix", "Only names that begin so; nothing else is listed."),
    "exclude_prefixes": _many("--exclude-prefix", "Not names that begin so."),
    "include": _many("--include", "Only names that fit this pattern; * also matches a slash."),
    "exclude": _many("--exclude", "Not names that fit this pattern."),
    "min_size": _one("--min-size", "From this size on, e.g. 10MiB."),
    "max_size": _one("--max-size", "Up to this size."),
    "modified_after": _one("--modified-after", "Last modified from this moment on, e.g. 2026-11-01T08:00:00Z."),
    "modified_before": _one("--modified-before", "Last modified before this moment."),
    "tags": _many("--tag", "Only with this index tag, as key=value."),
    "exclude_tags": _many("--exclude-tag", "Not with this index tag."),
    "tiers": _many("--tier", "Only this access tier."),
    "exclude_tiers": _many("--exclude-tier", "Not this access tier."),
    "types": _many("--type", "Only block, append or page blobs."),
    "exclude_types": _many("--exclude-type", "Not these."),
    "from_list": Annotated[
        Path | None,
        typer.Option(
            "--from-list",
            help="Only objects on this list: account/container/name a line, CSV or JSON lines.",
            rich_help_panel="Filters",
        ),
    ],
    "list_column": _one("--list-column", "Column of the list that names the object."),
}
"""Field of `Filters` -> its option."""


def filtered(body: Callable[..., None]) -> Callable[..., None]:
    """Give a command all filter options; its argument `chosen` receives those that were given."""

    @functools.wraps(body)
    def with_filters(*args: Any, **kwargs: Any) -> None:
        given = {part: kwargs.pop(part, None) for part in PARTS}
        body(*args, chosen={part: value for part, value in given.items() if value}, **kwargs)

    own = inspect.signature(body, eval_str=True)
    parameters = [one for one in own.parameters.values() if one.name != "chosen"]
    parameters += [
        inspect.Parameter(
            part, inspect.Parameter.KEYWORD_ONLY, default="" if get_args(kind)[0] is str else None, annotation=kind
        )
        for part, kind in PARTS.items()
    ]
    known: Any = with_filters
    known.__signature__ = own.replace(parameters=parameters)
    with_filters.__annotations__ = {one.name: one.annotation for one in parameters}
    return with_filters
