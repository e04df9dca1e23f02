"""Previous versions of blobs.

Learn, "Blob versioning": Put Blob, Put Block List, Copy Blob and Set Blob Metadata turn the current version into a
previous one; Put Page, Append Block, Set Blob Properties, Tags and Tier do not; Snapshot Blob makes a version as well;
Delete Blob turns the current version into a previous one and leaves no current one; a blob that is older than the
setting gets its creation time as version id when it is changed; all versions of a name are of one type; what was made
stays when the setting is switched off. REST: "List Blobs" (`include=versions`, oldest first), "Get Blob" (`versionid`,
`x-ms-version-id`, `x-ms-is-current-version`), "Delete Blob".
"""

from __future__ import annotations

from sandbox.storage.errors import AzureError
from sandbox.storage.model import Account, Blob, Container
from sandbox.storage.stamps import iso_ticks


def keep_version(account: Account, container: Container, blob: Blob, now: float) -> None:
    """Freeze the current version of `blob` among the previous ones, and give `blob` a version id of its own."""
    if not account.versioning:
        if blob.version_id:
            # A current version that is changed after the setting went off stays as a version; the change is none.
            _freeze(container, blob)
            blob.version_id = ""
        return
    _freeze(container, blob)
    blob.version_id = new_version(container, blob.name, now)


def new_version(container: Container, name: str, now: float) -> str:
    """A version id for a write at `now`; ids of a name are unique and ascend."""
    kept = container.versions.get(name)
    base = container.blobs.get(name)
    last = max((kept[-1].version_id if kept else "", base.version_id if base else ""))
    return iso_ticks(now, last)


def _freeze(container: Container, blob: Blob) -> None:
    if not blob.committed:
        return
    twin = blob.frozen("")
    twin.version_id = blob.version_id or iso_ticks(blob.created, "")
    twin.previous = True
    container.versions.setdefault(blob.name, []).append(twin)


def replaced(account: Account, container: Container, fresh: Blob, old: Blob | None, now: float) -> None:
    """What a write that puts `fresh` in the place of `old` does to the versions of the name.

    Raises:
        AzureError: 409, versions of another type exist.
    """
    kept = container.versions.get(fresh.name)
    if kept and kept[-1].type != fresh.type:
        raise AzureError("InvalidBlobType")
    if old is not None and (account.versioning or old.version_id):
        if old.type != fresh.type:
            raise AzureError("InvalidBlobType")
        _freeze(container, old)
    fresh.version_id = ""
    if account.versioning:
        fresh.version_id = new_version(container, fresh.name, now)


def deleted(account: Account, container: Container, blob: Blob) -> bool:
    """Whether Delete Blob of `blob` kept it as a previous version."""
    if not account.versioning:
        return False
    _freeze(container, blob)
    return True


def find_version(container: Container, name: str, version_id: str) -> Blob | None:
    """A version by its id, the current one too."""
    base = container.find(name)
    if base is not None and base.version_id == version_id:
        return base
    return next((one for one in container.versions.get(name, ()) if one.version_id == version_id), None)


def drop_version(container: Container, name: str, version_id: str) -> None:
    """Delete one previous version.

    Raises:
        AzureError: 403 for the current version, 404 where there is none of this id.
    """
    found = find_version(container, name, version_id)
    if found is None:
        raise AzureError("BlobNotFound")
    if not found.previous:
        raise AzureError("OperationNotAllowedOnRootBlob")
    container.versions[name].remove(found)
    container.forget(name)
