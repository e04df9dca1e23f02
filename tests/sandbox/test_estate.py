"""The sample estates hold what the demo and the tests count on, and nothing that Azure would not hold."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from sandbox.estates import hollis_county, load_estate
from sandbox.estates.content import MIB
from sandbox.estates.model import AccountSpec, BlobSpec, CloudSpec, ContainerSpec, Estate
from sandbox.estates.odd_names import LONGEST, ODD_NAMES, problems
from sandbox.estates.owner import CHANGES
from sandbox.estates.providers import normal
from sandbox.holdings import Holdings

SAMPLES = ("hollis-county", "tiny")
NOT_REGIONS = {"", "global", "unitedstates"}


@cache
def sample(name: str) -> Estate:
    return load_estate(name)


def types(cloud: CloudSpec) -> Counter[str]:
    return Counter(str(body["type"]).lower() for body in cloud.resources)


def blobs(cloud: CloudSpec) -> Iterator[tuple[AccountSpec, ContainerSpec, BlobSpec]]:
    for account in cloud.accounts:
        for container in account.containers:
            for blob in container.blobs:
                yield account, container, blob


def account(cloud: CloudSpec, **wanted: Any) -> AccountSpec:
    return next(a for a in cloud.accounts if all(getattr(a, key) == value for key, value in wanted.items()))


@pytest.fixture(scope="module")
def county() -> CloudSpec:
    return sample("hollis-county").commercial


def test_the_county_is_big_enough(county: CloudSpec) -> None:
    assert len(county.subscriptions) >= 3
    assert {one.quota_id for one in county.subscriptions} >= {"CSP_2015-05-01", "EnterpriseAgreement_2014-09-01"}
    assert len(county.groups) >= 10
    assert len(county.resources) >= 150
    assert len(types(county)) >= 45
    assert len({normal(str(body["location"])) for body in county.resources}) >= 8


def test_regions_are_spelt_in_several_ways(county: CloudSpec) -> None:
    spelt = {str(body["location"]) for body in county.resources}
    assert {"eastus2", "East US 2", "East US", "eastus", "centralus", "Central US", "global", "Global", ""} <= spelt


@pytest.mark.parametrize(
    "wanted",
    [
        "Microsoft.ClassicCompute/virtualMachines",
        "Microsoft.ClassicCompute/domainNames",
        "Microsoft.ClassicNetwork/virtualNetworks",
        "Microsoft.ClassicNetwork/reservedIps",
        "Microsoft.ClassicNetwork/networkSecurityGroups",
        "Microsoft.ClassicStorage/storageAccounts",
        "Microsoft.Media/mediaservices",
        "Microsoft.DataLakeAnalytics/accounts",
        "Microsoft.MachineLearning/workspaces",
        "Microsoft.PowerBIDedicated/capacities",
        "Microsoft.Bing/accounts",
        "microsoft.visualstudio/account",
        "Microsoft.AzureActiveDirectory/b2cDirectories",
        "Microsoft.Compute/diskEncryptionSets",
        "Contoso.CivicAlerts/hubs",
    ],
)
def test_the_county_has_the_hard_types(county: CloudSpec, wanted: str) -> None:
    assert types(county)[wanted.lower()]


def test_the_county_has_the_hard_properties(county: CloudSpec) -> None:
    """Verdicts below type level have something to find: SKUs, kinds, plans, own keys, hidden classic."""

    def some(kind: str, inside: str) -> bool:
        return any(
            str(body["type"]).lower() == kind.lower() and inside.lower() in json.dumps(body).lower()
            for body in county.resources
        )

    assert some("Microsoft.Network/loadBalancers", '"sku": {"name": "Basic"')
    assert some("Microsoft.Network/publicIPAddresses", '"sku": {"name": "Basic"')
    assert some("Microsoft.Network/applicationGateways", '"tier": "WAF"')
    assert some("Microsoft.Network/trafficManagerProfiles", ".cloudapp.net")
    assert some("Microsoft.Web/hostingEnvironments", "/providers/Microsoft.ClassicNetwork/")
    assert some("Microsoft.ApiManagement/service", "/providers/Microsoft.ClassicNetwork/")
    assert some("Microsoft.Web/sites", ".cloudapp.net")
    assert some("Microsoft.Web/sites", ".blob.core.windows.net")
    assert some("Microsoft.Compute/virtualMachines", '"plan"')
    assert some("Microsoft.Compute/virtualMachines", '"vhd"')
    assert some("Microsoft.Storage/storageAccounts", '"keySource": "Microsoft.Keyvault"')
    kinds = {b.get("kind") for b in county.resources if b["type"] == "Microsoft.CognitiveServices/accounts"}
    assert {"OpenAI", "LUIS", "QnAMaker", "AnomalyDetector", "FormRecognizer"} <= kinds


def test_no_secret_stands_in_a_setting(county: CloudSpec) -> None:
    text = json.dumps(county.resources)
    assert not re.search(r"AccountKey=(?!REDACTED)", text)
    assert not re.search(r"(SharedAccessKey|Password|Pwd|sig)=", text, re.IGNORECASE)
    assert not any(one.key in text for one in county.accounts)


@pytest.mark.parametrize("name", SAMPLES)
def test_ids_are_unique_and_say_what_they_are(name: str) -> None:
    """Mutation that must fail it: giving two groups one name, or a child type the name of its parent alone."""
    cloud = sample(name).commercial
    ids = Counter(str(body["id"]).lower() for body in (*cloud.resources, *cloud.groups))
    assert max(ids.values()) == 1
    groups = {str(body["id"]).lower() for body in cloud.groups}
    subscriptions = {one.id for one in cloud.subscriptions}
    for body in cloud.resources:
        scope, _, rest = str(body["id"]).partition("/providers/")
        namespace, *pairs = rest.split("/")
        assert "/".join((namespace, *pairs[::2])) == body["type"]
        assert "/".join(pairs[1::2]) == body["name"]
        assert scope.lower() in groups
        assert scope.split("/")[2] in subscriptions
    assert {one.lower() for one in cloud.denied} <= groups


@pytest.mark.parametrize("name", SAMPLES)
def test_every_location_is_a_region_once_normalised(name: str) -> None:
    cloud = sample(name).commercial
    known = set(cloud.locations) | NOT_REGIONS
    assert {normal(str(body["location"])) for body in (*cloud.resources, *cloud.groups)} <= known


@pytest.mark.parametrize("name", SAMPLES)
def test_commercial_providers_cover_every_resource(name: str) -> None:
    """Type and region of each resource are on offer, or stock clients could not read what is there."""
    cloud = sample(name).commercial
    offered = {
        f"{provider.namespace}/{kind}".lower(): {normal(place) for place in places}
        for provider in cloud.providers
        for kind, (places, versions) in provider.types.items()
        if versions
    }
    for body in cloud.resources:
        places = offered[str(body["type"]).lower()]
        where = normal(str(body["location"]))
        assert not places or not where or where in places, body["id"]


def versions_of(cloud: CloudSpec, full: str) -> tuple[str, ...]:
    namespace, _, wanted = full.lower().partition("/")
    provider = next(one for one in cloud.providers if one.namespace.lower() == namespace)
    return next(offer[1] for name, offer in provider.types.items() if name.lower() == wanted)


def test_stock_clients_find_their_versions_except_government_storage() -> None:
    """The commercial cloud knows what the installed SDKs ask for by default; Government's storage does not.

    Mutation that must fail it: adding the SDK's default to Government, which would leave negotiation untested.
    """
    from azure.core.credentials import AccessToken
    from azure.mgmt.resource.resources import ResourceManagementClient
    from azure.mgmt.resource.subscriptions import SubscriptionClient
    from azure.mgmt.resourcegraph import ResourceGraphClient
    from azure.mgmt.storage import StorageManagementClient

    class Nobody:
        def get_token(self, *scopes: str, **more: Any) -> AccessToken:
            raise AssertionError("nothing is asked")

    whom: Any = Nobody()
    defaults = {
        "Microsoft.Storage/storageAccounts": StorageManagementClient(whom, "s"),
        "Microsoft.Resources/resources": ResourceManagementClient(whom, "s"),
        "Microsoft.Resources/subscriptions": SubscriptionClient(whom),
        "Microsoft.ResourceGraph/resources": ResourceGraphClient(whom),
    }
    estate = sample("hollis-county")
    for kind, client in defaults.items():
        version = client._config.api_version
        assert version in versions_of(estate.commercial, kind), kind
        in_government = version in versions_of(estate.government, kind)
        assert in_government is (kind != "Microsoft.Storage/storageAccounts"), kind
    assert versions_of(estate.government, "Microsoft.Storage/storageAccounts")[0] == "2025-06-01"


@pytest.mark.parametrize("name", SAMPLES)
def test_government_is_empty_and_lags(name: str) -> None:
    estate = sample(name)
    government = estate.government
    assert not (government.groups or government.accounts)
    # Only what governs it is there before anything is moved.
    assert {str(body["type"]) for body in government.resources} == {"Microsoft.Authorization/policyAssignments"}
    assert government.tenant_id != estate.commercial.tenant_id
    assert set(government.locations) == {"usgovvirginia", "usgovtexas", "usgovarizona", "usdodeast", "usdodcentral"}
    namespaces = {one.namespace.lower() for one in government.providers}
    assert not any(one.startswith("microsoft.classic") for one in namespaces)
    assert len(namespaces) < len(estate.commercial.providers)
    assert set(government.taken_names) & {one.name for one in estate.commercial.accounts}
    regions = {kind: places for one in government.providers for kind, (places, _) in one.types.items()}
    assert len({len(places) for places in regions.values()}) >= 3, "region lists differ"


@pytest.mark.parametrize("name", SAMPLES)
def test_every_readable_storage_account_has_its_data_plane(name: str) -> None:
    """And its body says the same: kind, size, model."""
    cloud = sample(name).commercial
    denied = tuple(f"{one}/".lower() for one in cloud.denied)
    shown = {
        str(body["name"]): body
        for body in cloud.resources
        if str(body["type"]).lower().endswith("storage/storageaccounts")
        and not str(body["id"]).lower().startswith(denied)
    }
    assert set(shown) == {one.name for one in cloud.accounts}
    for one in cloud.accounts:
        body = shown[one.name]
        assert one.classic is ("Classic" in str(body["type"]))
        assert one.classic or (body["kind"], body["sku"]["name"]) == (one.kind, one.sku)
        assert re.fullmatch(r"[a-z0-9]{3,24}", one.name)
        assert len(base64.b64decode(one.key, validate=True)) == 64


def test_the_data_is_as_promised(county: CloudSpec) -> None:
    kinds = {(one.kind, one.sku) for one in county.accounts if one.containers}
    assert {"StorageV2", "Storage", "BlockBlobStorage"} <= {kind for kind, _ in kinds}
    assert ("BlockBlobStorage", "Premium_LRS") in kinds
    assert account(county, classic=True).containers
    all_blobs = [blob for _, _, blob in blobs(county)]
    assert len(all_blobs) >= 3000
    assert {blob.blob_type for blob in all_blobs} == {"BlockBlob", "AppendBlob", "PageBlob"}
    assert sum(len(blob.earlier) for blob in all_blobs) >= 30
    assert any(len(blob.earlier) == 3 for blob in all_blobs)
    sealed = [blob.sealed for blob in all_blobs if blob.blob_type == "AppendBlob"]
    assert any(sealed) and not all(sealed)
    assert {blob.tier for blob in all_blobs} == {"", "Hot", "Cool", "Cold"}, "no archived blob by default"
    headers = {"content_type", "content_encoding", "content_language", "content_disposition", "cache_control"}
    assert any(set(blob.headers) == headers for blob in all_blobs)
    assert any(blob.tags for blob in all_blobs) and any(blob.metadata for blob in all_blobs)
    names = {container.name: container for one in county.accounts for container in one.containers}
    assert {"$web", "$root"} <= set(names)
    assert {container.public_access for container in names.values()} == {"", "blob", "container"}
    assert any(container.policies for container in names.values())
    assert any(container.metadata for container in names.values())
    assert any(not tuple(container.blobs) for container in names.values())


@pytest.mark.parametrize("name", SAMPLES)
def test_an_account_holds_only_what_its_kind_can(name: str) -> None:
    for holder, container, blob in blobs(sample(name).commercial):
        assert blob.blob_type != "PageBlob" or holder.kind in ("StorageV2", "Storage")
        assert not (blob.tier or blob.tags) or (holder.kind == "StorageV2" and not holder.classic)
        assert not blob.tier or blob.blob_type == "BlockBlob"
        assert not blob.sealed or blob.blob_type == "AppendBlob"
        assert container.name != "$root" or "/" not in blob.name
        assert len(blob.tags) <= 10


@pytest.mark.parametrize("name", SAMPLES)
def test_every_name_is_one_that_azure_takes(name: str) -> None:
    seen: set[tuple[str, str, str]] = set()
    for holder, container, blob in blobs(sample(name).commercial):
        assert not problems(blob.name), blob.name
        key = (holder.name, container.name, blob.name)
        assert key not in seen
        seen.add(key)
        assert re.fullmatch(r"\$root|\$web|[a-z0-9](?:-?[a-z0-9]){2,62}", container.name)
        for word, value in blob.metadata.items():
            assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", word) and value.isascii() and value == value.strip()
        for word, value in blob.tags.items():
            assert re.fullmatch(r"[A-Za-z0-9 +\-./:=_]{1,128}", word)
            assert re.fullmatch(r"[A-Za-z0-9 +\-./:=_]{0,256}", value)


def test_odd_names_have_every_oddity() -> None:
    text = "".join(ODD_NAMES)
    assert all(char in text for char in " %+?#&'\"<>=;\u00e9\U0001f600")
    assert any(name.endswith(".") for name in ODD_NAMES) and "a//b" in ODD_NAMES
    assert max(map(len, ODD_NAMES)) == LONGEST and max(name.count("/") for name in ODD_NAMES) >= 99
    by_point, by_unit = sorted(ODD_NAMES), sorted(ODD_NAMES, key=lambda name: name.encode("utf-16-be"))
    assert by_point != by_unit, "the order of listing depends on how one compares"


@pytest.mark.parametrize(
    ("name", "said"),
    [("", "1 to"), ("x" * 1025, "1 to"), ("/".join("x" * 255), "254"), ("a/../b", "normalise"), ("a\\b", "back")],
)
def test_a_bad_name_is_known_as_bad(name: str, said: str) -> None:
    assert said in problems(name)


def test_contents_are_bounded(county: CloudSpec) -> None:
    """One blob of 300 MiB in blocks, 700 MiB at most in all, page blobs in whole pages."""
    sizes: list[int] = []
    for _, _, blob in blobs(county):
        size = len(blob.content())
        sizes.append(size)
        assert blob.blob_type != "PageBlob" or size % 512 == 0
        if size == 300 * MIB:
            assert blob.block_size
    assert sizes.count(300 * MIB) == 1
    assert sum(sizes) < 700 * MIB
    assert sizes.count(0) >= 10
    assert sum(MIB <= size <= 41 * MIB for size in sizes) >= 10
    assert sum(size <= 40 * 1024 for size in sizes) / len(sizes) > 0.9


def digest(estate: Estate) -> str:
    whole = hashlib.sha256(json.dumps(estate.commercial.resources, sort_keys=True).encode())
    for holder, container, blob in blobs(estate.commercial):
        whole.update(f"{holder.name} {holder.key} {container.name} {blob.name} {blob.metadata} {blob.tags}".encode())
        if not blob.block_size and blob.blob_type != "PageBlob":
            whole.update(blob.content())
    return whole.hexdigest()


def test_a_seed_makes_the_same_estate_again_and_another_seed_another() -> None:
    first = digest(hollis_county.estate())
    assert first == digest(hollis_county.estate())
    assert first != digest(hollis_county.estate(seed=1))


def test_archived_blobs_only_on_request() -> None:
    archived = [
        blob for _, box, blob in blobs(load_estate("hollis-county+archive").commercial) if blob.tier == "Archive"
    ]
    assert len(archived) == 3


def test_the_tiny_customer_is_tiny_and_whole() -> None:
    tiny = sample("tiny").commercial
    assert len(tiny.subscriptions) == 1 and 10 <= len(tiny.resources) <= 15 and len(tiny.denied) == 1
    found = [blob for _, _, blob in blobs(tiny)]
    assert 35 <= len(found) <= 60
    assert {blob.blob_type for blob in found} == {"BlockBlob", "AppendBlob", "PageBlob"}
    assert any(blob.earlier for blob in found) and any(blob.block_size for blob in found)
    assert account(tiny, classic=True).containers


def resource(group: str, type_: str, name: str, **more: Any) -> dict[str, Any]:
    where = f"/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/{group}/providers/{type_}/{name}"
    return {"id": where, "name": name, "type": type_, "location": "West Europe", **more}


def test_an_exported_list_becomes_the_commercial_inventory(tmp_path: Path) -> None:
    listed = [
        resource(
            "one", "Microsoft.Storage/storageAccounts", "exported", kind="StorageV2", sku={"name": "Standard_LRS"}
        ),
        resource("ONE", "Unheard.Of/things", "thing"),
    ]
    for number, whole in enumerate(
        (
            listed,
            {"value": listed},
            {"data": listed},
            {"commercial": {"resources": listed}, "government": {"taken_names": ["exported"]}},
        )
    ):
        path = tmp_path / f"estate{number}.json"
        path.write_text(json.dumps(whole), encoding="utf-8")
        estate = load_estate(str(path))
        cloud = estate.commercial
        assert [body["name"] for body in cloud.resources] == ["exported", "thing"]
        assert [one.name for one in cloud.accounts] == ["exported"]
        assert len(cloud.groups) == len(cloud.subscriptions) == 1, "ids are compared without regard to case"
        assert "westeurope" in cloud.locations
        assert versions_of(cloud, "Unheard.Of/things")
        governs = "microsoft.authorization/"
        assert not [one for one in estate.government.resources if not one["type"].lower().startswith(governs)]
    assert estate.government.taken_names == ("exported",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("not json", "is not JSON"),
        ("[]", "no list of ARM resources"),
        ('{"commercial": {"resources": 3}}', "no list of ARM resources"),
        ('[{"id": "/x", "name": "n"}]', "Item 0"),
        ('[{"id": "/x", "name": "n", "type": "A/b"}]', "in no subscription"),
        ('{"commercial": [], "government": 7}', "government"),
        ('{"commercial": {"resources": [], "denied": [1]}}', "denied"),
    ],
)
def test_a_bad_file_is_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=said):
        load_estate(str(path))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("hollis", "There is no estate"),
        ("missing.json", "cannot be read"),
        ("json:dumps_not", "There is no estate"),
        ("no.such.module:x", "There is no estate"),
        ("sandbox.estates.tiny:NAME", "is not an Estate"),
    ],
)
def test_a_bad_name_is_one_sentence(name: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        load_estate(name)


def test_an_estate_can_come_from_a_module() -> None:
    assert load_estate("sandbox.estates.tiny:estate").name == "tiny"


def test_the_owners_of_the_sample_county_remove_mend_and_add_a_resource() -> None:
    holdings = Holdings(sample("hollis-county").commercial)
    before = {body["name"]: body for body in holdings.resources.values()}
    for document in CHANGES:
        rule = dict(document)
        holdings.change(rule.pop("type"), rule.pop("name"), **rule)
    after = {body["name"]: body for body in holdings.resources.values()}
    assert (before.keys() - after.keys(), after.keys() - before.keys()) == ({"rip-unused"}, {"snap-docket-2026"})
    assert [name for name in before if name in after and before[name] != after[name]] == ["pip-tiles"]
    assert after["snap-docket-2026"]["id"].endswith("/snap-docket-2026")
    with pytest.raises(LookupError, match="0 resources are"):
        holdings.change("Microsoft.Compute/disks", "nowhere", remove=True)
