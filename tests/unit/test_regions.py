"""From commercial regions to Azure Government regions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.regions import DOD_REGIONS, GOVERNMENT_REGIONS, NEAREST, nearest_government, normal, proposals


@pytest.mark.parametrize("spelling", ["eastus", "East US", "EAST US", " east us ", "(US) East US", "East-US"])
def test_spellings_of_one_region_are_one(spelling: str) -> None:
    assert normal(spelling) == "eastus"


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normal(normal(text)) == normal(text)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("East US 2", "usgovvirginia"),
        ("southcentralus", "usgovtexas"),
        ("westus3", "usgovarizona"),
        ("Global", "global"),
    ],
)
def test_the_nearest_region_is_proposed(source: str, target: str) -> None:
    assert nearest_government(source, {}, "").region == target


def test_the_customer_decides_before_the_table() -> None:
    overrides = {"East US": "usgovtexas"}
    assert nearest_government("eastus", overrides, "usgovarizona").region == "usgovtexas"
    assert nearest_government("westus", overrides, "usgovarizona").region == "usgovarizona"
    assert "settings" in nearest_government("eastus", overrides, "").why


def test_no_region_and_unknown_regions_say_why() -> None:
    assert nearest_government("", {}, "usgovtexas").region == ""
    assert nearest_government("atlantis", {}, "").region == ""
    assert "atlantis" in nearest_government("atlantis", {}, "").why
    assert "template" in nearest_government("[resourceGroup().location]", {}, "").why


@given(st.sampled_from([*NEAREST, *DOD_REGIONS, *GOVERNMENT_REGIONS, "global", "", "mars"]))
def test_dod_regions_are_never_proposed(source: str) -> None:
    """Breaks when a DoD column enters the table or a DoD source region stays where it is."""
    assert nearest_government(source, {}, "").region in (*GOVERNMENT_REGIONS, "global", "")
    assert set(proposals(source)) == set(GOVERNMENT_REGIONS)
