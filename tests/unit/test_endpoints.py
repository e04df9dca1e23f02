"""Commercial hosts in any text: every one with a counterpart is replaced, every other one of Microsoft's is named."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.endpoint_scan import Setting, Work, scan_endpoints
from mappings.endpoints import other_hosts, parse_endpoints, rewrite
from mappings.errors import FixTheInput
from mappings.model import Assessment, Inventory, Resource
from mappings.readiness import ReportHead, build_report
from mappings.regions import nearest_government
from mappings.report_json import report_to_json
from tasks.scanning import load_scanners

SCANNERS = load_scanners()
TABLE = SCANNERS.endpoints
SUFFIXES = sorted(suffix for suffix, pairs in TABLE.by_suffix.items() if pairs[0].government)
OPEN = sorted(suffix for suffix, pairs in TABLE.by_suffix.items() if not pairs[0].government)

_labels = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=12).map(lambda text: f"a{text}9")
_suffix = st.sampled_from(SUFFIXES).map(lambda suffix: re.sub(r"\{\w+\}", "eus", suffix))
_host = st.builds(lambda labels, suffix: ".".join([*labels, suffix]), st.lists(_labels, max_size=3), _suffix)
_shouted = _host.flatmap(lambda host: st.sampled_from([host, host.upper(), host.title()]))
_around = st.sampled_from(
    [
        "",
        " ",
        "https://",
        "https%3A%2F%2F",
        "tcp:",
        "sb://",
        ";",
        ",",
        '"',
        "EndpointSuffix=",
        ".",
        "*.",
        "/x?y=1&",
        "\n",
        "@",
    ]
)
_anything = st.text(max_size=20)
_text = st.lists(st.one_of(_shouted, _around, _anything), max_size=12).map("".join)


def left_in(text: str) -> list[str]:
    """Commercial suffixes with a counterpart that still end a host of `text`: an oracle of its own, host by host."""
    found = []
    for raw in re.findall(r"[A-Za-z0-9_.-]+", re.sub(r"%[0-9A-Fa-f]{2}", " ", text)):
        host = raw.strip(".").lower()
        if host not in TABLE.keep:
            plain = [suffix for suffix in SUFFIXES if "{" not in suffix]
            found += [suffix for suffix in plain if host == suffix or host.endswith(f".{suffix}")]
    return found


@pytest.mark.slow
@given(_text)
@settings(max_examples=600)
def test_no_commercial_suffix_is_left_in_a_rewritten_text(text: str) -> None:
    """Mutations that must fail it: capitals counted as others; a URL-encoded host not seen."""
    new, changes, unknown = rewrite(text, TABLE)
    assert not left_in(new)
    assert rewrite(new, TABLE)[1] == [], "what was rewritten is of the Government cloud"
    lowered = text.lower()
    assert all(change.host in lowered for change in changes)
    assert all(one.host in new.lower() for one in unknown), "an unknown host stays as it was"


def test_a_star_begins_a_host_and_never_joins_two() -> None:
    host = "admin.powerplatform.microsoft.com"
    _, changes, unknown = rewrite(f"{host}*.{host}x.microsoft.com", TABLE)
    assert [change.host for change in changes] == [host]
    assert [one.host for one in unknown] == [f"*.{host}x.microsoft.com"]


@given(_host)
def test_a_host_in_a_url_is_rewritten_whole(host: str) -> None:
    new, changes, unknown = rewrite(f"https://{host}/path?api-version=1", TABLE)
    assert len(changes) == 1 and not unknown
    assert changes[0].host == host and new == f"https://{changes[0].becomes}/path?api-version=1"


def test_a_host_on_the_line_before_is_no_part_of_a_host() -> None:
    text = "hc.vault.azure.net\nmanagement.azure.com"
    assert [change.host for change in rewrite(text, TABLE)[1]] == ["hc.vault.azure.net", "management.azure.com"]


def test_the_longest_suffix_decides() -> None:
    """Mutation that must fail it: shortest suffix first."""
    (change,) = rewrite("https://management.core.windows.net:8443/x", TABLE)[1]
    assert change.suffix == "management.core.windows.net:8443"


def test_every_line_of_the_table_has_a_source_and_counts() -> None:
    assert len(TABLE.pairs) == 119
    assert all(pair.source.title and pair.source.where for pair in TABLE.pairs)
    assert OPEN == ["attest.azure.net", "azuredatalakeanalytics.net", "azuredatalakestore.net"]
    several = {suffix for suffix, pairs in TABLE.by_suffix.items() if len({pair.government for pair in pairs}) > 1}
    assert several == {"search.windows.net", "graph.microsoft.com", "gallery.azure.com"}
    assert all(pair.conflict for suffix in several for pair in TABLE.by_suffix[suffix])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "DefaultEndpointsProtocol=https;AccountName=hc;AccountKey=c2VjcmV0;EndpointSuffix=core.windows.net",
            "DefaultEndpointsProtocol=https;AccountName=hc;AccountKey=c2VjcmV0;EndpointSuffix=core.usgovcloudapi.net",
        ),
        ("Server=tcp:hc.database.windows.net,1433;Pwd=x", "Server=tcp:hc.database.usgovcloudapi.net,1433;Pwd=x"),
        ("Endpoint=sb://hc.servicebus.windows.net/;K=1", "Endpoint=sb://hc.servicebus.usgovcloudapi.net/;K=1"),
        ("AccountEndpoint=https://hc.documents.azure.com:443/;", "AccountEndpoint=https://hc.documents.azure.us:443/;"),
        (
            "@Microsoft.KeyVault(SecretUri=https://kv.vault.azure.net/secrets/a/)",
            "@Microsoft.KeyVault(SecretUri=https://kv.vault.usgovcloudapi.net/secrets/a/)",
        ),
        ("privatelink.blob.core.windows.net", "privatelink.blob.core.usgovcloudapi.net"),
        ("hc.eastus.privatelink.batch.azure.com", "hc.privatelink.batch.usgovcloudapi.net"),
        ("[concat(parameters('n'), '.vault.azure.net')]", "[concat(parameters('n'), '.vault.usgovcloudapi.net')]"),
        ("hc.dfs.core.windows.net", "hc.dfs.core.usgovcloudapi.net"),
        ("https://management.core.windows.net:8443/x", "https://management.core.usgovcloudapi.net:8443/x"),
        # Not hosts of Azure, whatever stands inside them.
        ("core.windows.net.attacker.example", "core.windows.net.attacker.example"),
        ("mycore-windows.net", "mycore-windows.net"),
        ("https://schema.management.azure.com/schemas/x#", "https://schema.management.azure.com/schemas/x#"),
        ("hc.blob.core.usgovcloudapi.net", "hc.blob.core.usgovcloudapi.net"),
    ],
)
def test_shapes_of_settings(before: str, after: str) -> None:
    assert rewrite(before, TABLE)[0] == after


@pytest.mark.parametrize(
    "host",
    [
        "kind.azurestaticapps.net",
        "x.newservice.azure.com",
        "y.strange.windows.net",
        "z.attest.azure.net",
        "q.signalr.net",
    ],
)
def test_an_unknown_host_of_microsoft_is_named_and_left(host: str) -> None:
    new, changes, unknown = rewrite(f"see https://{host}/a", TABLE)
    assert new == f"see https://{host}/a" and not changes
    assert [one.host for one in unknown] == [host]


def test_a_third_party_is_neither_changed_nor_unknown() -> None:
    text = "https://user:pass@api.stripe.example/v1 Server=db.partner.example;"
    assert rewrite(text, TABLE) == (text, [], [])
    assert other_hosts(text, TABLE) == ["api.stripe.example", "db.partner.example"]


def resource(kind: str, name: str, properties: dict[str, Any], **more: Any) -> Resource:
    where = f"/subscriptions/s/resourceGroups/g/providers/{kind}/{name}"
    return Resource(where, name, kind, properties=properties, **more)


def site(**values: str) -> Resource:
    listed = [{"name": name, "value": value} for name, value in values.items()]
    properties = {
        "hostNames": ["portal.azurewebsites.net", "www.hollis.example"],
        "siteConfig": {"appSettings": listed},
    }
    return resource("Microsoft.Web/sites", "portal", properties)


SECRETS = ("c2VjcmV0LWtleQ==", "Tr0ub4dor", "sig=abc%2Fdef")


def test_settings_are_told_apart_and_no_secret_is_kept() -> None:
    portal = site(
        STORE=f"DefaultEndpointsProtocol=https;AccountName=hc;AccountKey={SECRETS[0]};EndpointSuffix=core.windows.net",
        SQL=f"Server=tcp:hc.database.windows.net,1433;User Id=a;Password={SECRETS[1]};",
        SAS=f"https://hc.blob.core.windows.net/c?sv=2024&{SECRETS[2]}",
        VAULT="@Microsoft.KeyVault(SecretUri=https://kv.vault.azure.net/secrets/a/)",
        MEDIA="https://hc.restv2.eastus.media.azure.net/api",
        PAY=f"https://me:{SECRETS[1]}@pay.partner.example/",
    )
    store = resource(
        "Microsoft.Storage/storageAccounts", "hc", {"primaryEndpoints": {"blob": "https://hc.blob.core.windows.net/"}}
    )
    scan = scan_endpoints([portal, store], TABLE, renamed={"hc": "hcgov"})
    told = {use.path.partition("[")[2].partition("]")[0] or use.path: use for use in scan.uses}
    assert told["STORE"].setting is told["SQL"].setting is Setting.CONNECTION_STRING
    assert told["VAULT"].setting is Setting.VAULT_REFERENCE and told["SAS"].setting is Setting.APP_SETTING
    assert told["SAS"].becomes == "hcgov.blob.core.usgovcloudapi.net", "the plan gives the account another name"
    assert told["0"].work is Work.MADE_ANEW and told["properties.primaryEndpoints.blob"].work is Work.MADE_ANEW
    assert all(told[name].work is Work.CHANGE for name in ("STORE", "SQL", "SAS", "VAULT"))
    assert [use.host for use in scan.unknown] == ["hc.restv2.eastus.media.azure.net"]
    assert scan.others == {"pay.partner.example": 1}
    assert [use.host for use in scan.domains] == ["www.hollis.example"]
    kept = repr(scan)
    assert not any(secret in kept for secret in SECRETS)


def test_an_address_of_another_service_is_not_made_anew() -> None:
    """A bot's `endpoint` is a setting that names a function app; a vault's `vaultUri` is its own."""
    bot = resource("Microsoft.BotService/botServices", "bot", {"endpoint": "https://func.azurewebsites.net/api"})
    vault = resource("Microsoft.KeyVault/vaults", "kv", {"vaultUri": "https://kv.vault.azure.net/"})
    works = {use.type: use.work for use in scan_endpoints([bot, vault], TABLE).uses}
    assert works == {bot.type: Work.CHANGE, vault.type: Work.MADE_ANEW}


def test_service_tags_follow_the_region_and_missing_ones_are_named() -> None:
    tags = ("Storage.EastUS2", "AzureKeyVault", "AzureDevOps", "VirtualNetwork", "AzureFrontDoor.Backend", "10.0.0.0/8")
    rules = [{"name": tag, "properties": {"destinationAddressPrefix": tag}} for tag in tags]
    nsg = resource("Microsoft.Network/networkSecurityGroups", "nsg", {"securityRules": rules})
    scan = scan_endpoints([nsg], TABLE, region_of=lambda place: nearest_government(place, {}, "").region)
    assert [(use.host, use.becomes) for use in scan.uses] == [("Storage.EastUS2", "Storage.USGovVirginia")]
    assert [use.host for use in scan.unknown] == ["AzureDevOps"]
    undecided = scan_endpoints([nsg], TABLE)
    assert [(use.work, use.becomes) for use in undecided.uses] == [(Work.DECIDE, "")]


def test_where_sources_disagree_every_candidate_is_named() -> None:
    (use,) = scan_endpoints([site(SEARCH="https://srch.search.windows.net")], TABLE).uses[1:]
    assert use.candidates == ("search.azure.us", "search.windows.us") and use.work is Work.DECIDE


def test_the_report_repeats_no_secret_and_every_number_has_its_rows() -> None:
    portal = site(
        SAS=f"https://hc.blob.core.windows.net/c?sv=2024&{SECRETS[2]}", K=f"AccountKey={SECRETS[0]};A=b.azure.net"
    )
    tagged = resource("Microsoft.Compute/disks", "d", {}, tags={"password": SECRETS[1]})
    taken = Inventory("AzureCloud", "t", "x", datetime(2026, 11, 1, tzinfo=UTC), (portal, tagged))
    report = build_report(
        settings=ReportHead("x"),
        assessment=Assessment(taken, (), None),
        plan=None,
        runs=[],
        notes=[],
        made_at=datetime(2026, 11, 2, tzinfo=UTC),
        version="0",
        scanners=SCANNERS,
    )
    text = report_to_json(report)
    assert "hc.blob.core.usgovcloudapi.net" in text and "Looks like a secret" in text
    assert not any(secret in text for secret in SECRETS)
    for name in ("endpoints", "names", "identities"):
        for table in report.section(name).tables:
            for row in table.rows:
                assert all(report.number_behind(ref) == row.cells[key] for key, ref in row.links.items())


@pytest.mark.slow
def test_ten_thousand_resources_take_a_second_or_two() -> None:
    many = [site(A="https://hc.blob.core.windows.net/", B="x" * 200, C="/subscriptions/s/resourceGroups/g")] * 10_000
    began = time.process_time()
    scan_endpoints(many, TABLE)
    assert time.process_time() - began < 10, "about 1 s; minutes where each text is searched anew"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('source = "compare" }', 'source = "nowhere" }', "nowhere"),
        ("endpoints = [", "endpoint = [", "endpoints"),
        ("endpoints = [", "endpoints = [[", "TOML"),
        (
            "endpoints = [",
            'endpoints = [{ service = "", commercial = "azurefd.net", government = "azurefd.us", source = "finops" },',
            "twice",
        ),
    ],
)
def test_a_wrong_table_is_refused(old: str, new: str, said: str) -> None:
    from importlib.resources import files

    text = (files("mappings") / "catalogue" / "tables" / "endpoints.toml").read_text("utf-8")
    assert old in text
    with pytest.raises(FixTheInput, match=said):
        parse_endpoints(text.replace(old, new, 1), origin="endpoints.toml")
