"""What names and tags tell: found where it is told, and no alarm at ordinary Azure names."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.errors import AskForApproval, FixTheInput
from mappings.model import ContainerSurvey, Inventory, Resource, ResourceGroup, Subscription
from mappings.nameguard import NameFinding, Reveals, parse_names, scan_names, tokens
from mappings.plan import CreateContainer, CreateResourceGroup, CreateStorageAccount, Plan
from mappings.plan_names import guarded, require_names, undecided
from mappings.plan_text import explain, plan_from_json, plan_to_json, sealed
from tasks.scanning import load_scanners

GUARD = load_scanners().names
NOW = datetime(2026, 11, 22, tzinfo=UTC)

ORDINARY = [
    "search-prod",
    "secretsync",
    "bear-rg",
    "circuit-dev",
    "circuits",
    "year-end-close",
    "clear-cache",
    "earth-imagery",
    "rg-research",
    "tearsheet",
    "kv-secrets",
    "secret-store-csi",
    "secretsproviderclass",
    "client-secret-rotation",
    "app-secrets-kv",
    "kv-shared-secret",
    "guitar-shop",
    "military-museum",
    "humanitarian-aid",
    "dignitary-travel",
    "sanitary-sewer",
    "unitary-auth",
    "dietary-plans",
    "business-intelligence-prod",
    "artificial-intelligence-lab",
    "docintelligence",
    "power-bi-intelligence",
    "rg-ai-intelligence",
    "confidential-computing-vm",
    "acl-confidential-ledger",
    "classified-ads",
    "unclassified",
    "docuint",
    "cuisine",
    "biscuit-factory",
    "rg-philadelphia",
    "philanthropy",
    "sgidatabase",
    "swathe",
    "swatches",
    "combat-log-viewer",
    "phi-coefficient",
    "fti-lib",
    "vm-dc01_OsDisk_1_0a1b2c3d4e5f40718293a4b5c6d7e8f9",
    "privatelink.blob.core.windows.net",
    "NetworkWatcher_eastus2",
    "DefaultResourceGroup-EUS",
    "MC_rg-publicservices_aks-hollis_centralus",
    "cloud-shell-storage-eastus",
    "aks-agentpool-31415926-vmss",
    "Failure%20Anomalies",
    "log-analytics-4155551234567",
    "sql-2022-01-15-0001",
    "10.20.30.40",
    "vnet-10-20-30-0",
    "build-2024-11-05",
    "b370de14-e941-42d4-a108-a79df6d0e265",
    "nsg-front-end",
    "st0rage123456789",
    "Application-Gateway-v2",
]
CLEAN_TAGS = [
    {"owner": "Platform Team"},
    {"owner": "Public Works"},
    {"contact": "it-helpdesk"},
    {"createdBy": "terraform"},
    {"manager": "Cloud Operations"},
    {"env": "prod", "costcenter": "HC-0440", "dept": "Clerk"},
    {"secret": "KeyVault"},
    {"password": "rotated"},
    {"token": "https://kv.vault.azure.net/secrets/t"},
    {"connectionString": "@Microsoft.KeyVault(SecretUri=https://kv.vault.azure.net/secrets/c/)"},
    {"hidden-link:/subscriptions/x/resourceGroups/cui/providers/a/b/c": "Resource"},
    {"version": "1.2.3.4", "date": "2024-05-17", "ticket": "CHG-0012345"},
    {"description": "Year of birth records, county clerk"},
    {"supportmail": "no-reply@agency.example"},
]


def found_in(name: str) -> list[tuple[str, str]]:
    return [(one.reveals.value, one.word) for one in GUARD.in_name(name, place="p", what="resource")]


def found_in_tags(tags: dict[str, str]) -> list[NameFinding]:
    return GUARD.in_tags(tags, place="p", what="resource")


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_names_raise_no_alarm(name: str) -> None:
    """Mutation that must fail it: looking for the words inside of words."""
    assert found_in(name) == []


@pytest.mark.parametrize("tags", CLEAN_TAGS, ids=str)
def test_ordinary_tags_raise_no_alarm(tags: dict[str, str]) -> None:
    assert found_in_tags(tags) == []


@pytest.mark.parametrize(
    ("name", "reveals", "word"),
    [
        ("rg-itar-drawings", "regime", "itar"),
        ("hollisitar", "regime", "itar"),
        ("ITARPayloads", "regime", "itar"),
        ("rgCUIProd", "regime", "cui"),
        ("vm-cui-01", "regime", "cui"),
        ("sqlcjisprod", "regime", "cjis"),
        ("IL5Data", "regime", "il5"),
        ("rg_top-secret", "regime", "top secret"),
        ("TopSecretStore", "regime", "top secret"),
        ("secret-enclave", "regime", "secret"),
        ("rg-EAR-files", "regime", "ear"),
        ("ear-export", "regime", "ear"),
        ("payload-export-controlled", "regime", "export controlled"),
        ("docs.noforn", "regime", "noforn"),
        ("undercoverops", "mission", "undercover"),
        ("rg-witness-protection", "mission", "witness protection"),
        ("informant_db", "mission", "informant"),
        ("vm-wiretap01", "mission", "wiretap"),
        ("intelligence-fusion", "mission", "intelligence"),
        ("weaponsystem", "mission", "weapon"),
        ("jane.doe@agency.example", "personal", "an e-mail address"),
    ],
)
def test_what_a_name_tells_is_found(name: str, reveals: str, word: str) -> None:
    assert (reveals, word) in found_in(name)


@pytest.mark.parametrize(
    ("tags", "reveals", "shown"),
    [
        ({"owner": "Jane Doe"}, "personal", "J*** D***"),
        ({"Created By": "Doe, Jane A."}, "personal", "D***, J*** A."),
        ({"contact": "jane.doe@agency.example"}, "personal", "j***@agency.example"),
        ({"note": "call (312) 555-0142"}, "personal", "call (###) ###-####"),
        ({"subject": "123-45-6789"}, "personal", "###-##-####"),
        ({"dob": "1980-01-02"}, "personal", "####-##-##"),
        ({"driver-license": "D123-4567-8901"}, "personal", "D###-####-####"),
        ({"password": "Tr0ub4dor&3"}, "secret", "(not shown)"),
        ({"x": "DefaultEndpointsProtocol=https;AccountKey=abc=="}, "secret", "(not shown)"),
        ({"url": "https://a.example/c?sv=2024-01-01&sp=r&sig=abc"}, "secret", "(not shown)"),
        ({"token": "ghp_0123456789abcdefghij"}, "secret", "(not shown)"),
        ({"classification": "secret"}, "regime", "secret"),
        ({"program": "ITAR drone payload drawings"}, "regime", "ITAR drone payload drawings"),
        ({"cjis": "yes"}, "regime", "yes"),
    ],
)
def test_what_a_tag_tells_is_found_and_shown_masked(tags: dict[str, str], reveals: str, shown: str) -> None:
    found = found_in_tags(tags)
    assert [(one.reveals.value, one.text) for one in found] == [(reveals, shown)]
    (value,) = tags.values()
    assert reveals in ("regime", "mission") or value not in repr(found)


@given(st.text(max_size=60))
def test_words_are_lower_case_letters_or_digits_of_the_name(name: str) -> None:
    parts = tokens(name)
    lowered = name.lower()
    assert all(part and part == part.lower() for part in parts)
    if name.isascii():
        assert all(part in lowered and part.isalnum() for part in parts)


@given(st.lists(st.sampled_from(["cui", "prod", "vm", "data"]), min_size=1, max_size=4), st.sampled_from("-_. /"))
def test_a_word_is_found_whatever_separates_it(words: list[str], separator: str) -> None:
    joined, camel = separator.join(words), "".join(map(str.title, words))
    assert bool(found_in(joined)) is bool(found_in(camel)) is ("cui" in words)


def test_own_words_are_found_and_allowed_ones_are_not() -> None:
    own = GUARD.with_settings(["Blue Heron", "docket"], ["DOCKET", "rg-itar-archive", "owner"])
    (one,) = own.in_name("rg-blueHeron-prod", place="p", what="resource")
    assert one.reveals is Reveals.CUSTOMER
    assert own.in_name("rg-docket", place="p", what="resource") == []
    assert own.in_name("rg-itar-archive", place="p", what="resource") == []
    assert own.in_name("rg-itar-other", place="p", what="resource") != []
    assert own.in_tags({"owner": "Jane Doe"}, place="p", what="resource") == []
    assert GUARD.in_name("rg-blueHeron-prod", place="p", what="resource") == [], "the shared guard is as it was"


def test_everything_that_bears_a_name_is_read_once() -> None:
    base = "/subscriptions/s/resourceGroups/rg-cui"
    server = Resource(f"{base}/providers/Microsoft.Sql/servers/sql-itar", "sql-itar", "Microsoft.Sql/servers")
    child = Resource(f"{server.id}/databases/deeds", "sql-itar/deeds", "Microsoft.Sql/servers/databases")
    orphan = Resource(
        "/subscriptions/s/resourceGroups/g/providers/A.B/c/fouo-1/d/e", "fouo-1/e", "A.B/c/d",
        subscription_id="s", resource_group="rg-noforn",
    )  # fmt: skip
    inventory = Inventory(
        "AzureCloud",
        "t",
        "x",
        NOW,
        (server, child, orphan),
        subscriptions=(Subscription("s", "Wiretap Unit", "t"),),
        groups=(ResourceGroup(base, "rg-cui", "eastus", "s", {"contact": "a.b@c.example"}),),
        containers=(ContainerSurvey("acct", "orcon-files", 1, 1),),
    )
    told = [(one.what, one.word) for one in scan_names(inventory, GUARD)]
    assert sorted(told) == [
        ("container", "orcon"),
        ("resource", "fouo"),
        ("resource", "itar"),
        ("resource group", "an e-mail address"),
        ("resource group", "cui"),
        ("resource group", "noforn"),
        ("subscription", "wiretap"),
    ]


def planned(allow: tuple[str, ...] = ()) -> Plan:
    steps = [
        CreateResourceGroup("rg-cjis-data", "usgovvirginia", {"owner": "Jane Doe", "env": "prod"}),
        CreateStorageAccount(
            "hcdata", "rg-cjis-data", "usgovvirginia", "StorageV2", "Standard_LRS", "/s/hcdata", "hcdata"
        ),
        CreateContainer("hcdata", "itar-drawings", "hcdata"),
        CreateContainer("hcdata", "minutes", "hcdata"),
    ]
    kept, names = guarded(steps, GUARD.with_settings((), allow))
    return sealed(kept, (), (), created_at=NOW, names=names)


def test_a_plan_leaves_tags_out_and_lists_names_first() -> None:
    plan = planned()
    group = plan.steps[0]
    assert isinstance(group, CreateResourceGroup) and group.tags == {"env": "prod"}
    lines = explain(plan)
    first = next(number for number, line in enumerate(lines) if line.startswith("Resource groups"))
    head = "\n".join(lines[:first])
    assert "container hcdata/itar-drawings" in head and "rg-cjis-data" in head and "tag owner" in head
    assert "minutes" not in head and "Jane" not in "\n".join(lines)
    assert plan_from_json(plan_to_json(plan)) == plan
    assert plan.hash != sealed(plan.steps, (), (), created_at=NOW).hash


def test_migrate_refuses_until_every_name_is_allowed() -> None:
    """Mutations that must fail it: names with a key refuse too; an allowed word of one name lets the other pass."""
    plan = planned()
    with pytest.raises(AskForApproval, match=r"rg-cjis-data.*itar-drawings"):
        require_names(plan, ())
    with pytest.raises(AskForApproval, match="itar-drawings"):
        require_names(plan, ["CJIS"])
    assert [one.name for one in undecided(plan, ["cjis"])] == ["hcdata/itar-drawings"]
    require_names(plan, ["rg-cjis-data", "itar-drawings"])
    require_names(planned(("cjis", "itar")), ())


@pytest.mark.parametrize(
    ("old", "new"),
    [('{ word = "usml" }', '{ wort = "usml" }'), ('source = "naming-guidance"', 'source = "x"'), ("[mission]", "[")],
)
def test_wrong_words_are_refused(old: str, new: str) -> None:
    from importlib.resources import files

    text = (files("mappings") / "catalogue" / "tables" / "names.toml").read_text("utf-8")
    assert old in text
    with pytest.raises(FixTheInput, match=r"names\.toml"):
        parse_names(text.replace(old, new, 1), origin="names.toml")
