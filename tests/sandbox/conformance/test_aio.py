"""The asynchronous client signs and frames its requests in other code, so it gets its own round."""

from __future__ import annotations

from typing import Any

from azure.storage.blob import BlobBlock

from tests.sandbox.conformance.conftest import new_name
from tests.sandbox.conformance.gaps import Feature
from tests.sandbox.conformance.stage import Stage
from tests.sandbox.conformance.test_blocks import block_id


async def _round(stage: Stage, credential: Any) -> None:
    async with stage.aio_client(credential=credential) as service:
        container = await service.create_container(new_name(), metadata={"Owner": "Ana"})
        blob = container.get_blob_client("sub/na me+%25ü")
        await blob.upload_blob(b"hello", metadata={"A": "1"}, tags={"t": "1"})
        assert await (await blob.download_blob()).readall() == b"hello"
        assert await blob.get_blob_tags() == {"t": "1"}
        await blob.stage_block(block_id(1), b"block")
        await blob.commit_block_list([BlobBlock(block_id(1))])
        assert await (await blob.download_blob(offset=1, length=3)).readall() == b"loc"
        assert [item.name async for item in container.list_blobs(name_starts_with="sub/na me+")] == [blob.blob_name]
        snapshot = (await blob.create_snapshot())["snapshot"]
        await blob.delete_blob(delete_snapshots="include")
        assert not await container.get_blob_client(blob.blob_name, snapshot=snapshot).exists()
        await container.delete_container()


async def test_by_key(stage: Stage) -> None:
    stage.needs(Feature.BASIC)
    await _round(stage, "key")


async def test_by_token(stage: Stage) -> None:
    stage.needs(Feature.BASIC)
    await _round(stage, "token")
