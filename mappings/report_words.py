"""Words of the report: numbers in sentences, service families, what verdicts, changes and proof levels mean."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache

from mappings.report_model import Cells, Column, Kind, Ref, Row, Value
from mappings.states import Change, ProofLevel, VerdictKind

VERDICT_ORDER = (
    VerdictKind.BLOCKED,
    VerdictKind.UNKNOWN,
    VerdictKind.REPLACE,
    VerdictKind.READY_WITH_CHANGES,
    VerdictKind.READY,
)
"""What a reader must see first comes first."""

VERDICT_MEANS = {
    VerdictKind.READY: "Offered in Azure Government as it is used today.",
    VerdictKind.READY_WITH_CHANGES: "Offered, after the changes named with each resource.",
    VerdictKind.REPLACE: "Not offered in this form; another service does the work.",
    VerdictKind.BLOCKED: "Cannot move until somebody decides.",
    VerdictKind.UNKNOWN: "No rule answers; somebody has to find out.",
}

CHANGE_MEANS = {
    Change.NEW: ("New at the source", "copied"),
    Change.CONTENT: ("Content changed", "copied again"),
    Change.SUSPECT: ("ETag moved, content to be compared", "read under the ETag and compared by CRC64"),
    Change.PROPERTIES: ("HTTP headers only", "headers written, no content sent"),
    Change.METADATA: ("Metadata only", "metadata written, no content sent"),
    Change.TAGS: ("Index tags only", "tags written, no content sent"),
    Change.TIER: ("Access tier only", "tier set, no content sent"),
    Change.DRIFTED: ("Changed at the target since the copy", "see the outcome of each object"),
    Change.DELETED: ("Deleted at the source", "reported; not deleted at the target"),
    Change.EXTRA: ("At the target only", "reported; left as it is"),
}
"""Change -> what happened at the source, what the re-sync did with it. Every change but `SAME`."""

PROOF_MEANS = {
    ProofLevel.L3: "SHA-256 of the bytes that went through the mover, or that were read back",
    ProofLevel.L2: "CRC64 computed by the target service equals that of the source bytes",
    ProofLevel.L1: "Every read was under one source ETag",
    ProofLevel.L0: "Size at the target equals size at the source",
}

_FAMILIES = {
    "Storage": "classicstorage storage storagecache storsimple storagesync netapp elasticsan datashare databox"
    " importexport",
    "Compute": "classiccompute compute servicefabric avs batch desktopvirtualization hybridcompute"
    " virtualmachineimages",
    "Containers": "containerinstance containerregistry containerservice kubernetes kubernetesconfiguration app",
    "Networking": "classicnetwork network cdn networkfunction peering relay",
    "Databases": "sql dbforpostgresql dbformysql dbformariadb documentdb cache azurearcdata sqlvirtualmachine",
    "Web and mobile": "web certificateregistration domainregistration signalrservice apimanagement notificationhubs"
    " media maps communication appconfiguration search",
    "Identity and security": "keyvault managedidentity aad azureactivedirectory security securityinsights attestation"
    " authorization hardwaresecuritymodules",
    "Integration": "logic scheduler servicebus eventhub eventgrid datafactory botservice",
    "Analytics and AI": "synapse databricks hdinsight kusto streamanalytics powerbidedicated purview cognitiveservices"
    " machinelearningservices machinelearning datacatalog healthcareapis analysisservices datalakestore"
    " datalakeanalytics fabric",
    "Internet of things": "devices iotcentral timeseriesinsights digitaltwins",
    "Developer tools": "devtestlab labservices visualstudio devcenter devopsinfrastructure loadtestservice chaos",
    "Marketplace and partners": "saas solutions marketplace datadog confluent elastic sendgrid.email"
    " newrelic.observability dynatrace.observability",
    "Monitoring and management": "insights operationalinsights operationsmanagement alertsmanagement automation advisor"
    " recoveryservices dataprotection resources policyinsights costmanagement maintenance migrate portal monitor"
    " resourcehealth guestconfiguration managedservices dashboard",
}
_FAMILY_OF = {namespace: family for family, names in _FAMILIES.items() for namespace in names.split()}


def family_of(resource_type: str) -> str:
    """The service family of an ARM type, by its namespace; "Other services" where the namespace is not listed."""
    namespace = resource_type.lower().partition("/")[0].removeprefix("microsoft.")
    return _FAMILY_OF.get(namespace, "Other services")


def counted(number: int, one: str, many: str = "") -> str:
    """`1 resource`, `1,200 resources`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def percent(part: int, whole: int) -> str:
    """Whole percent, rounded down, so that 100 % is said of all and never of nearly all."""
    if not whole:
        return "0 %"
    floor = part * 100 // whole
    return "<1 %" if part and not floor else f"{floor} %"


def data_size(size: int) -> str:
    """Bytes in the largest binary unit that leaves at least one, e.g. `41.2 GiB`."""
    if size < 1024:
        return counted(size, "byte")
    units = ("KiB", "MiB", "GiB", "TiB", "PiB")
    power = 1
    # 1023.96 would be printed as 1024.0.
    while size / 1024**power >= 1023.95 and power < len(units):
        power += 1
    return f"{size / 1024**power:,.1f} {units[power - 1]}"


def listing(words: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def are(number: int) -> str:
    return "is" if number == 1 else "are"


def utc(moment: datetime | None) -> str | None:
    """ISO 8601 in UTC to the second. A time without zone is taken as UTC, as Azure writes it."""
    if moment is None:
        return None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def clean(text: str) -> str:
    """`text` without lone surrogates, which no file can hold; they become U+FFFD."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def make_row(cells: Mapping[str, Value], links: Mapping[str, Ref] | None = None) -> Row:
    """A row whose text any renderer can encode, and whose zeros link nowhere, since no row is behind them.

    `links` may be one mapping for many rows; it is kept as it is where nothing of it has to change.
    """
    values = tuple([clean(value) if isinstance(value, str) else value for value in cells.values()])
    kept = Cells(_places(tuple(cells)), values)
    return Row(kept, _links(kept, links) if links else _NO_LINKS)


_NO_LINKS: Mapping[str, Ref] = {}


@cache
def _places(keys: tuple[str, ...]) -> Mapping[str, int]:
    return {key: place for place, key in enumerate(keys)}


def _links(kept: Cells, links: Mapping[str, Ref]) -> Mapping[str, Ref]:
    if all(kept[key] and _is_clean(ref) for key, ref in links.items()):
        return links
    return {
        key: Ref(ref.section, ref.table, {k: clean(v) for k, v in ref.where.items()}, ref.column)
        for key, ref in links.items()
        if kept[key]
    }


def _is_clean(ref: Ref) -> bool:
    return all(map(str.isascii, ref.where.values()))


def counts(*pairs: tuple[str, str]) -> tuple[Column, ...]:
    """COUNT columns from (key, title)."""
    return tuple(Column(key, title, Kind.COUNT) for key, title in pairs)
