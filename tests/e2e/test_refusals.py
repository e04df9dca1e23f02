"""Bad input and bad luck: one clear sentence, the next step, the documented exit code, and a state that goes on."""

from __future__ import annotations

import resource
import signal
import time
from hashlib import sha256

import pytest

from tests.e2e.customer import Customer

pytestmark = [pytest.mark.slow, pytest.mark.sandbox]


def says(ran_err: str) -> tuple[str, str]:
    """The sentence and the next step; there is exactly one of each and no traceback."""
    lines = ran_err.strip().splitlines()
    assert "Traceback" not in ran_err, ran_err
    sentences = [line for line in lines if line.startswith("govlift: ")]
    steps = [line for line in lines if line.strip().startswith("next: ")]
    assert len(sentences) == len(steps) == 1, ran_err
    return sentences[0], steps[0]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('cloud = "AzureUSGovernment"', 'cloud = "AzureUSGov"', "AzureUSGov"),
        ("tenant_id", "tennant_id", 'did you mean "tenant_id"'),
        ("[copy]", "[copi]", 'did you mean "copy"'),
        ("concurrency = 16", "concurrency = 0", "copy.concurrency"),
        ('name = "hollis-county"', "name = hollis", "not valid TOML"),
        ('secret_env = "GOVLIFT_TARGET_SECRET"', "", "secret_env"),
        ("[target.credential]", "[target.credentials]", 'did you mean "credential"'),
    ],
)
def test_a_wrong_settings_file_is_exit_2(lone_customer: Customer, old: str, new: str, expected: str) -> None:
    lone_customer.edit_settings(old, new)
    ran = lone_customer.run("status", expect=2)
    assert expected in says(ran.err)[0]


def test_a_missing_settings_file_is_exit_2(lone_customer: Customer) -> None:
    lone_customer.config.unlink()
    sentence, step = says(lone_customer.run("assess", expect=2).err)
    assert "migration.toml" in sentence and "govlift init" in step


@pytest.mark.prefect
def test_a_wrong_secret_is_exit_6_and_the_right_one_goes_on(guest: Customer) -> None:
    ran = guest.run("assess", expect=6, GOVLIFT_SOURCE_SECRET="not-the-secret")
    sentence, step = says(ran.err)
    assert "not-the-secret" not in ran.out + ran.err
    assert "AADSTS7000215" in sentence and "secret_env" in step
    guest.run("assess", expect=3)


@pytest.mark.prefect
def test_a_missing_secret_is_exit_2(guest: Customer) -> None:
    del guest.environment["GOVLIFT_SOURCE_SECRET"]
    sentence, _ = says(guest.run("assess", expect=2).err)
    assert "GOVLIFT_SOURCE_SECRET" in sentence


@pytest.mark.prefect
def test_an_unknown_tenant_is_exit_6(guest: Customer) -> None:
    guest.edit_settings(guest.state["commercial"]["tenant_id"], "99999999-9999-4999-8999-999999999999")
    sentence, _ = says(guest.run("assess", expect=6).err)
    assert "AADSTS90002" in sentence


@pytest.mark.prefect
def test_an_unreachable_endpoint_is_exit_7(guest: Customer) -> None:
    """The proxy is gone, so nothing can be reached: told at once, not after minutes of retries."""
    ran = guest.run("assess", expect=7, HTTPS_PROXY="http://127.0.0.1:9")
    says(ran.err)


@pytest.mark.prefect
def test_another_customers_ledger_is_exit_9(guest: Customer) -> None:
    """Guarantee 7: the identity of the migration is fixed in its ledger; a swapped target is refused before any write.

    Mutation that must fail it: leaving the subscription out of the identity row.
    """
    guest.assessed_and_planned()
    guest.edit_settings(guest.state["government"]["subscriptions"][0], "88888888-8888-4888-8888-888888888888")
    says(guest.run("migrate", "--apply", expect=9).err)
    assert guest.target_writes() == 0


@pytest.mark.prefect
def test_swapped_identities_are_refused_before_the_first_write(guest: Customer) -> None:
    """The source's identity on the target's side signs in to no Government tenant: nothing is written anywhere."""
    guest.assessed_and_planned()
    ran = guest.run(
        "migrate",
        "--apply",
        expect=6,
        GOVLIFT_TARGET_SECRET=guest.state["commercial"]["client_secret"],
    )
    says(ran.err)
    assert guest.target_writes() == 0 and guest.source_writes() == 0


@pytest.mark.prefect
def test_a_container_that_vanished_fails_by_name_and_the_rest_is_copied(customer: Customer) -> None:
    customer.assessed_and_planned()
    container = customer.delete_source_container()
    ran = customer.run("migrate", "--apply", "--json", expect=4)
    summary = ran.json
    assert summary["objects"]["copied"] > 0
    assert container in summary["detail"] or container in customer.run("status").out


@pytest.mark.prefect
def test_a_name_taken_between_plan_and_migrate_says_to_plan_again(customer: Customer) -> None:
    plan = customer.assessed_and_planned()
    account = customer.take_planned_account_name()
    sentence, step = says(customer.run("migrate", "--plan", plan, "--apply", expect=9).err)
    assert account in sentence and "assess" in step
    customer.assessed_and_planned()
    customer.run("migrate", "--apply", "--json")


def small_files() -> None:
    """From now on this process writes no file beyond a few blocks."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (2048, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


@pytest.mark.prefect
def test_a_full_disk_is_exit_8_and_the_same_command_goes_on(customer: Customer) -> None:
    """The work folder takes no more bytes (a file-size limit stands in for the full disk: same errno family)."""
    customer.assessed_and_planned()
    running = customer.begin("migrate", "--apply", "--json", first=small_files)
    _, err = running.communicate(timeout=240)
    assert running.returncode == 8, err
    says(err)
    done = customer.run("migrate", "--apply", "--json").json
    assert done["objects"]["failed"] == 0 and done["state"] == "done"


@pytest.mark.prefect
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda s: s.name)
def test_an_interrupted_migration_goes_on(customer: Customer, sent: signal.Signals) -> None:
    """Guarantee 4 on this path: stopped in the middle of copying, the same command ends complete.

    Mutation that must fail it: not releasing the leases of a dead owner (the second run then finds no shard to claim).
    """
    customer.assessed_and_planned()
    customer.control("/faults", post=[{"match": "government blob PUT", "delay": 1.0}])
    running = customer.begin("migrate", "--apply", "--json")
    until = time.monotonic() + 240
    while customer.target_writes() < 8:
        assert running.poll() is None and time.monotonic() < until, "the migration ended too soon"
        time.sleep(0.05)
    running.send_signal(sent)
    _, err = running.communicate(timeout=60)
    if sent is not signal.SIGKILL:
        assert running.returncode == 8, err
        says(err)
    customer.control("/faults", method="DELETE")
    done = customer.run("migrate", "--apply", "--json").json
    assert done["state"] == "done" and done["objects"]["failed"] == 0
    assert not customer.run("verify", "--level", "L3", "--json").json["mismatches"]


@pytest.mark.prefect
def test_nothing_is_written_before_the_gates_of_the_program_are_green(customer: Customer) -> None:
    """No sheet, an open gate, a wrong sheet and declared ITAR data each stop the run before the first write; the
    answers stand in the event chain; a re-sync goes on with what was admitted, but never with ITAR data.

    Mutation that must fail it: leaving `require_program` out of the flow, or asking it after provisioning.
    """
    customer.assessed_and_planned()
    sheet = customer.folder / "program.toml"
    filled = sheet.read_text(encoding="utf-8")

    sheet.unlink()
    for words in (("migrate", "--apply"), ("resync", "--apply")):
        assert "init --program-only" in says(customer.run(*words, expect=9).err)[1]
    open_gate = filled.replace('[gate.exhibit-a]\nstatus = "done"', '[gate.exhibit-a]\nstatus = "open"')
    assert open_gate != filled
    sheet.write_text(open_gate, encoding="utf-8")
    assert "exhibit-a" in says(customer.run("migrate", "--apply", expect=9).err)[0]
    assert "exhibit-a" in says(customer.run("resync", "--apply", expect=9).err)[0], "no way around by resync"
    sheet.write_text(filled.replace("[gate.exhibit-a]", "[gate.exibit-a]"), encoding="utf-8")
    assert 'did you mean "exhibit-a"' in says(customer.run("migrate", "--apply", expect=2).err)[0]
    itar = filled.replace('regimes = ["cjis"]', 'regimes = ["cjis", "itar"]')
    assert itar != filled
    sheet.write_text(itar, encoding="utf-8")
    assert "contract route" in says(customer.run("migrate", "--apply", expect=9).err)[1]
    assert customer.target_writes() == 0 and not customer.control("/accounts")["government"]

    sheet.write_text(filled, encoding="utf-8")
    customer.run("program", "check", "--phase", "before-wave")
    customer.run("migrate", "--apply", "--json")
    sheet.write_text(open_gate, encoding="utf-8")
    customer.run("resync", "--apply", "--json")
    sheet.write_text(itar, encoding="utf-8")
    says(customer.run("resync", "--apply", expect=9).err)
    answers = customer.events("program.decided")
    assert [answer["allowed"] for answer in answers] == [False] * 5 + [True, True, False]
    assert answers[5]["sheet"] == sha256(filled.encode()).hexdigest()
    assert answers[5]["overrides"][0]["by"] == "Sam Sample"
    customer.run("evidence", "verify")
