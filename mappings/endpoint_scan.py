"""Every commercial host that the estate's resources hold: where it stands, what it becomes, who has to change it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from mappings.endpoints import EndpointTable, Pair, other_hosts, rewrite
from mappings.model import Resource
from mappings.regions import normal
from mappings.walking import Path, shown_path, strings_of

_RULE_TYPES = frozenset(
    f"microsoft.network/{name}"
    for name in (
        "networksecuritygroups",
        "networksecuritygroups/securityrules",
        "routetables",
        "routetables/routes",
        "firewallpolicies/rulecollectiongroups",
        "azurefirewalls",
    )
)
"""Types whose rules may name service tags."""
_TAG = re.compile(r"(?=[A-Z])([A-Za-z]{3,40})(?:\.([A-Za-z0-9]{4,30}))?")
_NO_TAG = frozenset(("virtualnetwork", "internet", "azureloadbalancer", "any", "none", "default"))
_PAIRS = re.compile(r"(?:^|;)\s*[A-Za-z][\w .]{1,40}=[^;]*;\s*[A-Za-z][\w .]{1,40}=")
_REGION_LABEL = re.compile(
    r"(?:^|[.-])(?:(?:east|west|central|north|south|northcentral|southcentral|westcentral)us\d?)"
)


class Setting(StrEnum):
    """What kind of setting holds the host."""

    APP_SETTING = "app setting"
    CONNECTION_STRING = "connection string"
    VAULT_REFERENCE = "Key Vault reference"
    CONTAINER_VARIABLE = "container variable"
    DNS_ZONE = "DNS zone name"
    ORIGIN = "origin or backend"
    CUSTOM_DOMAIN = "custom domain"
    SERVICE_TAG = "service tag"
    TAG = "tag"
    IDENTITY = "identity"
    PROPERTY = "property"
    OWN_ENDPOINT = "endpoint made by Azure"


class Work(StrEnum):
    """Who gives the host its new value."""

    CHANGE = "change"
    """Somebody changes the setting."""
    MADE_ANEW = "made-anew"
    """Azure makes the address with the new resource."""
    DECIDE = "decide"
    """The sources name several counterparts, or the value needs a choice."""
    UNKNOWN = "unknown"
    """Nothing says what it becomes."""


@dataclass(frozen=True, slots=True)
class EndpointUse:
    """One host, or service tag, at one place. Never a key, password or signature."""

    resource_id: str
    type: str
    path: str
    setting: Setting
    host: str
    becomes: str
    """"" where it is not known."""
    candidates: tuple[str, ...]
    """Every Government suffix that a source names."""
    suffix: str
    """The commercial suffix, or the domain by which the host is known as Microsoft's."""
    service: str
    work: Work
    note: str = ""
    pair: Pair | None = None
    """What the first source says; None for service tags and unknown hosts."""


@dataclass(frozen=True, slots=True)
class EndpointScan:
    uses: tuple[EndpointUse, ...]
    """What has a counterpart, by suffix, host and place."""
    unknown: tuple[EndpointUse, ...]
    """Hosts and service tags of Microsoft without a known counterpart."""
    others: Mapping[str, int]
    """Other hosts -> places: third parties and the customer's own; they stay as they are."""
    domains: tuple[EndpointUse, ...]
    """Custom domains bound to services: a domain can be verified in one cloud at a time."""


def scan_endpoints(
    resources: Iterable[Resource],
    table: EndpointTable,
    *,
    renamed: Mapping[str, str] | None = None,
    region_of: Callable[[str], str] | None = None,
) -> EndpointScan:
    """Look at every string in properties, tags and identity of the resources, and at names that are hosts.

    Args:
        resources: of the inventory.
        table: the pairs.
        renamed: source storage account -> target account, where the plan gives it another name.
        region_of: commercial region in any spelling -> Government region, "" where none is decided.
    """
    uses: dict[tuple[str, str, str], EndpointUse] = {}
    unknown: dict[tuple[str, str, str], EndpointUse] = {}
    domains: dict[tuple[str, str, str], EndpointUse] = {}
    others: Counter[str] = Counter()
    for resource in resources:
        for path, text in _texts(resource, table):
            if table.may_hold(text):
                for use in _hosts_in(resource, path, text, table, renamed or {}):
                    # A service may tell one address under many names; one row is enough.
                    place = "" if use.setting is Setting.OWN_ENDPOINT else use.path
                    found = unknown if use.work is Work.UNKNOWN else uses
                    found.setdefault((use.resource_id, place, use.host), use)
            if "." in text:
                for host in set(other_hosts(text, table)):
                    others[host] += 1
                domain = _custom_domain(resource, path, text, table)
                if domain:
                    domains[domain.resource_id, domain.path, domain.host] = domain
        if resource.type.lower() in _RULE_TYPES:
            for use in _service_tags(resource, table, region_of):
                (unknown if use.work is Work.UNKNOWN else uses)[use.resource_id, use.path, use.host] = use
    return EndpointScan(_ordered(uses), _ordered(unknown), dict(others.most_common()), _ordered(domains))


def _texts(resource: Resource, table: EndpointTable) -> Iterator[tuple[Path, str]]:
    yield from strings_of(resource)
    if resource.type.lower() in table.named_by_host:
        yield ("name",), resource.name


def _hosts_in(
    resource: Resource, path: Path, text: str, table: EndpointTable, renamed: Mapping[str, str]
) -> Iterator[EndpointUse]:
    _, changes, left = rewrite(text, table)
    if not changes and not left:
        return
    setting = setting_of(resource, path, text)
    place = shown_path(path)
    for change in changes:
        kind, work, note = setting, Work.CHANGE, ""
        becomes = change.becomes
        if _made_by_azure(resource, path, change.host, table):
            kind, work = Setting.OWN_ENDPOINT, Work.MADE_ANEW
        elif len(change.candidates) > 1:
            work, note = Work.DECIDE, change.pairs[0].conflict or "The sources name several counterparts."
        first, _, rest = becomes.partition(".")
        if first in renamed and "." in rest and change.suffix.endswith("windows.net") and renamed[first] != first:
            becomes = f"{renamed[first]}.{rest}"
            note = f"The plan names the account {renamed[first]}. {note}".strip()
        if _REGION_LABEL.search(change.host) and work is not Work.MADE_ANEW:
            note = f"The host names a commercial region; take the one that the new resource shows. {note}".strip()
        yield EndpointUse(
            resource.id, resource.type, place, kind, change.host, becomes, change.candidates, change.suffix,
            change.pairs[0].service, work, note, change.pairs[0],
        )  # fmt: skip
    for one in left:
        kind = Setting.OWN_ENDPOINT if _made_by_azure(resource, path, one.host, table) else setting
        yield EndpointUse(
            resource.id, resource.type, place, kind, one.host, "", (), one.domain, "", Work.UNKNOWN, one.why
        )


def setting_of(resource: Resource, path: Path, text: str) -> Setting:
    """What kind of setting the text at `path` is."""
    words = [word.lower() for word in path]
    if text.startswith("@Microsoft.KeyVault("):
        return Setting.VAULT_REFERENCE
    if words[0] == "name" or (words[-1] == "name" and "privatednszoneconfigs" in words):
        return Setting.DNS_ZONE
    if words[0] == "tags":
        return Setting.TAG
    if "connectionstrings" in words or words[-1] in ("connectionstring", "connection_string") or _PAIRS.search(text):
        return Setting.CONNECTION_STRING
    if "appsettings" in words or resource.type.lower().endswith("/config"):
        return Setting.APP_SETTING
    if not {"env", "environmentvariables"}.isdisjoint(words):
        return Setting.CONTAINER_VARIABLE
    if not {"origins", "backends", "backendaddresses", "backendpools", "originhostheader", "target"}.isdisjoint(words):
        return Setting.ORIGIN
    if words[0] == "identity" or words[-1] in ("authority", "issuer", "loginendpoint", "audience", "openidissuer"):
        return Setting.IDENTITY
    return Setting.PROPERTY


def _made_by_azure(resource: Resource, path: Path, host: str, table: EndpointTable) -> bool:
    """Whether the service itself put the address there."""
    keys = [word.lower() for word in path if not word.startswith("[")]
    if path[0] != "properties" or "siteconfig" in keys:
        return False
    if not table.always_own.isdisjoint(keys):
        return True
    if keys[-1] not in table.own and (len(keys) < 2 or keys[-2] not in table.own):
        # A component's ConnectionString is its own; one in a setting is not.
        return keys == ["properties", "connectionstring"]
    names = {part.lower() for part in resource.name.split("/")}
    label = host.partition(".")[0]
    dns = resource.properties.get("dnsSettings") or resource.properties.get("dnsConfig")
    given = str((dns or {}).get("domainNameLabel") or (dns or {}).get("relativeName") or "").lower()
    # A cluster's host begins with its name and goes on with letters of Azure's choice.
    return label in names or label == given or any(label.startswith(f"{name}-") for name in names)


def _custom_domain(resource: Resource, path: Path, text: str, table: EndpointTable) -> EndpointUse | None:
    """A host name of the customer's own that is bound to a service."""
    keys = [word.lower() for word in path if not word.startswith("[")]
    bound = keys[-1] in ("hostnames", "customdomain", "customdomainname") or (
        keys[-1] == "hostname" and ("customdomains" in resource.type.lower() or "hostnameconfigurations" in keys)
    )
    if not bound or not re.fullmatch(r"(?:[\w*-]+\.)+[A-Za-z]{2,24}", text) or table.finder.search(text):
        return None
    note = "A domain is verified in one cloud at a time: move it at the cutover, with its certificate."
    return EndpointUse(
        resource.id, resource.type, shown_path(path), Setting.CUSTOM_DOMAIN, text.lower(), text.lower(), (), "", "",
        Work.CHANGE, note,
    )  # fmt: skip


def _service_tags(
    resource: Resource, table: EndpointTable, region_of: Callable[[str], str] | None
) -> Iterator[EndpointUse]:
    """Service tags in rules: those with a region change it, and some do not exist in Azure Government."""
    for path, text in strings_of(resource):
        key = next((word.lower() for word in reversed(path) if not word.startswith("[")), "")
        match = _TAG.fullmatch(text) if key in table.tags.paths else None
        if not match or match[1].lower() in _NO_TAG:
            continue
        name, region, place = match[1], match[2] or "", shown_path(path)
        common = (resource.id, resource.type, place, Setting.SERVICE_TAG, text)
        if name.lower() in table.tags.missing:
            note = f"{table.tags.source.title}: the list of Azure Government does not have it."
            yield EndpointUse(*common, "", (), name, "Service tag", Work.UNKNOWN, note)
        elif region and region.lower() not in table.tags.no_regions:
            target = region_of(normal(region)) if region_of else ""
            becomes = f"{name}.{table.tags.regions[target]}" if target in table.tags.regions else ""
            note = "The tag names a commercial region." + ("" if becomes else " Decide on the target region first.")
            work = Work.CHANGE if becomes else Work.DECIDE
            yield EndpointUse(*common, becomes, (), f"{name}.<region>", "Service tag", work, note)


def _ordered(found: Mapping[tuple[str, str, str], EndpointUse]) -> tuple[EndpointUse, ...]:
    return tuple(sorted(found.values(), key=lambda use: (use.suffix, use.host, use.resource_id.lower(), use.path)))
