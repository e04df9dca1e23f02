"""Who may do what: keys, SAS of all kinds, tokens."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.storage.blob import (
    AccountSasPermissions,
    ContainerSasPermissions,
    ResourceTypes,
    generate_account_sas,
    generate_blob_sas,
    generate_container_sas,
)

from sandbox.storage.sas import delegation_key
from tests.sandbox.conformance.conftest import new_name
from tests.sandbox.conformance.gaps import Feature
from tests.sandbox.conformance.stage import ACCOUNTS, TENANTS, Clock, Stage, Token, key_of
from tests.sandbox.conformance.test_blobs import code_of

ACCOUNT = ACCOUNTS["commercial"][0]


def soon(minutes: float = 60) -> datetime:
    return datetime.now(UTC) + timedelta(minutes=minutes)


def refused(attempt: Any) -> tuple[int, str]:
    with pytest.raises(HttpResponseError) as error:
        attempt()
    return code_of(error)


def test_wrong_key(stage: Stage) -> None:
    """Breaks when `check_shared_key` does not compare."""
    stage.needs(Feature.SAS)
    wrong = {"account_name": ACCOUNT, "account_key": base64.b64encode(b"wrong" * 8).decode()}
    status, _ = refused(lambda: stage.client(credential=wrong).create_container(new_name()))
    assert status == stage.code(403, "WrongKey")[0]


def test_shared_key_signs_every_kind_of_request(stage: Stage, container: Any) -> None:
    """Metadata, query parameters, odd names and conditional headers are part of what the key signs."""
    stage.needs(Feature.SAS)
    blob = container.get_blob_client("sub/na me+%25ü")
    etag = blob.upload_blob(b"1", metadata={"Zeta_1": "v", "alpha": "w"}, tags={"a b": "c/d"})["etag"]
    blob.set_blob_metadata({"a_b": "1", "aB": "2", "x": "3"}, etag=etag, match_condition=MatchConditions.IfNotModified)
    assert blob.get_blob_tags() == {"a b": "c/d"}
    assert [item.name for item in container.list_blobs(name_starts_with="sub/na me+", results_per_page=1)] == [
        blob.blob_name
    ]


def test_container_sas(stage: Stage, container: Any) -> None:
    """REST, Create a service SAS: letters decide.

    Breaks when `_check_scope` is not asked.
    """
    stage.needs(Feature.SAS)
    container.upload_blob("x", b"1")
    sas = generate_container_sas(
        ACCOUNT, container.container_name, account_key=key_of(ACCOUNT), permission="rl", expiry=soon(), protocol="https"
    )
    reader = stage.client(credential=sas).get_container_client(container.container_name)
    assert [item.name for item in reader.list_blobs()] == ["x"]
    assert reader.get_blob_client("x").download_blob().readall() == b"1"
    assert refused(lambda: reader.upload_blob("y", b"1")) == (403, "AuthorizationPermissionMismatch")
    assert refused(lambda: reader.delete_blob("x")) == (403, "AuthorizationPermissionMismatch")
    assert refused(lambda: reader.get_blob_client("x").get_blob_tags())[0] == 403
    other = stage.client().create_container(new_name())
    status, _ = refused(
        lambda: list(stage.client(credential=sas).get_container_client(other.container_name).list_blobs())
    )
    assert status == 403


def test_blob_sas_and_its_headers(stage: Stage, container: Any) -> None:
    stage.needs(Feature.SAS)
    container.upload_blob("x", b"1")
    container.upload_blob("y", b"2")
    sas = generate_blob_sas(
        ACCOUNT,
        container.container_name,
        "x",
        account_key=key_of(ACCOUNT),
        permission="r",
        expiry=soon(),
        start=soon(-15),
        content_type="text/override",
    )
    service = stage.client(credential=sas)
    x = service.get_blob_client(container.container_name, "x")
    assert x.download_blob().properties.content_settings.content_type == "text/override"
    assert refused(service.get_blob_client(container.container_name, "y").download_blob)[0] == 403


@pytest.mark.parametrize(("start", "expiry"), [(None, soon(-1)), (soon(30), soon(60))], ids=["expired", "not yet"])
def test_sas_times(stage: Stage, container: Any, start: datetime | None, expiry: datetime) -> None:
    stage.needs(Feature.SAS)
    sas = generate_container_sas(
        ACCOUNT, container.container_name, account_key=key_of(ACCOUNT), permission="l", expiry=expiry, start=start
    )
    reader = stage.client(credential=sas).get_container_client(container.container_name)
    assert refused(lambda: list(reader.list_blobs())) == stage.code(403, "AuthenticationFailed")


def test_tampered_sas(stage: Stage, container: Any) -> None:
    stage.needs(Feature.SAS)
    sas = generate_container_sas(
        ACCOUNT, container.container_name, account_key=key_of(ACCOUNT), permission="l", expiry=soon()
    ).replace("sp=l", "sp=rl")
    reader = stage.client(credential=sas).get_container_client(container.container_name)
    assert refused(lambda: list(reader.list_blobs())) == stage.code(403, "AuthenticationFailed")


def test_create_only_sas_does_not_overwrite(stage: Stage, container: Any) -> None:
    """REST, error codes: 403 UnauthorizedBlobOverwrite."""
    stage.needs(Feature.SAS)
    sas = generate_container_sas(
        ACCOUNT, container.container_name, account_key=key_of(ACCOUNT), permission="c", expiry=soon()
    )
    blob = stage.client(credential=sas).get_blob_client(container.container_name, "x")
    blob.upload_blob(b"1", overwrite=True)
    assert refused(lambda: blob.upload_blob(b"2", overwrite=True)) == stage.code(403, "UnauthorizedBlobOverwrite")


def test_account_sas(stage: Stage, container: Any) -> None:
    stage.needs(Feature.SAS)
    sas = generate_account_sas(
        ACCOUNT,
        key_of(ACCOUNT),
        resource_types=ResourceTypes(object=True),
        permission=AccountSasPermissions(read=True, write=True, list=True),
        expiry=soon(),
    )
    service = stage.client(credential=sas)
    blob = service.get_blob_client(container.container_name, "x")
    blob.upload_blob(b"1")
    assert blob.download_blob().readall() == b"1"
    assert refused(lambda: list(service.list_containers())) == (403, "AuthorizationResourceTypeMismatch")
    assert refused(blob.delete_blob) == (403, "AuthorizationPermissionMismatch")


def test_token_reads_and_writes(stage: Stage) -> None:
    stage.needs(Feature.BASIC)
    container = stage.client(credential="token").create_container(new_name())
    container.upload_blob("x", b"1")
    assert container.download_blob("x").readall() == b"1"


def test_delegation_sas(stage: Stage, container: Any) -> None:
    """REST, Create a user delegation SAS: good as signed, and no further.

    Breaks when the key is looked up without its expiry, or `ske` is not checked.
    """
    stage.needs(Feature.DELEGATION)
    container.upload_blob("x", b"1")
    key = stage.client(credential="token").get_user_delegation_key(soon(-15), soon(120))
    assert key.signed_tid == TENANTS["commercial"]

    def reader(permission: str = "rl", expiry: datetime | None = None, change: tuple[str, str] | None = None) -> Any:
        sas = generate_container_sas(
            ACCOUNT,
            container.container_name,
            user_delegation_key=key,
            permission=ContainerSasPermissions.from_string(permission),
            expiry=expiry or soon(),
            start=soon(-15),
            protocol="https",
        )
        if change:
            assert change[0] in sas
            sas = sas.replace(*change)
        return stage.client(credential=sas).get_container_client(container.container_name)

    assert reader().download_blob("x").readall() == b"1"
    assert [item.name for item in reader().list_blobs()] == ["x"]
    assert refused(lambda: reader("r").upload_blob("y", b"1")) == (403, "AuthorizationPermissionMismatch")
    assert refused(lambda: reader(expiry=soon(-1)).download_blob("x"))[0] == 403
    assert refused(lambda: reader(change=("sp=rl", "sp=racwdl")).download_blob("x"))[0] == 403
    year = key.signed_expiry[:4]
    assert refused(lambda: reader(change=(f"ske={year}", f"ske={int(year) + 1}")).download_blob("x"))[0] == 403


def test_acl_takes_a_token(own_stage: Stage) -> None:
    """REST, Get Container ACL: Entra is one of its authorizations; no SAS is."""
    own_stage.needs(Feature.ACL_BY_TOKEN)
    container = own_stage.client(credential="token").create_container(new_name())
    container.set_container_access_policy({}, public_access=None)
    assert container.get_container_access_policy()["signed_identifiers"] == []
    sas = generate_account_sas(
        ACCOUNT, key_of(ACCOUNT), ResourceTypes(container=True), AccountSasPermissions(read=True), soon()
    )
    by_sas = own_stage.client(credential=sas).get_container_client(container.container_name)
    assert refused(by_sas.get_container_access_policy) == (403, "AuthorizationFailure")


class TestTokensOfTheOwnService:
    """What Azurite does not look at."""

    def refusal(self, stage: Stage, token: Token, account: str = "") -> pytest.ExceptionInfo[Any]:
        with pytest.raises(HttpResponseError) as error:
            list(stage.client("commercial", account, credential=token).list_containers())
        return error

    def test_good_token(self, own_stage: Stage) -> None:
        assert isinstance(list(own_stage.client(credential=Token("commercial")).list_containers()), list)

    def test_other_clouds_token(self, own_stage: Stage) -> None:
        """Breaks when the service does not ask `verify_bearer`."""
        own_stage.needs(Feature.TOKEN_CHECKS)
        error = self.refusal(own_stage, Token("government"))
        assert isinstance(error.value, ClientAuthenticationError)
        assert code_of(error) == (401, "InvalidAuthenticationInfo")
        assert "authorization_uri=" in error.value.response.headers["WWW-Authenticate"]

    def test_other_signer(self, own_stage: Stage) -> None:
        assert self.refusal(own_stage, Token("commercial", signed_by="government")).value.status_code == 401

    def test_other_tenant(self, own_stage: Stage) -> None:
        assert self.refusal(own_stage, Token("commercial", tenant=TENANTS["government"])).value.status_code == 401

    def test_other_audience(self, own_stage: Stage) -> None:
        token = Token("commercial", audience="https://management.azure.com")
        assert self.refusal(own_stage, token).value.status_code == 401

    def test_classic_account_takes_no_token(self, own_stage: Stage) -> None:
        """REST, Authorize with Azure Active Directory: accounts of the Resource Manager model only."""
        error = self.refusal(own_stage, Token("commercial"), "classicdata")
        assert code_of(error) == (403, "AuthenticationFailed")
        own_stage.client(account="classicdata").create_container(new_name())

    def test_anonymous_is_challenged(self, own_stage: Stage, own_container: Any) -> None:
        """REST, Authorize with Azure Active Directory, bearer challenge."""
        own_stage.needs(Feature.CHALLENGE)
        nobody = own_stage.client(credential=None).get_container_client(own_container.container_name)
        with pytest.raises(HttpResponseError) as error:
            list(nobody.list_blobs())
        assert code_of(error) == (401, "NoAuthenticationInformation")
        assert error.value.response.headers["WWW-Authenticate"].startswith("Bearer authorization_uri=https://")

    def test_keys_can_be_forbidden(self, own_stage: Stage) -> None:
        """REST, Prevent Shared Key authorization."""
        account = own_stage.services["commercial"].accounts["otherdata"]
        account.allow_shared_key = False
        try:
            assert refused(lambda: list(own_stage.client(account="otherdata").list_containers())) == (
                403,
                "KeyBasedAuthenticationNotPermitted",
            )
            own_stage.client(account="otherdata", credential="token").create_container(new_name())
        finally:
            account.allow_shared_key = True

    def test_delegation_key_needs_a_token_and_a_week_at_most(self, own_stage: Stage) -> None:
        """REST, Get User Delegation Key."""
        assert refused(lambda: own_stage.client().get_user_delegation_key(soon(-1), soon(60)))[0] == 403
        by_token = own_stage.client(credential="token")
        assert refused(lambda: by_token.get_user_delegation_key(soon(-1), soon(8 * 24 * 60))) == (
            400,
            "InvalidXmlNodeValue",
        )

    def test_delegation_key_depends_on_each_field(self) -> None:
        fields = {"oid": "o", "tid": "t", "start": "s", "expiry": "e", "service": "b", "version": "v"}
        value = delegation_key(b"secret", **fields)
        for name in fields:
            assert delegation_key(b"secret", **{**fields, name: "x"}) != value

    def test_sas_ends_with_its_delegation_key(self, own_stage: Stage, own_container: Any, clock: Clock) -> None:
        """REST, Create a user delegation SAS: it is not good after the key's expiry, whatever its own says.

        Breaks when `_delegation_sas` does not check the times of the key.
        """
        own_container.upload_blob("x", b"1")
        key = own_stage.client(credential="token").get_user_delegation_key(soon(-1), soon(5))
        sas = generate_container_sas(
            ACCOUNT, own_container.container_name, user_delegation_key=key, permission="r", expiry=soon(60)
        )
        blob = own_stage.client(credential=sas).get_blob_client(own_container.container_name, "x")
        assert blob.download_blob().readall() == b"1"
        clock.ahead += 6 * 60
        assert refused(blob.download_blob) == (403, "AuthenticationFailed")

    def test_sas_bound_to_an_address(self, own_stage: Stage, own_container: Any) -> None:
        own_container.upload_blob("x", b"1")
        for address, good in (("127.0.0.1", True), ("10.0.0.1-10.0.0.9", False), ("127.0.0.0-127.0.0.9", True)):
            sas = generate_container_sas(
                ACCOUNT,
                own_container.container_name,
                account_key=key_of(ACCOUNT),
                permission="r",
                expiry=soon(),
                ip=address,
            )
            blob = own_stage.client(credential=sas).get_blob_client(own_container.container_name, "x")
            if good:
                assert blob.download_blob().readall() == b"1"
            else:
                assert refused(blob.download_blob) == (403, "AuthorizationSourceIPMismatch")
