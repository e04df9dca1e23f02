"""The main job, by the real command: assess, plan, migrate, verify, change, re-sync, on two local clouds."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from mappings.plan import CopyShard
from sandbox.estates.changes import change_source
from tests.e2e.conftest import Migrated
from tests.e2e.customer import Customer

pytestmark = [pytest.mark.slow, pytest.mark.sandbox, pytest.mark.prefect]


def adds_up(summary: dict[str, Any]) -> bool:
    objects = summary["objects"]
    return bool(objects["listed"] == sum(objects[part] for part in ("copied", "same", "excluded", "failed")))


def test_from_nothing_to_a_second_resync(customer: Customer) -> None:
    """In = out at every step; only differences travel; the source sees no write request (guarantees 3, 5).

    Mutation that must fail it: ending the engine's listing before the last page (in = out), letting `decide` answer
    CONTENT for every object (the no-op re-sync then moves bytes), or creating a container at the source (writes).
    """
    customer.cold = True
    assessed = customer.run("assess", "--json", expect=3).json
    assert assessed["resources"] == len(assessed["items"]) == sum(assessed["by_verdict"].values())
    assert any("AuthorizationFailed" in json.dumps(gap) for gap in assessed["gaps"]), "the denied group is a gap"

    plan = customer.run("plan", "--json").json
    dry = customer.run("migrate", "--plan", plan["id"])
    assert "--apply" in dry.err
    assert customer.target_writes() == 0, "a dry run writes nothing"

    first = customer.run("migrate", "--plan", plan["id"], "--apply", "--json").json
    assert adds_up(first) and first["objects"]["failed"] == 0 and first["objects"]["copied"] > 0
    assert first["routes"]["pull"] > 0
    assert first["proof"]["L0"] == first["proof"]["L1"] == 0, "every object reached L2, as the settings ask"
    assert customer.source_writes() == 0

    verified = customer.run("verify", "--level", "L3", "--json").json
    assert adds_up(verified) and not verified["mismatches"]
    assert verified["proof"]["L3"] == first["objects"]["copied"]

    nothing = customer.run("resync", "--apply", "--json").json
    assert adds_up(nothing) and nothing["objects"]["copied"] == 0 and nothing["bytes"] == 0
    assert nothing["objects"]["same"] == first["objects"]["listed"] - first["objects"]["excluded"]

    before = customer.source_writes()
    made = change_source(customer.state)
    made_writes = customer.source_writes() - before
    written = customer.target_writes()
    ahead = customer.run("resync", "--json").json
    foreseen = ahead["ahead"]["objects"] | {"deleted": ahead["ahead"]["objects"]["only_at_target"]}
    assert customer.target_writes() == written, "a look writes nothing"
    found = customer.run("resync", "--apply", "--json").json
    assert adds_up(found) and found["objects"]["failed"] == 0
    assert {kind: found["changes"].get(kind, 0) for kind in made["counts"]} == dict(made["counts"])
    looked = {kind: foreseen[kind] for kind in made["counts"] if kind in ("new", "tags", "tier", "deleted", "metadata")}
    assert looked == {kind: made["counts"][kind] for kind in looked} and len(looked) == 5
    assert ahead["ahead"]["listed"] == found["objects"]["listed"] and ahead["not_looked_at"] == []
    copied, compared = ahead["ahead"]["copied"]["bytes"], ahead["ahead"]["compared"]["bytes"]
    assert copied <= found["bytes"] <= copied + compared
    assert ahead["expected"]["bytes"] == copied + compared and ahead["expected"]["at_most"]
    assert customer.source_writes() == before + made_writes
    assert customer.run("evidence", "verify", "--json").json["problems"] == []
    for name in ("report.html", "report.xlsx", "report.json"):
        assert (customer.folder / name).stat().st_size > 1000


def test_rclone_agrees_with_our_verification(migrated: Migrated, tmp_path: Path) -> None:
    """An outside witness reads every byte of both sides and finds no difference where we claim none.

    Mutation that must fail it: recording an object as copied without committing its blocks.
    """
    customer = migrated.customer.twin(tmp_path / "twin")
    assert not customer.run("verify", "--level", "L3", "--json").json["mismatches"]
    shards = [s for s in customer.plan().steps if isinstance(s, CopyShard) and s.objects]
    assert len(shards) > 2
    for shard in shards:
        assert "0 differences found" in customer.rclone_check(shard)


def test_no_secret_is_kept_anywhere(migrated: Migrated) -> None:
    """Neither secrets nor SAS signatures stand in ledger, manifests, reports or printed lines.

    Mutation that must fail it: putting the pull URL or the environment into an evidence row, event or message.
    """
    customer, ran = migrated.customer, migrated.ran
    secrets = [
        customer.state["commercial"]["client_secret"],
        customer.state["government"]["client_secret"],
        *(account["key"] for account in customer.state["commercial"]["storage"]),
    ]
    kept = b"".join(path.read_bytes() for path in sorted(customer.folder.rglob("*")) if path.is_file())
    kept += (ran.out + ran.err).encode()
    for secret in secrets:
        assert secret.encode() not in kept
    assert b"sig=" not in kept


def test_evidence_that_was_altered_is_found(migrated: Migrated, tmp_path: Path) -> None:
    """One byte of one manifest, or one event of the chain, and `evidence verify` ends with exit 5."""
    customer = migrated.customer.twin(tmp_path / "twin")
    customer.run("evidence", "verify")
    manifest = next(iter((customer.folder / "evidence").rglob("*.parquet")))
    whole = manifest.read_bytes()
    manifest.chmod(0o640)
    manifest.write_bytes(whole[:-20] + bytes([whole[-20] ^ 1]) + whole[-19:])
    assert customer.run("evidence", "verify", "--json", expect=5).json["problems"]
    manifest.write_bytes(whole)
    customer.run("evidence", "verify")
    with sqlite3.connect(customer.folder / "ledger.db") as ledger:
        # The ledger itself refuses; somebody who can write the file can remove that refusal, and is found all the same.
        for (trigger,) in ledger.execute("select name from sqlite_master where type = 'trigger'").fetchall():
            ledger.execute(f"drop trigger {trigger}")
        ledger.execute("delete from event where rowid = (select min(rowid) + 2 from event)")
    assert customer.run("evidence", "verify", "--json", expect=5).json["problems"]


def test_what_was_overwritten_at_the_target_is_found(customer: Customer) -> None:
    """`verify` looks at the target, not at our own words: a flipped blob is exit 5, and re-sync repairs it.

    Mutation that must fail it: taking the recorded target CRC64 for proof without looking at the target's ETag.
    """
    customer.assessed_and_planned()
    customer.run("migrate", "--apply", "--json")
    name = customer.tamper_with_target()
    broken = customer.run("verify", "--level", "L1", "--json", expect=5).json
    assert any(name in line for line in broken["mismatches"])
    repaired = customer.run("resync", "--apply", "--json").json
    assert repaired["changes"].get("drifted") == 1
    assert not customer.run("verify", "--level", "L3", "--json").json["mismatches"]
