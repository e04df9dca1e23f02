"""The DoD regions are for DoD: decided from the plan's own steps and the segment of the program sheet."""

from __future__ import annotations

import pytest

from mappings.errors import AskForApproval, ExitCode
from mappings.plan import CreateResourceGroup, CreateStorageAccount
from mappings.plan_text import sealed
from mappings.program_regions import require_segment, reserved_regions
from mappings.program_rules import Segment
from mappings.regions import DOD_REGIONS, GOVERNMENT_REGIONS, RESERVED, open_to
from tasks.program import load_program_rules
from tests.ledger.build import NOW


def account(region: str) -> CreateStorageAccount:
    return CreateStorageAccount("a", "rg", region, "StorageV2", "Standard_LRS", "/a", "a")


@pytest.mark.parametrize("segment", [None, *(one for one in Segment if one is not Segment.DOD)])
def test_every_other_customer_is_refused_and_no_answer_is_no_permission(segment: Segment | None) -> None:
    with pytest.raises(AskForApproval) as caught:
        require_segment(("usdodeast", "usgovtexas"), segment, sheet_name="sheet.toml")
    assert caught.value.exit_code is ExitCode.REFUSED
    assert caught.value.sentence.startswith("usdodeast is reserved for the US Department of Defense, and ")
    assert (f'"{segment}"' if segment else "names no customer.segment") in caught.value.sentence
    assert "usgovvirginia, usgovarizona, usgovtexas" in caught.value.next_step


def test_dod_goes_there_and_everybody_goes_elsewhere() -> None:
    require_segment(DOD_REGIONS, Segment.DOD, sheet_name="sheet.toml")
    require_segment(GOVERNMENT_REGIONS, None, sheet_name="sheet.toml")


def test_groups_and_accounts_of_a_plan_count() -> None:
    group = CreateResourceGroup("rg", "USDoD Central")
    assert reserved_regions(sealed([group, account("usgovtexas")], (), (), created_at=NOW)) == ("usdodcentral",)
    assert reserved_regions(sealed([account("usdodeast")], (), (), created_at=NOW)) == ("usdodeast",)
    assert reserved_regions(sealed([account("usgovtexas")], (), (), created_at=NOW)) == ()


def test_the_data_names_segments_that_exist_and_has_its_source_in_the_program() -> None:
    assert {Segment(segment) for segment in RESERVED.values()} == {Segment.DOD}
    (notice,) = (one for one in load_program_rules().notices if one.id == "dod-regions")
    assert all(region in notice.text for region in RESERVED)
    assert open_to((*DOD_REGIONS, "usgovtexas", "usgovvirginia")) == ("usgovvirginia", "usgovtexas")
    assert set(open_to(DOD_REGIONS, "dod")) == set(DOD_REGIONS)
