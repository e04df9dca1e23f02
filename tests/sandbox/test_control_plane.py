"""The control plane of both clouds, asked by unmodified Azure clients with stock settings and real names."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from azure.core import AzureClouds
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.identity import AzureAuthorityHosts, CertificateCredential, ClientSecretCredential
from azure.identity.aio import ClientSecretCredential as AioClientSecretCredential
from azure.mgmt.resource.resources import ResourceManagementClient
from azure.mgmt.resource.resources.aio import ResourceManagementClient as AioResourceManagementClient
from azure.mgmt.resource.subscriptions import SubscriptionClient
from azure.mgmt.resourcegraph import ResourceGraphClient
from azure.mgmt.resourcegraph.models import QueryRequest, QueryRequestOptions
from azure.mgmt.storage import StorageManagementClient
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.conftest import RunningSandbox
from tests.sandbox.tiny_estate import MANY, SECOND, SOURCE, TARGET, key_of

pytestmark = pytest.mark.sandbox

ARM_SCOPES = {
    "commercial": "https://management.azure.com/.default",
    "government": "https://management.core.usgovcloudapi.net/.default",
}
AUTHORITIES = {
    "commercial": AzureAuthorityHosts.AZURE_PUBLIC_CLOUD,
    "government": AzureAuthorityHosts.AZURE_GOVERNMENT,
}
SETTINGS = {"commercial": AzureClouds.AZURE_PUBLIC_CLOUD, "government": AzureClouds.AZURE_US_GOVERNMENT}


def sign_in(box: RunningSandbox, cloud: str, **changed: Any) -> ClientSecretCredential:
    """A credential of one cloud; `changed` replaces what the state says."""
    known = {**box.state[cloud], **changed}
    return ClientSecretCredential(
        known["tenant_id"],
        known["client_id"],
        known["client_secret"],
        authority=AUTHORITIES[cloud],
        **box.client_options,
    )


def aio_sign_in(box: RunningSandbox, cloud: str) -> AioClientSecretCredential:
    """`sign_in` for aio clients."""
    known = box.state[cloud]
    return AioClientSecretCredential(
        known["tenant_id"],
        known["client_id"],
        known["client_secret"],
        authority=AUTHORITIES[cloud],
        **box.client_options,
    )


class Clients:
    """Management clients of one cloud with one credential."""

    def __init__(self, box: RunningSandbox, cloud: str, credential: Any = None) -> None:
        credential = credential or sign_in(box, cloud)
        subscription = box.state[cloud]["subscriptions"][0]
        stock = {"cloud_setting": SETTINGS[cloud], **box.client_options}
        self.resources = ResourceManagementClient(credential, subscription, **stock)
        self.storage = StorageManagementClient(credential, subscription, **stock)
        self.graph = ResourceGraphClient(credential, **stock)
        self.subscriptions = SubscriptionClient(credential, **stock)

    def query(self, text: str, **options: Any) -> Any:
        return self.graph.resources(
            QueryRequest(subscriptions=[SOURCE], query=text, options=QueryRequestOptions(**options))
        )


@pytest.fixture
def source(tiny_sandbox: RunningSandbox) -> Clients:
    return Clients(tiny_sandbox, "commercial")


@pytest.fixture
def target(tiny_sandbox: RunningSandbox) -> Clients:
    return Clients(tiny_sandbox, "government")


@pytest.fixture
def group(target: Clients) -> Iterator[str]:
    name = "rg-made"
    target.resources.resource_groups.create_or_update(name, {"location": "usgovvirginia"})
    yield name


def refused(call: Any, status: int, code: str) -> HttpResponseError:
    """The error of a call that ARM refuses with this status and code."""
    with pytest.raises(HttpResponseError) as caught:
        call()
    assert caught.value.status_code == status
    assert caught.value.error is not None and caught.value.error.code == code
    return caught.value


class TestAuthority:
    @pytest.mark.parametrize("cloud", ["commercial", "government"])
    def test_secret_signs_in(self, tiny_sandbox: RunningSandbox, cloud: str) -> None:
        token = sign_in(tiny_sandbox, cloud).get_token(ARM_SCOPES[cloud])
        assert token.token.count(".") == 2

    def test_certificate_signs_in(self, tiny_sandbox: RunningSandbox) -> None:
        known = tiny_sandbox.state["government"]
        credential = CertificateCredential(
            known["tenant_id"],
            known["client_id"],
            known["client_certificate"],
            authority=AUTHORITIES["government"],
            **tiny_sandbox.client_options,
        )
        assert credential.get_token(ARM_SCOPES["government"]).token

    def test_certificate_of_the_other_cloud_does_not(self, tiny_sandbox: RunningSandbox) -> None:
        """Breaks if assertions are taken without a look at their signature."""
        known = tiny_sandbox.state["government"]
        credential = CertificateCredential(
            known["tenant_id"],
            known["client_id"],
            tiny_sandbox.state["commercial"]["client_certificate"],
            authority=AUTHORITIES["government"],
            **tiny_sandbox.client_options,
        )
        with pytest.raises(ClientAuthenticationError, match="AADSTS700027"):
            credential.get_token(ARM_SCOPES["government"])

    @pytest.mark.parametrize(
        ("changed", "code"),
        [
            ({"client_secret": "wrong"}, "AADSTS7000215"),
            ({"client_id": "cccccccc-0000-4000-8000-000000000001"}, "AADSTS700016"),
            ({"tenant_id": "cccccccc-0000-4000-8000-000000000002"}, "Unable to get authority configuration"),
        ],
    )
    def test_wrong_identity_is_named(self, tiny_sandbox: RunningSandbox, changed: dict[str, str], code: str) -> None:
        with pytest.raises((ClientAuthenticationError, ValueError), match=code):
            sign_in(tiny_sandbox, "government", **changed).get_token(ARM_SCOPES["government"])

    def test_scope_of_the_other_cloud_is_unknown(self, tiny_sandbox: RunningSandbox) -> None:
        with pytest.raises(ClientAuthenticationError, match="AADSTS500011"):
            sign_in(tiny_sandbox, "government").get_token(ARM_SCOPES["commercial"])


class FixedToken:
    """A credential with a token from elsewhere."""

    def __init__(self, token: Any) -> None:
        self._token = token

    def get_token(self, *_: str, **__: Any) -> Any:
        return self._token


def forge(token: str, algorithm: str) -> str:
    """The claims of a token, signed by somebody who has not the cloud's key."""
    keys: dict[str, Any] = {
        "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
        "HS256": "guessed by an attacker, long enough",
        "none": None,
    }
    claims = jwt.decode(token, options={"verify_signature": False})
    return jwt.encode(claims, keys[algorithm], algorithm=algorithm)


class TestTokens:
    @pytest.mark.parametrize(("of", "at"), [("commercial", "government"), ("government", "commercial")])
    def test_token_of_the_other_cloud_is_refused(self, tiny_sandbox: RunningSandbox, of: str, at: str) -> None:
        """Breaks if ARM skips the signature: both clouds issue tokens of the same form."""
        foreign = FixedToken(sign_in(tiny_sandbox, of).get_token(ARM_SCOPES[of]))
        with pytest.raises(ClientAuthenticationError) as caught:
            list(Clients(tiny_sandbox, at, foreign).subscriptions.subscriptions.list())
        assert caught.value.status_code == 401

    @pytest.mark.parametrize("algorithm", ["RS256", "HS256", "none"])
    def test_forged_token_is_refused(self, tiny_sandbox: RunningSandbox, algorithm: str) -> None:
        """Breaks if claims are believed: these are the right ones, under a signature of somebody else's or none."""
        good = sign_in(tiny_sandbox, "government").get_token(ARM_SCOPES["government"])
        forged = FixedToken(good._replace(token=forge(good.token, algorithm)))
        with pytest.raises(ClientAuthenticationError) as caught:
            list(Clients(tiny_sandbox, "government", forged).subscriptions.subscriptions.list())
        assert caught.value.status_code == 401

    def test_storage_token_is_refused_by_arm(self, tiny_sandbox: RunningSandbox) -> None:
        token = FixedToken(sign_in(tiny_sandbox, "commercial").get_token("https://storage.azure.com/.default"))
        with pytest.raises(ClientAuthenticationError, match="audience"):
            list(Clients(tiny_sandbox, "commercial", token).subscriptions.subscriptions.list())


class TestSourceEstate:
    def test_subscriptions_and_tenant(self, source: Clients, tiny_sandbox: RunningSandbox) -> None:
        assert [entry.subscription_id for entry in source.subscriptions.subscriptions.list()] == [SOURCE, SECOND]
        tenants = [entry.tenant_id for entry in source.subscriptions.tenants.list()]
        assert tenants == [tiny_sandbox.state["commercial"]["tenant_id"]]
        names = [entry.name for entry in source.subscriptions.subscriptions.list_locations(SOURCE)]
        assert names == ["eastus", "westus"]

    def test_list_goes_over_pages_and_leaves_denied_out(self, source: Clients, tiny_sandbox: RunningSandbox) -> None:
        """Breaks if nextLink is lost: MANY is more than a page."""
        names = [entry.name for entry in source.resources.resources.list()]
        assert len(names) == len(set(names)) == MANY + 3
        assert "hidden-net" not in names
        asked = tiny_sandbox.counters()["commercial"]["arm"]["by_operation"]["GET subscriptions/resources"]
        assert asked == 2

    def test_list_filters(self, source: Clients) -> None:
        of_type = source.resources.resources.list(filter="resourceType eq 'Microsoft.ClassicCompute/domainNames'")
        assert [entry.name for entry in of_type] == ["oldpermits"]
        refused(
            lambda: list(source.resources.resources.list(filter="color eq 'red'")), 400, "InvalidFilterInQueryString"
        )

    def test_list_tells_no_properties_and_get_does(self, source: Clients) -> None:
        listed = next(entry for entry in source.resources.resources.list() if entry.name == "tinysource")
        assert listed.as_dict().get("properties") is None
        assert listed.id is not None
        whole = source.resources.resources.get_by_id(listed.id, api_version="2025-01-01")
        assert whole.as_dict()["properties"]["primaryEndpoints"]["blob"] == "https://tinysource.blob.core.windows.net/"

    def test_denied_group_is_listed_but_closed(self, source: Clients) -> None:
        """The gap can be found: the group's name is told, what is in it is not."""
        groups = source.resources.resource_groups
        assert "rg-sealed" in [entry.name for entry in groups.list()]
        error = refused(
            lambda: list(source.resources.resources.list_by_resource_group("rg-sealed")), 403, "AuthorizationFailed"
        )
        assert "does not have authorization to perform action" in str(error)
        refused(lambda: groups.get("rg-sealed"), 403, "AuthorizationFailed")
        below = (
            f"/subscriptions/{SOURCE}/resourceGroups/rg-sealed/providers/Microsoft.Network/virtualNetworks/hidden-net"
        )
        refused(
            lambda: source.resources.resources.get_by_id(below, api_version="2024-05-01"), 403, "AuthorizationFailed"
        )

    def test_open_group_lists_over_pages(self, source: Clients) -> None:
        assert len(list(source.resources.resources.list_by_resource_group("rg-many"))) == MANY

    def test_missing_things(self, source: Clients) -> None:
        with pytest.raises(ResourceNotFoundError, match="ResourceGroupNotFound"):
            source.resources.resource_groups.get("rg-nowhere")
        with pytest.raises(ResourceNotFoundError, match="ResourceNotFound"):
            source.storage.storage_accounts.get_properties("rg-app", "absent")
        assert not source.resources.resource_groups.check_existence("rg-nowhere")

    def test_keys_of_both_models(self, source: Clients) -> None:
        keys = source.storage.storage_accounts.list_keys("rg-app", "tinysource")["keys"]
        assert keys[0]["value"] == key_of("tinysource")

    async def test_aio_client_reads_the_same(self, tiny_sandbox: RunningSandbox) -> None:
        options = {"cloud_setting": SETTINGS["commercial"], **tiny_sandbox.client_options}
        async with (
            aio_sign_in(tiny_sandbox, "commercial") as credential,
            AioResourceManagementClient(credential, SOURCE, **options) as client,
        ):
            assert len([entry async for entry in client.resources.list()]) == MANY + 3


class TestProviders:
    def test_government_lags(self, source: Clients, target: Clients) -> None:
        assert "Microsoft.ClassicCompute" in [entry.namespace for entry in source.resources.providers.list()]
        assert "Microsoft.ClassicCompute" not in [entry.namespace for entry in target.resources.providers.list()]
        offered = target.resources.providers.get("Microsoft.Storage").resource_types
        assert offered is not None and offered[0].locations == ["USGov Virginia", "USGov Arizona"]
        refused(lambda: target.resources.providers.get("Microsoft.ClassicCompute"), 404, "InvalidResourceNamespace")

    def test_api_version_that_government_lacks(self, target: Clients) -> None:
        """The client's own newest version: a mover must ask which version the cloud knows."""
        error = refused(lambda: list(target.storage.storage_accounts.list()), 400, "NoRegisteredProviderFound")
        assert "The supported api-versions are '2025-01-01, 2023-05-01'" in str(error)

    def test_region_that_government_lacks(self, tiny_sandbox: RunningSandbox, group: str) -> None:
        client = government_storage(tiny_sandbox)
        body = {"location": "eastus", "sku": {"name": "Standard_LRS"}, "kind": "StorageV2"}
        refused(
            lambda: client.storage_accounts.begin_create(group, "elsewhere", body), 400, "NoRegisteredProviderFound"
        )


def government_storage(box: RunningSandbox) -> Any:
    """The storage client of the Government cloud, at a version that this cloud has."""
    return StorageManagementClient(
        sign_in(box, "government"),
        TARGET,
        cloud_setting=SETTINGS["government"],
        api_version="2025-01-01",
        **box.client_options,
    )


class TestTargetAccounts:
    BODY = {"location": "usgovvirginia", "sku": {"name": "Standard_GRS"}, "kind": "StorageV2", "tags": {"a": "b"}}

    @pytest.mark.slow
    def test_account_is_born_after_a_long_run(self, tiny_sandbox: RunningSandbox, group: str) -> None:
        client = government_storage(tiny_sandbox)
        assert client.storage_accounts.check_name_availability({"name": "newborn"}).name_available
        poller = client.storage_accounts.begin_create(group, "newborn", dict(self.BODY))
        assert not poller.done()
        account = poller.result()
        assert account.primary_endpoints is not None
        assert account.primary_endpoints.blob == "https://newborn.blob.core.usgovcloudapi.net/"
        check = client.storage_accounts.check_name_availability({"name": "newborn"})
        assert (check.name_available, check.reason) == (False, "AlreadyExists")
        again = client.storage_accounts.begin_create(group, "newborn", dict(self.BODY)).result()
        assert again.id == account.id
        polls = tiny_sandbox.counters()["government"]["arm"]["by_operation"]
        location = [name for name in polls if name.endswith("Microsoft.Storage/locations/asyncoperations")]
        assert polls[location[0]] >= 2, "at least one 202, and then the account"

    def test_names(self, tiny_sandbox: RunningSandbox, group: str) -> None:
        accounts = government_storage(tiny_sandbox).storage_accounts
        taken = accounts.check_name_availability({"name": "somebodyelse"})
        assert (taken.name_available, taken.reason) == (False, "AlreadyExists")
        assert accounts.check_name_availability({"name": "No-Good"}).reason == "AccountNameInvalid"
        refused(
            lambda: accounts.begin_create(group, "somebodyelse", dict(self.BODY)), 409, "StorageAccountAlreadyTaken"
        )
        refused(lambda: accounts.begin_create("rg-nowhere", "fine", dict(self.BODY)), 404, "ResourceGroupNotFound")

    def test_group_cannot_move(self, target: Clients, group: str) -> None:
        call = target.resources.resource_groups.create_or_update
        refused(lambda: call(group, {"location": "usgovarizona"}), 409, "InvalidResourceGroupLocation")
        refused(lambda: call("rg-far", {"location": "eastus"}), 400, "LocationNotAvailableForResourceGroup")

    @pytest.mark.slow
    def test_group_is_deleted_with_what_is_in_it(self, tiny_sandbox: RunningSandbox, target: Clients) -> None:
        target.resources.resource_groups.create_or_update("rg-brief", {"location": "usgovvirginia"})
        client = government_storage(tiny_sandbox)
        client.storage_accounts.begin_create("rg-brief", "shortlived", dict(self.BODY)).result()
        target.resources.resource_groups.begin_delete("rg-brief").result()
        assert not target.resources.resource_groups.check_existence("rg-brief")
        assert client.storage_accounts.check_name_availability({"name": "shortlived"}).name_available


class TestResourceGraph:
    def test_pages_by_skip_token(self, source: Clients) -> None:
        seen: list[str] = []
        token: str | None = None
        while True:
            page = source.query("resources | project id, type | order by id asc", top=50, skip_token=token)
            seen += [row["id"] for row in page.data]
            assert page.total_records == MANY + 3
            token = page.skip_token
            if token is None:
                break
        assert len(seen) == len(set(seen)) == MANY + 3

    def test_denied_group_is_silently_absent(self, source: Clients) -> None:
        names = {row["name"] for row in source.query("resources | where name =~ 'hidden-net'").data}
        containers = source.query(
            "resourcecontainers | where type =~ 'microsoft.resources/subscriptions/resourcegroups'"
        )
        assert names == set()
        assert {row["name"] for row in containers.data} == {"rg-app", "rg-many"}

    def test_counts_and_limits(self, source: Clients) -> None:
        counted = source.query("resources | summarize count() by subscriptionId").data
        assert counted == [{"subscriptionId": SOURCE, "count_": MANY + 3}]
        assert len(source.query("resources | limit 7").data) == 7
        assert source.query("resources | project name", top=10).result_truncated == "true"

    def test_type_is_in_small_letters(self, source: Clients) -> None:
        assert source.query("resources | where type == 'Microsoft.ClassicCompute/domainNames'").data == []
        row = source.query("where type =~ 'Microsoft.ClassicCompute/domainNames'").data[0]
        assert (row["type"], row["resourceGroup"]) == ("microsoft.classiccompute/domainnames", "rg-app")

    def test_what_it_cannot_answer_is_refused(self, source: Clients) -> None:
        error = refused(lambda: source.query("resources | mv-expand properties"), 400, "BadRequest")
        assert error.error is not None
        assert [detail.code for detail in error.error.details] == ["InvalidQuery", "ParserFailure"]


class TestFaults:
    def test_throttled_arm_is_retried_by_the_client(self, tiny_sandbox: RunningSandbox, source: Clients) -> None:
        tiny_sandbox.break_with(
            {
                "match": "commercial arm GET /subscriptions\\?",
                "status": 429,
                "code": "TooManyRequests",
                "headers": {"Retry-After": "0"},
                "times": 2,
            }
        )
        assert len(list(source.subscriptions.subscriptions.list())) == 2
        assert tiny_sandbox.ask("GET", "/faults")[0]["struck"] == 2
        assert tiny_sandbox.counters()["commercial"]["arm"]["by_status"] == {"200": 1, "429": 2}

    def test_broken_connection_is_retried_by_the_client(self, tiny_sandbox: RunningSandbox, source: Clients) -> None:
        tiny_sandbox.break_with({"match": "arm GET /subscriptions\\?", "reset": "before", "times": 1})
        assert len(list(source.subscriptions.subscriptions.list())) == 2

    def test_authority_can_fail_too(self, tiny_sandbox: RunningSandbox) -> None:
        tiny_sandbox.break_with({"match": "government entra POST", "status": 400, "code": "temporarily_unavailable"})
        with pytest.raises(ClientAuthenticationError):
            sign_in(tiny_sandbox, "government").get_token(ARM_SCOPES["government"])
        assert sign_in(tiny_sandbox, "commercial").get_token(ARM_SCOPES["commercial"]).token

    def test_cut_answer_is_an_error_and_not_a_short_list(self, tiny_sandbox: RunningSandbox, source: Clients) -> None:
        tiny_sandbox.break_with({"match": "arm GET /subscriptions/[^/]+/resources", "truncate": 200})
        with pytest.raises(Exception, match=r"IncompleteRead|incomplete|Connection broken"):
            list(source.resources.resources.list(retry_total=0))

    def test_bad_rule_is_refused(self, tiny_sandbox: RunningSandbox) -> None:
        with pytest.raises(OSError, match="400"):
            tiny_sandbox.break_with({"match": "(", "status": 500})
        with pytest.raises(OSError, match="400"):
            tiny_sandbox.break_with({"match": "x", "stauts": 500})


def test_both_clouds_at_once(tiny_sandbox: RunningSandbox) -> None:
    """Many askers at the same time each get their own cloud's answer."""

    async def ask(cloud: str) -> set[str]:
        return await asyncio.to_thread(
            lambda: {
                str(entry.subscription_id) for entry in Clients(tiny_sandbox, cloud).subscriptions.subscriptions.list()
            }
        )

    async def ask_all() -> list[set[str]]:
        return await asyncio.gather(*(ask(cloud) for cloud in ("commercial", "government") * 4))

    assert asyncio.run(ask_all()) == [{SOURCE, SECOND}, {TARGET}] * 4
