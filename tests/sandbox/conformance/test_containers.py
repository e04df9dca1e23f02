"""Containers: properties, metadata, access policies, public access, leases, service properties."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.storage.blob import (
    AccessPolicy,
    BlobLeaseClient,
    RetentionPolicy,
    StaticWebsite,
    generate_container_sas,
)

from tests.sandbox.conformance.conftest import new_name
from tests.sandbox.conformance.gaps import Feature
from tests.sandbox.conformance.stage import ACCOUNTS, Clock, Stage, key_of
from tests.sandbox.conformance.test_blobs import code_of


def test_life_of_a_container(stage: Stage) -> None:
    stage.needs(Feature.CONTAINERS)
    service, name = stage.client(), new_name()
    container = service.create_container(name, metadata={"Owner": "Ana"})
    assert container.get_container_properties().metadata == {"Owner": "Ana"}
    with pytest.raises(ResourceExistsError) as error:
        service.create_container(name)
    assert code_of(error) == (409, "ContainerAlreadyExists")
    before = container.get_container_properties().etag
    container.set_container_metadata({"Owner": "Bo"})
    after = container.get_container_properties()
    assert (after.metadata, after.etag != before) == ({"Owner": "Bo"}, True)
    container.delete_container()
    with pytest.raises(ResourceNotFoundError) as error:
        container.get_container_properties()
    assert error.value.status_code == 404


def test_name_of_a_deleted_container_is_taken(own_stage: Stage, clock: Clock) -> None:
    """REST, Delete Container: for at least 30 seconds a container of that name cannot be created (409).

    Breaks when `delete_container` forgets to keep the name.
    """
    own_stage.needs(Feature.CONTAINER_BEING_DELETED)
    service, name = own_stage.client(), new_name()
    service.create_container(name).delete_container()
    with pytest.raises(ResourceExistsError) as error:
        service.create_container(name)
    assert code_of(error) == (409, "ContainerBeingDeleted")
    clock.ahead += 31
    service.create_container(name)


@pytest.mark.parametrize("name", ["Upper", "ab", "-abc", "a--b", "x" * 64])
def test_bad_container_names(stage: Stage, name: str) -> None:
    stage.needs(Feature.CONTAINERS)
    with pytest.raises(HttpResponseError) as error:
        stage.client().create_container(name)
    assert error.value.status_code == 400


def test_policies_and_public_access(stage: Stage, container: Any) -> None:
    """REST, Set Container ACL: policies and access level are kept; anonymous reads follow the level."""
    stage.needs(Feature.CONTAINERS)
    container.upload_blob("open", b"1")
    start, expiry = datetime(2026, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)
    policy = AccessPolicy(permission="rl", start=start, expiry=expiry)
    container.set_container_access_policy({"readers": policy}, public_access="blob")
    acl = container.get_container_access_policy()
    assert acl["public_access"] == "blob"
    (kept,) = acl["signed_identifiers"]
    assert (kept.id, kept.access_policy.permission) == ("readers", "rl")
    assert container.get_container_properties().public_access == "blob"
    nobody = stage.client(credential=None).get_container_client(container.container_name)
    assert nobody.get_blob_client("open").download_blob().readall() == b"1"
    with pytest.raises(HttpResponseError):
        list(nobody.list_blobs())
    container.set_container_access_policy({"readers": policy}, public_access="container")
    assert [item.name for item in nobody.list_blobs()] == ["open"]
    with pytest.raises(HttpResponseError):
        nobody.upload_blob("mine", b"1")


def test_stored_policy_rules_its_sas(stage: Stage, container: Any) -> None:
    """REST, stored access policies: a SAS that names one ends with it.

    Breaks when `_service_sas` takes the fields of the policy from the SAS.
    """
    stage.needs(Feature.SAS)
    container.upload_blob("x", b"1")
    good = AccessPolicy(permission="r", expiry=datetime.now(UTC) + timedelta(hours=1))
    container.set_container_access_policy({"p": good})
    account = ACCOUNTS["commercial"][0]
    sas = generate_container_sas(account, container.container_name, account_key=key_of(account), policy_id="p")
    reader = stage.client(credential=sas).get_blob_client(container.container_name, "x")
    assert reader.download_blob().readall() == b"1"
    container.set_container_access_policy({})
    with pytest.raises(HttpResponseError) as error:
        reader.download_blob()
    assert error.value.status_code == 403


def test_leases_on_blobs(stage: Stage, container: Any) -> None:
    """REST, Lease Blob: the tables of outcomes.

    Breaks when writes do not ask the lease.
    """
    stage.needs(Feature.LEASES)
    blob = container.get_blob_client("l")
    etag = blob.upload_blob(b"1")["etag"]
    lease = blob.acquire_lease(15)
    props = blob.get_blob_properties()
    assert (props.lease.state, props.lease.status, props.lease.duration) == ("leased", "locked", "fixed")
    assert props.etag == etag
    for attempt, code in (
        (lambda: blob.upload_blob(b"2", overwrite=True), "LeaseIdMissing"),
        (lambda: blob.set_blob_metadata({}), "LeaseIdMissing"),
        (lambda: blob.delete_blob(), "LeaseIdMissing"),
        (lambda: blob.upload_blob(b"2", overwrite=True, lease=str(uuid.uuid4())), "LeaseIdMismatchWithBlobOperation"),
    ):
        with pytest.raises(HttpResponseError) as error:
            attempt()
        assert code_of(error) == (412, code)
    blob.upload_blob(b"2", overwrite=True, lease=lease)
    with pytest.raises(ResourceExistsError) as error:
        blob.acquire_lease(15)
    assert code_of(error) == (409, "LeaseAlreadyPresent")
    lease.renew()
    fresh = str(uuid.uuid4())
    lease.change(fresh)
    assert lease.id == fresh
    assert lease.break_lease(lease_break_period=0) == 0
    assert blob.get_blob_properties().lease.state == "broken"
    with pytest.raises(ResourceExistsError) as error:
        lease.renew()
    assert code_of(error) == (409, "LeaseIsBrokenAndCannotBeRenewed")
    blob.upload_blob(b"3", overwrite=True)
    again = blob.acquire_lease(-1)
    assert blob.get_blob_properties().lease.duration == "infinite"
    given = again.id
    again.release()
    assert blob.get_blob_properties().lease.state == "available"
    with pytest.raises(HttpResponseError) as error:
        blob.upload_blob(b"4", overwrite=True, lease=given)
    assert code_of(error) == (412, "LeaseNotPresentWithBlobOperation")


def test_lease_expires(own_stage: Stage, own_container: Any, clock: Clock) -> None:
    """REST, Lease Blob: an expired lease can be renewed until the blob is modified."""
    own_stage.needs(Feature.LEASES)
    blob = own_container.get_blob_client("l")
    blob.upload_blob(b"1")
    lease = blob.acquire_lease(15)
    clock.ahead += 20
    assert blob.get_blob_properties().lease.state == "expired"
    lease.renew()
    assert blob.get_blob_properties().lease.state == "leased"
    clock.ahead += 20
    blob.upload_blob(b"2", overwrite=True)
    with pytest.raises(ResourceExistsError):
        lease.renew()


def test_leases_on_containers(stage: Stage, container: Any) -> None:
    stage.needs(Feature.LEASES)
    lease = container.acquire_lease()
    with pytest.raises(HttpResponseError) as error:
        container.delete_container()
    assert code_of(error) == (412, "LeaseIdMissing")
    with pytest.raises(HttpResponseError) as error:
        container.delete_container(lease=BlobLeaseClient(container, str(uuid.uuid4())))
    assert code_of(error) == (412, "LeaseIdMismatchWithContainerOperation")
    container.delete_container(lease=lease)


def test_service_properties(stage: Stage) -> None:
    """REST, Set Blob Service Properties: sections not sent stay as they are."""
    stage.needs(Feature.SERVICE_PROPERTIES)
    service = stage.client(account="otherdata")
    service.set_service_properties(
        static_website=StaticWebsite(enabled=True, index_document="index.html", error_document404_path="404.html")
    )
    service.set_service_properties(delete_retention_policy=RetentionPolicy(enabled=True, days=5))
    try:
        props = service.get_service_properties()
        assert props["static_website"].enabled
        assert props["static_website"].index_document == "index.html"
        assert props["static_website"].error_document404_path == "404.html"
        assert (props["delete_retention_policy"].enabled, props["delete_retention_policy"].days) == (True, 5)
    finally:
        service.set_service_properties(delete_retention_policy=RetentionPolicy(enabled=False))


def test_account_information(stage: Stage) -> None:
    stage.needs(Feature.SERVICE_PROPERTIES)
    info = stage.client().get_account_information()
    assert info["account_kind"] == "StorageV2"
    assert info["sku_name"]


def test_soft_delete(own_stage: Stage) -> None:
    """REST, Undelete Blob, and List Blobs with include=deleted."""
    own_stage.needs(Feature.SOFT_DELETE)
    service = own_stage.client(account="otherdata")
    service.set_service_properties(delete_retention_policy=RetentionPolicy(enabled=True, days=5))
    try:
        container = service.create_container(new_name())
        blob = container.get_blob_client("gone")
        blob.upload_blob(b"1")
        blob.delete_blob()
        assert list(container.list_blobs()) == []
        (item,) = container.list_blobs(include=["deleted"])
        assert (item.name, item.deleted) == ("gone", True)
        blob.undelete_blob()
        assert blob.download_blob().readall() == b"1"
        assert [item.deleted for item in container.list_blobs(include=["deleted"])] == [None]
    finally:
        service.set_service_properties(delete_retention_policy=RetentionPolicy(enabled=False))
