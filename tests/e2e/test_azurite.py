"""The main job with Azurite in place of the sandbox's blob service: the stream route against code that is not ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.launcher import down, up
from sandbox.storage.azurite import AzuriteMissing, azurite_modules
from tests.e2e.customer import Customer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.sandbox,
    pytest.mark.prefect,
    pytest.mark.azurite,
]


@pytest.fixture
def azurite_customer(tmp_path: Path, prefect_api: str) -> Iterator[Customer]:
    try:
        azurite_modules()
    except AzuriteMissing as missing:
        pytest.skip(str(missing))
    sandbox = tmp_path / "sandbox"
    state = up(sandbox, estate="tiny", storage="azurite")
    try:
        yield Customer(tmp_path / "migration", state, prefect_api)
    finally:
        down(sandbox)


def test_a_migration_streams_between_two_azurites(azurite_customer: Customer) -> None:
    """Azurite pulls from no other instance, so the probe fails and everything streams, append blobs after a
    refusal of their own; its pages lose entries that end among snapshots, so the container that has some is left out;
    all else arrives and is read back equal.

    Mutation that must fail it: sending a CRC64 beside a Content-MD5 label without heeding the refusal, or letting the
    SDK check an MD5 over a decompressed body.
    """
    customer = azurite_customer
    customer.edit_settings("[copy]\n", '[copy]\nexclude_containers = ["tinyrecords/documents"]\n')
    customer.run("assess", "--json", expect=3)
    customer.run("plan")
    summary = customer.run("migrate", "--apply", "--json").json
    objects = summary["objects"]
    assert objects["copied"] == objects["listed"] > 5
    assert summary["routes"] == {"pull": 0, "stream": objects["copied"], "azcopy": 0}
    verified = customer.run("verify", "--level", "L3", "--json").json
    assert verified["proof"]["L3"] == objects["listed"] and not verified["mismatches"]
