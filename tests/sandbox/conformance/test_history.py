"""Previous versions, customer-provided keys, encryption scopes and immutability: the sandbox's own service.

Pages: Learn "Blob versioning", "Provide an encryption key on a request to Blob storage", "Time-based retention policies
for immutable blob data"; REST "List Blobs", "Delete Blob".
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import CustomerProvidedEncryptionKey

from sandbox.storage.model import Account, Immutability
from tests.sandbox.conformance.conftest import new_name
from tests.sandbox.conformance.stage import Clock, Stage


def refused(call: Any) -> tuple[int | None, str]:
    with pytest.raises(HttpResponseError) as told:
        call()
    code = told.value.error_code  # type: ignore[attr-defined]
    return told.value.status_code, str(getattr(code, "value", code))


@pytest.fixture
def account(own_stage: Stage) -> Iterator[Account]:
    """The commercial account with versioning on."""
    found = own_stage.services["commercial"].accounts["commercialdata"]
    found.versioning = True
    yield found
    found.versioning, found.scopes = False, {}


@pytest.fixture
def room(own_stage: Stage, account: Account) -> Any:
    return own_stage.client().create_container(new_name())


def listed(room: Any, **more: Any) -> list[tuple[str, str, bool, str]]:
    """(name, version id, current, snapshot) in the order of the listing."""
    return [
        (one.name, one.version_id or "", bool(one.is_current_version), one.snapshot or "")
        for one in room.list_blobs(include=["versions", "snapshots"], **more)
    ]


def key(letter: bytes) -> CustomerProvidedEncryptionKey:
    raw = letter * 32
    return CustomerProvidedEncryptionKey(
        base64.b64encode(raw).decode(), base64.b64encode(hashlib.sha256(raw).digest()).decode()
    )


def test_writes_make_versions_and_settings_do_not(room: Any) -> None:
    """Breaks when an overwrite loses what was there, or Set Blob Tier and Properties add to the history."""
    first = room.upload_blob("a", b"one", metadata={"n": "1"}).get_blob_properties().version_id
    blob = room.get_blob_client("a")
    blob.upload_blob(b"two", overwrite=True)
    told = blob.set_blob_metadata({"n": "3"})["version_id"]
    blob.set_standard_blob_tier("Cool")
    blob.set_http_headers()
    blob.set_blob_tags({"t": "1"})
    entries = listed(room)
    assert [current for _, _, current, _ in entries] == [False, False, True]
    assert entries[0][1] == first and entries[2][1] == told == blob.get_blob_properties().version_id
    assert [v for _, v, _, _ in entries] == sorted(v for _, v, _, _ in entries), "oldest first"
    read = [room.get_blob_client("a", version_id=v).download_blob().readall() for _, v, _, _ in entries]
    assert read == [b"one", b"two", b"two"]
    assert room.get_blob_client("a", version_id=first).get_blob_properties().metadata == {"n": "1"}
    assert len(list(room.list_blobs())) == 1


def test_a_deleted_blob_is_a_previous_version(room: Any) -> None:
    room.upload_blob("a", b"one")
    room.delete_blob("a")
    assert list(room.list_blobs()) == [] and not room.get_blob_client("a").exists()
    [(_, version, current, _)] = listed(room)
    assert not current and room.get_blob_client("a", version_id=version).download_blob().readall() == b"one"
    room.upload_blob("a", b"again")
    assert [one[2] for one in listed(room)] == [False, True]
    now = listed(room)[1][1]
    assert refused(lambda: room.delete_blob("a", version_id=now)) == (403, "OperationNotAllowedOnRootBlob")
    room.delete_blob("a", version_id=version)
    assert [one[1] for one in listed(room)] == [now]


def test_snapshots_make_versions_and_pages_keep_the_order(room: Any) -> None:
    """Breaks when a page boundary among versions and snapshots loses or repeats one."""
    for name in ("a", "b"):
        for n in range(3):
            room.upload_blob(name, str(n).encode(), overwrite=True)
        room.get_blob_client(name).create_snapshot()
    whole = listed(room)
    assert [bool(s) for n, _, _, s in whole if n == "a"].count(True) == 1
    assert [n for n, *_ in whole] == ["a"] * 5 + ["b"] * 5, "three writes, one snapshot and the version that it made"
    for size in (1, 2, 3, 4):
        assert listed(room, results_per_page=size) == whole


def test_versions_stay_when_the_setting_goes_and_types_do_not_mix(room: Any, account: Account) -> None:
    room.upload_blob("a", b"one")
    account.versioning = False
    room.upload_blob("a", b"two", overwrite=True)
    assert [(v != "", c) for _, v, c, _ in listed(room)] == [(True, False), (False, False)]
    account.versioning = True
    room.upload_blob("b", b"block")
    told = refused(lambda: room.get_blob_client("b").create_append_blob())
    assert told == (409, "InvalidBlobType")


def test_a_version_is_a_copy_source(own_stage: Stage, room: Any) -> None:
    old = room.upload_blob("a", b"one").get_blob_properties().version_id
    room.upload_blob("a", b"two", overwrite=True)
    token = own_stage.client().credential
    from azure.storage.blob import ContainerSasPermissions, generate_container_sas

    sas = generate_container_sas(
        token.account_name, room.container_name, account_key=token.account_key,
        permission=ContainerSasPermissions(read=True), expiry="2099-01-01T00:00:00Z",
    )  # fmt: skip
    target = own_stage.client("government").create_container(new_name()).get_blob_client("x")
    target.upload_blob_from_url(f"{room.url}/a?versionid={old}&{sas}")
    assert target.download_blob().readall() == b"one"


def test_a_customer_key_is_asked_for_and_compared(room: Any) -> None:
    """Breaks when the key is not compared: then a copy without it would seem to work."""
    right, wrong = key(b"a"), key(b"b")
    blob = room.get_blob_client("secret")
    blob.upload_blob(b"x" * 10, metadata={"m": "1"}, cpk=right)
    assert blob.download_blob(cpk=right).readall() == b"x" * 10
    assert blob.get_blob_properties(cpk=right).encryption_key_sha256 == right.key_hash
    assert refused(lambda: blob.download_blob()) == (409, "BlobUsesCustomerSpecifiedEncryption")
    assert refused(lambda: blob.get_blob_properties())[0] == 409
    assert refused(lambda: blob.download_blob(cpk=wrong)) == (409, "BlobCustomerSpecifiedEncryptionMismatch")
    room.upload_blob("open", b"y")
    open_ = room.get_blob_client("open")
    assert refused(lambda: open_.download_blob(cpk=right)) == (409, "BlobDoesNotUseCustomerSpecifiedEncryption")
    entries = {one.name: one for one in room.list_blobs(include=["metadata"])}
    assert entries["secret"].encrypted_metadata == "true" and entries["secret"].metadata in (None, {})
    lying = CustomerProvidedEncryptionKey(right.key_value, wrong.key_hash)
    assert refused(lambda: room.upload_blob("z", b"1", cpk=lying))[0] == 400


def test_an_encryption_scope_must_exist(room: Any, account: Account) -> None:
    assert refused(lambda: room.upload_blob("x", b"1", encryption_scope="s")) == (404, "EncryptionScopeNotFound")
    account.scopes = {"s": True, "off": False}
    room.upload_blob("x", b"1", encryption_scope="s")
    assert room.get_blob_client("x").get_blob_properties().encryption_scope == "s"
    assert refused(lambda: room.upload_blob("y", b"1", encryption_scope="off")) == (409, "DisabledEncryptionScope")


def test_a_policy_lets_new_blobs_in_and_no_change(own_stage: Stage, room: Any, account: Account, clock: Clock) -> None:
    """Breaks when immutability is not enforced: then the order "policies last" would be proved by nothing."""
    account.versioning = False
    room.upload_blob("a", b"one")
    held = account.containers[room.container_name]
    held.immutability = Immutability(days=1)
    room.upload_blob("b", b"new")
    blob = room.get_blob_client("a")
    for write in (
        lambda: blob.upload_blob(b"two", overwrite=True),
        lambda: blob.set_blob_metadata({"x": "1"}),
        lambda: blob.delete_blob(),
    ):
        assert refused(write) == (409, "BlobImmutableDueToPolicy")
    held.immutability.days = 0
    blob.upload_blob(b"two", overwrite=True)
    held.legal_holds = ("case1",)
    assert refused(lambda: blob.delete_blob()) == (409, "BlobImmutableDueToPolicy")
    held.legal_holds, held.immutability = (), None
