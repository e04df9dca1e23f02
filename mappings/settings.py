"""`migration.toml` as a frozen value. The text is handed in; secrets are named by environment variable, never held."""

from __future__ import annotations

import difflib
import re
import tomllib
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from mappings.clouds import Cloud, cloud_named
from mappings.errors import FixTheInput
from mappings.filters import SETTINGS, Filters, NameList, parse_filters
from mappings.pacing import AUTO, MIB, Caps, Hours, Timetable
from mappings.redundancy import spelt

NAME_FORM = re.compile(r"^[a-z0-9][a-z0-9-]{1,38}[a-z0-9]$")
Guid = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", to_lower=True)]


AZCOPY_EXPOSES = (
    'mover = "azcopy" shows a SAS of the source in the list of processes of this machine, because AzCopy takes it on '
    "its command line only; it can read and list one container for four hours. Set azcopy_sas_in_argv = true where "
    "nobody else works on the machine"
)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Credential(_Part):
    """How one side signs in. One identity per cloud, never the same for both."""

    kind: Literal["client-secret", "certificate", "managed-identity", "workload-identity", "azure-cli"] = (
        "client-secret"
    )
    client_id: str = ""
    secret_env: str = ""
    """Environment variable that holds the client secret (`client-secret`)."""
    certificate_path: str = ""
    """PEM or PFX file (`certificate`)."""

    @model_validator(mode="after")
    def _complete(self) -> Credential:
        if self.kind == "client-secret" and not (self.client_id and self.secret_env):
            raise ValueError('kind "client-secret" needs client_id and secret_env')
        if self.kind == "certificate" and not (self.client_id and self.certificate_path):
            raise ValueError('kind "certificate" needs client_id and certificate_path')
        return self


class SharedKey(_Part):
    """A source account that can only be read with its key (classic accounts). Its use is a finding in the report."""

    account: str
    key_env: str
    """Environment variable that holds the account key."""


class Source(_Part):
    cloud: str
    tenant_id: Guid
    subscriptions: tuple[Guid, ...] = ()
    management_group: str = ""
    """Name of a management group: everything below it is inventoried. Either this or `subscriptions`."""
    credential: Credential
    shared_keys: tuple[SharedKey, ...] = ()

    @model_validator(mode="after")
    def _one_scope(self) -> Source:
        if bool(self.subscriptions) == bool(self.management_group):
            raise ValueError("name either subscriptions or a management_group, and not both")
        return self

    @property
    def in_cloud(self) -> Cloud:
        return cloud_named(self.cloud)


class Target(_Part):
    cloud: str
    tenant_id: Guid
    subscription: Guid
    credential: Credential
    region: str = ""
    """Azure Government region for everything that `regions` does not name; "" takes the nearest by the region table."""
    regions: dict[str, str] = Field(default_factory=dict)
    """Source region -> target region, where the customer decides otherwise than the region table."""
    resource_group_prefix: str = ""
    group_names: dict[str, str] = Field(default_factory=dict)
    """Source resource group -> target name, where the customer wants a name of their own."""
    account_names: dict[str, str] = Field(default_factory=dict)
    """Source storage account -> target name, where the customer wants a name of their own."""
    account_skus: dict[str, str] = Field(default_factory=dict)
    """Source storage account -> SKU in the target, e.g. "Standard_GRS", where the customer decides the redundancy."""

    @field_validator("account_skus")
    @classmethod
    def _known_skus(cls, given: dict[str, str]) -> dict[str, str]:
        for account, sku in given.items():
            if not spelt(sku):
                raise ValueError(f'"{sku}" of {account} is no SKU of storage accounts; one is "Standard_GRS"')
        return {account: spelt(sku) for account, sku in given.items()}

    @property
    def in_cloud(self) -> Cloud:
        return cloud_named(self.cloud)


class CopyFilter(_Part):
    """What of the containers is taken, besides `copy.accounts` and `copy.exclude_...`; frozen into each plan."""

    accounts: tuple[str, ...] = ()
    exclude_accounts: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    exclude_containers: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    exclude_prefixes: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    min_size: str = ""
    max_size: str = ""
    modified_after: str = ""
    modified_before: str = ""
    tags: tuple[str, ...] = ()
    exclude_tags: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    exclude_tiers: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    exclude_types: tuple[str, ...] = ()
    from_list: str = ""
    """File beside migration.toml that names the objects to take."""
    list_column: str = ""

    @model_validator(mode="after")
    def _readable(self) -> CopyFilter:
        self.as_filters()
        return self

    def as_filters(self, listed: NameList | None = None) -> Filters:
        """These filters as the engine's value.

        Args:
            listed: what `from_list` names, read.

        Raises:
            FixTheInput: a size, date, tag or type is written wrongly.
        """
        return parse_filters(self.model_dump(), origin=SETTINGS, listed=listed)


class CustomerKey(_Part):
    """An AES-256 key that blobs of the source were written with (customer-provided key)."""

    account: str
    """Glob pattern on the source account; which blob a key opens is told by the key's SHA-256."""
    key_env: str
    """Environment variable that holds the key in Base64. Under which keys the copies are is said in `target_keys`."""


class TargetKey(_Part):
    """An AES-256 key that blobs of the target are written with (customer-provided key)."""

    container: str
    """Glob pattern on `account/container` of the source; the first entry that fits counts for all blobs there."""
    key_env: str
    """Environment variable that holds the key in Base64. It is not kept anywhere: who loses it loses the copies."""


class Copy(_Part):
    route: Literal["auto", "pull", "stream"] = "auto"
    client: Literal["wire", "sdk"] = "wire"
    """What carries blob requests: govlift's own lean client, or azure-storage-blob, which needs ten times the CPU."""
    proof: Literal["L0", "L1", "L2", "L3"] = "L2"
    """Level that every copied object must reach before the run may call itself complete."""
    concurrency: Annotated[int, Field(ge=1, le=AUTO)] | Literal["auto"] = 512
    """Objects in flight per worker and target account, at most; how many there are follows the service's answers.
    "auto" leaves the maximum to govlift."""
    max_requests_per_second: float = Field(default=0.0, ge=0)
    """Cap on requests a second to either side, over all workers of a run; 0 is none. docs/steering.md says which."""
    max_mib_per_second: float = Field(default=0.0, ge=0)
    """Cap on the bytes that are read from an account, by a pull or by a worker, over all workers of a run; 0 is none.
    Each time counts: what is pulled, and read once more for its proof, counts twice."""
    mover: Literal["govlift", "azcopy"] = "govlift"
    """Who carries new objects. What AzCopy carried is compared by content, and copied anew where it is not equal."""
    azcopy: str = "azcopy"
    """AzCopy's program, by name or path."""
    azcopy_sas_in_argv: bool = False
    """Accepts that AzCopy's command line shows a SAS of the source to every user of the machine."""
    throttle_minutes: float = Field(default=15.0, ge=0)
    """How long an object that is only throttled is tried again before it counts as failed."""
    role_wait_minutes: float = Field(default=10.0, ge=0)
    """How long the start of a run waits for a data role that was just given, and answers 403 until it has spread."""
    hours: str = ""
    """Daily window in which a run sends requests, e.g. "20:00-06:00"; "" is round the clock."""
    hours_zone: str = "UTC"
    """Time zone of `hours` by its IANA name, e.g. "America/New_York"."""
    outside_requests_per_second: float = Field(default=0.0, ge=0)
    """Cap outside of `hours`; where both outside caps are 0 the run pauses there."""
    outside_mib_per_second: float = Field(default=0.0, ge=0)
    """The same, in bytes."""
    workers: int = Field(default=0, ge=0, le=64)
    """Worker processes of this machine; 0 leaves it to govlift: one per CPU up to 8, none extra for a small job."""
    block_mib: int = Field(default=4, ge=1, le=100)
    shard_objects: int = Field(default=50_000, ge=100)
    """Objects per shard, about; fewer in a container that has not enough of them for several."""
    accounts: tuple[str, ...] = ()
    """Only these source accounts; empty takes all."""
    versions: Literal["all", "current"] = "all"
    """Whether previous versions of blobs are copied, where both accounts keep versions; else they are counted only."""
    immutability: Literal["unlocked", "locked", "report"] = "unlocked"
    """Retention policies and legal holds of containers, set last: a policy that is locked at the source stays unlocked,
    is locked too (which nobody can undo), or none is set and the report names them."""
    archive: Literal["exclude", "rehydrate"] = "exclude"
    """Archived blobs: counted and left out, or planned: the plan writes the list and the commands by which their owner
    brings them online, a re-sync copies what is online by then, and the target's copy goes to Archive after the proof.
    govlift itself changes no tier at the source."""
    customer_keys: tuple[CustomerKey, ...] = ()
    """Keys of blobs that were written with a customer-provided key."""
    target_keys: tuple[TargetKey, ...] = ()
    """Keys under which the copies are; a container that none fits is under the target account's own keys."""
    exclude_containers: tuple[str, ...] = ()
    """Glob patterns on `account/container`."""
    exclude_blobs: tuple[str, ...] = ()
    """Glob patterns on the blob name; an excluded blob is counted and named in the manifest."""
    filter: CopyFilter = Field(default_factory=CopyFilter)

    @field_validator("hours")
    @classmethod
    def _window(cls, given: str) -> str:
        return str(Hours.parse(given)) if given else given

    @model_validator(mode="after")
    def _argv_is_open(self) -> Copy:
        if self.mover == "azcopy" and not self.azcopy_sas_in_argv:
            raise ValueError(AZCOPY_EXPOSES)
        if self.mover == "azcopy" and self.target_keys:
            raise ValueError("target_keys need the mover govlift")
        return self

    @model_validator(mode="after")
    def _outside_of_what(self) -> Copy:
        if not self.hours and (self.outside_requests_per_second or self.outside_mib_per_second):
            raise ValueError("caps outside of the hours need hours")
        return self

    def target_key_of(self, account: str, container: str) -> TargetKey | None:
        """The key under which the copies of a container of the source are; None for the target account's own."""
        place = f"{account}/{container}"
        return next((one for one in self.target_keys if fnmatchcase(place, one.container)), None)

    @property
    def most_in_flight(self) -> int:
        """Objects in flight per worker and target account, at most."""
        return AUTO if self.concurrency == "auto" else self.concurrency

    @property
    def timetable(self) -> Timetable:
        """Caps and hours as one value."""
        outside = Caps(self.outside_requests_per_second, self.outside_mib_per_second * MIB)
        return Timetable(
            inside=Caps(self.max_requests_per_second, self.max_mib_per_second * MIB),
            hours=Hours.parse(self.hours) if self.hours else None,
            outside=outside if outside.any else None,
        )


class Assess(_Part):
    overlays: tuple[str, ...] = ()
    """Customer rule files beside migration.toml; their rules add to the catalogue or override its rules by name."""
    rule_age_days: int = Field(default=365, ge=1)
    """A rule that was checked longer ago than this is stale: it still decides, and the report warns."""
    program: str = "program.toml"
    """The CSP program sheet, beside migration.toml."""
    name_words: tuple[str, ...] = ()
    """Words of the customer that must not stand in a name or tag of the target, besides those of the catalogue."""
    name_allow: tuple[str, ...] = ()
    """Names and words that were looked at and may stay."""


class Pace(_Part):
    """What the copy-time estimate assumes until runs of this migration have been measured."""

    mib_per_second: float = Field(default=60.0, gt=0)
    objects_per_second: float = Field(default=80.0, gt=0)
    hours_per_day: float = Field(default=24.0, gt=0, le=24)
    churn_per_day: float = Field(default=0.01, ge=0, le=1)
    """Share of the bytes that changes in a day; sizes the last delta before the cutover."""


class Ledger(_Part):
    url: str = ""
    """SQLAlchemy URL; "" is `ledger.db` in the migration folder."""


class Settings(_Part):
    """One customer's migration."""

    name: Annotated[str, StringConstraints(pattern=NAME_FORM.pattern)]
    customer: str = ""
    """Name printed on reports; "" prints `name`."""
    marking: str = ""
    """Customer-supplied marking for every page of a report; none by default."""
    source: Source
    target: Target
    copy_: Copy = Field(default_factory=Copy, alias="copy")
    assess: Assess = Field(default_factory=Assess)
    pace: Pace = Field(default_factory=Pace)
    ledger: Ledger = Field(default_factory=Ledger)

    @model_validator(mode="after")
    def _two_sides(self) -> Settings:
        if self.source.in_cloud == self.target.in_cloud:
            raise ValueError(
                f"source.cloud and target.cloud are both {self.source.cloud}; govlift moves between two clouds"
            )
        if self.source.tenant_id == self.target.tenant_id:
            raise ValueError("source.tenant_id and target.tenant_id are the same; each cloud has tenants of its own")
        return self


def require_name(name: str) -> None:
    """Refuse what `Settings.name` would refuse.

    Raises:
        FixTheInput: it has another form.
    """
    if not NAME_FORM.fullmatch(name):
        raise FixTheInput(f'"{name}" is {_FORMS["name"]}.', next_step="Choose another name with --name.")


def parse_settings(text: str, *, origin: str) -> Settings:
    """Read `migration.toml`.

    Args:
        text: the file's content.
        origin: its name, for messages.

    Raises:
        FixTheInput: not TOML, a key missing, unknown or of the wrong form; names the key and what would be right.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as wrong:
        raise FixTheInput(
            f"{origin} is not valid TOML: {wrong}.", next_step="Correct that line and run again."
        ) from None
    try:
        return Settings.model_validate(data)
    except FixTheInput as wrong:
        raise FixTheInput(f"{origin}: {wrong.sentence}", next_step=wrong.next_step) from None
    except ValidationError as wrong:
        raise FixTheInput(_sentence(wrong, data, origin), next_step=f"Correct {origin} and run again.") from None


_FORMS = {
    "name": "no name of a migration (3 to 40 lower-case letters, digits and dashes)",
    "id": "no id of the form 00000000-0000-0000-0000-000000000000",
}


def _sentence(wrong: ValidationError, data: dict[str, Any], origin: str) -> str:
    # An unknown key first: it is most often the misspelling of the one that is missing.
    first, *rest = sorted(wrong.errors(), key=lambda error: error["type"] != "extra_forbidden")
    where = ".".join(str(part) for part in first["loc"])
    more = f" ({len(rest)} more after it)" if rest else ""
    match first["type"]:
        case "missing":
            what = f'the key "{where}" is missing'
        case "extra_forbidden":
            close = difflib.get_close_matches(str(first["loc"][-1]), _keys_beside(first["loc"]), n=1)
            hint = f'; did you mean "{close[0]}"' if close else ""
            what = f'the key "{where}" is unknown{hint}'
        case "string_pattern_mismatch":
            what = f'"{where}" is {_FORMS["name" if where == "name" else "id"]}: {first["input"]!r}'
        case _:
            what = (
                f'"{where}": {first["msg"].removeprefix("Value error, ")}'
                if where
                else first["msg"].removeprefix("Value error, ")
            )
    return f"{origin}: {what}{more}."


def _keys_beside(place: tuple[int | str, ...]) -> list[str]:
    """The keys that are known where the unknown one stands."""
    part: Any = Settings
    for step in place[:-1]:
        if isinstance(step, int):
            continue
        found = next((f for n, f in part.model_fields.items() if step in (n, f.alias)), None)
        if found is None:
            return []
        kind = found.annotation
        inner = [arg for arg in getattr(kind, "__args__", ()) if isinstance(arg, type) and issubclass(arg, BaseModel)]
        part = inner[0] if inner else kind
        if not (isinstance(part, type) and issubclass(part, BaseModel)):
            return []
    return [field.alias or name for name, field in part.model_fields.items()]
