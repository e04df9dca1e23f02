"""The tables behind packages, volumes and losses: TOML text to frozen values; wrong data is refused with its place."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from mappings.errors import FixTheInput

TypeName = Annotated[str, StringConstraints(pattern=r"^(\*|[A-Za-z][\w.]*/[\w./$-]+)$", to_lower=True)]
Path = Annotated[str, StringConstraints(pattern=r"^[\w.]+$", to_lower=True)]
Words = Annotated[str, StringConstraints(min_length=3)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Hard(_Part):
    """Resources of these types that use each other move at one moment."""

    from_: TypeName = Field(alias="from")
    to: tuple[TypeName, ...] = Field(min_length=1)
    why: Words


class BackReference(_Part):
    """Paths at which resources of a type name their users, not what they use."""

    type: TypeName
    paths: tuple[Path, ...] = Field(min_length=1)


class NoOrder(_Part):
    """References of these types set no order between what they join."""

    types: tuple[TypeName, ...] = Field(min_length=1)
    paths: tuple[Path, ...] = ()
    why: Words


class OwnHosts(_Part):
    """Where resources of a type say which host names are theirs."""

    type: TypeName
    paths: tuple[Path, ...] = Field(min_length=1)


class Coupling(_Part):
    """How resources hang together."""

    checked: date
    app_tags: tuple[str, ...]
    group_keys: tuple[Path, ...]
    stores: frozenset[str]
    """Namespaces in lower case."""
    foundation: frozenset[TypeName]
    hub: frozenset[TypeName]
    hard: tuple[Hard, ...]
    no_order: tuple[NoOrder, ...]
    back_reference: tuple[BackReference, ...]
    host: tuple[OwnHosts, ...]


class Metric(_Part):
    """How Azure Monitor tells the size of one part of a resource."""

    type: TypeName
    part: str = ""
    """"blob", "file", "table" or "queue" of a storage account; "" for the whole resource."""
    at: str = ""
    """What is asked, behind the resource's id."""
    bytes: str
    objects: str = ""
    bytes_factor: int = Field(default=1, ge=1)
    """Bytes in one unit of the metric `bytes`."""
    split: tuple[str, ...] = ()
    """Dimensions to split by: an aggregation over their values would not be their sum."""
    combine: Literal["sum", "max"] = "sum"
    """How the split values make one: parts are added, of copies (regions) the largest counts."""
    aggregation: Literal["Average", "Maximum", "Total"]
    interval: Literal["PT5M", "PT1H"]
    source: Words


class Provisioned(_Part):
    """A property that says how much was provisioned: an upper bound."""

    type: TypeName
    path: Path
    factor: int = Field(ge=1)


class CountedElsewhere(_Part):
    """A type whose data is counted with other resources."""

    type: TypeName
    where: Words


class VolumeTable(_Part):
    """Where sizes can be had."""

    checked: date
    metric: tuple[Metric, ...]
    provisioned: tuple[Provisioned, ...]
    counted_elsewhere: tuple[CountedElsewhere, ...]


class LossEntry(_Part):
    """Something of a service that no way across the clouds keeps as it is."""

    id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    types: tuple[TypeName, ...] = Field(min_length=1)
    service: Words
    what: Words
    why: Words
    do: Words
    way: Literal["copy", "recreate", "export-import", "backup-restore", "lost"]
    """How the rest of the service moves; `lost` where nothing does."""
    source: Words
    dated: date | None = None
    """Date of the source itself, where it has one."""
    confidence: Literal["named", "inferred"] = "named"


class LossTable(_Part):
    """What is lost per service."""

    checked: date
    loss: tuple[LossEntry, ...]

    @model_validator(mode="after")
    def _one_of_each(self) -> LossTable:
        ids = [entry.id for entry in self.loss]
        if twice := sorted({one for one in ids if ids.count(one) > 1}):
            raise ValueError(f'the id "{twice[0]}" is there twice')
        return self


class MoveTables(_Part):
    """All tables that packages, volumes and losses are decided by."""

    coupling: Coupling
    volumes: VolumeTable
    losses: LossTable
    data_types: frozenset[str] = frozenset()
    """Types that hold customer data, in lower case."""


_Model = TypeVar("_Model", bound=BaseModel)
FILES = ("coupling.toml", "volumes.toml", "losses.toml")


def parse_move_tables(texts: Mapping[str, str], data_types: frozenset[str] = frozenset()) -> MoveTables:
    """Read the tables.

    Args:
        texts: file name (one of `FILES`) -> TOML text.
        data_types: types that hold customer data, in lower case.

    Raises:
        FixTheInput: a file is missing or wrong; names file and key.
    """
    coupling, volumes, losses = FILES
    return MoveTables(
        coupling=_read(Coupling, coupling, texts),
        volumes=_read(VolumeTable, volumes, texts),
        losses=_read(LossTable, losses, texts),
        data_types=data_types,
    )


def _read(kind: type[_Model], name: str, texts: Mapping[str, str]) -> _Model:
    if name not in texts:
        raise FixTheInput(f"The table {name} is missing.", next_step="Install govlift again; it ships with this file.")
    try:
        data: dict[str, Any] = tomllib.loads(texts[name])
        return kind.model_validate(data)
    except tomllib.TOMLDecodeError as wrong:
        raise FixTheInput(f"{name}: not valid TOML: {wrong}.", next_step="Correct that line and run again.") from None
    except ValidationError as wrong:
        # An unknown key first: it is most often the misspelling of the one that is missing.
        first = min(wrong.errors(), key=lambda error: error["type"] != "extra_forbidden")
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        message = first["msg"].removeprefix("Value error, ")
        raise FixTheInput(f"{name}: {where}: {message}.", next_step="Correct the table and run again.") from None
