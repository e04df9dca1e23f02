"""docs/fidelity.md claims nothing without a test, and the plan says what this estate loses."""

from __future__ import annotations

import re
from pathlib import Path

from mappings import traits
from mappings.account_settings import (
    AccountDetails,
    Protection,
    details_from_text,
    details_of,
    details_to_text,
    settle_account,
)
from mappings.archive import archive_lines
from mappings.model import ContainerSurvey
from mappings.plan import CreateStorageAccount
from mappings.plan_losses import counted_losses
from mappings.planning import explain, extend_plan, make_plan, plan_from_json, plan_to_json
from mappings.settings import Copy, TargetKey
from tests.ledger.build import NOW, account, assessment, settings, survey, verdict

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "fidelity.md").read_text("utf-8")
SURVEY = ContainerSurvey(
    "county", "files", 10, 100, snapshots=2,
    traits={traits.LEASED: 3, traits.VERSIONS: 4, traits.DELETED: 1, traits.ARCHIVED: 5, traits.ARCHIVED_BYTES: 2**31,
            traits.ARCHIVED_LARGEST: 11 * 10**9, traits.KEYED: 6},
)  # fmt: skip


def test_every_claim_names_a_test_that_exists() -> None:
    """Breaks when a test is renamed or removed, or a row is added that nothing proves."""
    matrix = PAGE.partition("|---|---|---|---|\n")[2].partition("\n\n")[0].splitlines()
    assert len(matrix) >= 24
    for line in matrix:
        _, name, ours, azcopy, rclone, _ = (cell.strip() for cell in line.split("|"))
        named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", ours)
        assert named, name
        assert azcopy and rclone, name
        for path, test in named:
            assert re.search(rf"def {test}\b", (ROOT / path).read_text("utf-8")), f"{path}::{test}"


def test_the_plan_counts_what_this_estate_loses() -> None:
    """Breaks when a loss is said of every estate instead of counted in this one."""
    details = {"county": AccountDetails("county", versioning=True)}
    told = "\n".join(counted_losses([SURVEY], details, Copy()))
    for word in ("2 snapshots", "4 previous versions get new", "1 deleted names", "3 blobs are leased",
                 "5 archived blobs (2.00 GiB) are left out", "6 blobs are under customer-provided keys"):  # fmt: skip
        assert word in told, word
    assert "4 previous versions are not copied" in "\n".join(
        counted_losses([SURVEY], details, Copy(versions="current"))
    )
    assert counted_losses([ContainerSurvey("county", "files", 10, 100)], {}, Copy()) == ()


def test_the_plan_says_under_which_keys_the_copies_are() -> None:
    """Breaks when who had a key of their own is not told, before the start, that the copies are under the account's."""

    def told(copy: Copy) -> str:
        return "\n".join(counted_losses([SURVEY], {}, copy))

    assert "are under the target account's own keys" in told(Copy())
    named = Copy(target_keys=(TargetKey(container="county/*", key_env="KEY"),))
    assert "are under those that copy.target_keys names" in told(named)


def test_archived_blobs_come_with_hours_bytes_and_commands() -> None:
    """Breaks when the plan is silent on them, or tells a command that changes the target instead of the source."""
    left_out = "\n".join(archive_lines([SURVEY], "exclude"))
    assert "5 blobs, 2.00 GiB" in left_out and "set-tier" not in left_out
    planned = "\n".join(archive_lines([SURVEY], "rehydrate"))
    assert "up to 15 hours" in planned and "only for those below 10 GB" in planned
    assert "az storage blob set-tier --account-name county" in planned and "govlift resync --apply" in planned
    assert archive_lines([ContainerSurvey("county", "files", 10, 100)], "rehydrate") == []


def test_default_scopes_of_containers_are_said_before_the_start() -> None:
    """Read from ARM, and in the plan among what cannot be kept, each with the command that keeps it.

    Mutation that must fail it: leaving out a container that only denies other scopes, or the word that denies them.
    """

    def container(name: str, scope: str, deny: bool) -> dict[str, object]:
        return {"name": name, "properties": {"defaultEncryptionScope": scope, "denyEncryptionScopeOverride": deny}}

    found = details_of(
        "county",
        {},
        containers=[
            container("plain", "$account-encryption-key", False),
            container("payroll", "hr", True),
            container("files", "finance", False),
            container("own", "$account-encryption-key", True),
        ],
    )
    assert details_from_text(details_to_text(found)) == found
    resource = account("county")
    estate = assessment([(resource, verdict(resource))], [survey("county", "payroll")])
    plan = make_plan(estate, settings(), {"county": "county"}, now=NOW, details={"county": found})
    told = {
        match.group(1): line
        for line in plan.cannot_keep
        if (match := re.match(r"Default encryption scope of county/(\w+) ", line))
    }
    assert list(told) == ["files", "own", "payroll"]
    assert "(finance)" in told["files"] and told["files"].endswith("--name files --default-encryption-scope finance.")
    assert "(hr, no other allowed)" in told["payroll"]
    assert told["payroll"].endswith("--default-encryption-scope hr --prevent-encryption-scope-override true.")
    assert "--default-encryption-scope '$account-encryption-key' --prevent" in told["own"]
    assert all(line in "\n".join(explain(plan)) for line in told.values())


def test_what_forbids_writes_comes_after_what_writes() -> None:
    """Breaks when a policy could be set before a container that it would close."""
    account = CreateStorageAccount("t", "g", "usgovvirginia", "StorageV2", "Standard_LRS", "", "county")
    found = AccountDetails(
        "county", soft_delete_days=7, foreign_scopes=("cmk",), restore_days=3,
        protections=(Protection("vault", days=9, locked=True), Protection("gone", days=1)),
    )  # fmt: skip
    settling = settle_account(found, account, ["vault"], Copy())
    assert settling.before == () and [step.id for step in settling.after] == ["account-policies/t", "protect/t/vault"]
    told = "\n".join(settling.notes)
    assert "Encryption scope cmk" in told and "Point-in-time restore" in told and "set unlocked" in told
    premium = CreateStorageAccount("t", "g", "usgovvirginia", "FileStorage", "Premium_LRS", "", "county")
    assert (
        "cannot keep versions"
        in settle_account(AccountDetails("county", versioning=True), premium, [], Copy()).notes[0]
    )


def test_the_order_of_the_plan_lets_everything_be_written_before_it_is_closed() -> None:
    """Breaks when a policy stands before a shard, settings behind a container, or a re-sync's plan turns it round."""
    resource = account("county")
    surveys = [survey("county", "vault")]
    estate = assessment([(resource, verdict(resource))], surveys)
    found = AccountDetails(
        "county",
        versioning=True,
        lifecycle='{"rules":[]}',
        protections=(Protection("vault", days=9, holds=("case1",)),),
    )
    plan = make_plan(estate, settings(), {"county": "county"}, now=NOW, details={"county": found})
    kinds = [type(step).__name__ for step in plan.steps]
    ordered = ["CreateResourceGroup", "CreateStorageAccount", "SetAccount", "CreateContainer", "CopyShard"]
    assert list(dict.fromkeys(kinds)) == [*ordered, "FinishAccount", "ProtectContainer"]
    longer = extend_plan(plan, [survey("county", "late")], settings(), now=NOW)
    later_kinds = [type(step).__name__ for step in longer.steps]
    assert later_kinds[-2:] == ["FinishAccount", "ProtectContainer"] and later_kinds.count("CreateContainer") == 2
    assert plan_from_json(plan_to_json(plan)) == plan
    told = "\n".join(explain(plan))
    assert "county: versioning, history replayed" in told and "county/vault: retention of 9 days, unlocked" in told
