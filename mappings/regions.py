"""From a commercial region to the nearest Azure Government region. A proposal with its reason; the customer decides.

Sources: Azure/terraform-azurerm-avm-utl-regions@9064b20 `locations.tf.json` (2026-08-21) for names and coordinates of
commercial regions; coordinates of Government regions are those of the commercial region in the same metro (derived,
within about 100 km). US DoD regions are reserved for DoD (documentation-government-overview-dod.md, 2023-05-09; the
notice `dod-regions` of csp/program.toml) and are never proposed; usgoviowa is retired.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

GOVERNMENT_REGIONS = ("usgovvirginia", "usgovarizona", "usgovtexas")
"""Regions open to every government customer."""
DOD_REGIONS = ("usdodeast", "usdodcentral")
RESERVED: Mapping[str, str] = dict.fromkeys(DOD_REGIONS, "dod")
"""Region -> the only customer segment (`customer.segment` of the program sheet) that may use it."""
GLOBAL = "global"
CHECKED = date(2026, 8, 21)


@dataclass(frozen=True, slots=True)
class RegionChoice:
    """A target region and why it was chosen."""

    region: str
    """Normalised name; "" where there is none to propose."""
    why: str


def normal(location: str) -> str:
    """The region's name as ARM spells it: "East US", "(US) East US" and "eastus" are one place."""
    if location.isalnum() and location.islower():
        return location
    text = location.strip().lower()
    if text.startswith("("):
        text = text.partition(")")[2]
    return "".join(letter for letter in text if letter.isalnum())


def open_to(regions: Iterable[str], segment: str = "") -> tuple[str, ...]:
    """Those of `regions` (normalised) that a customer of `segment` may use, in the usual order; "" is any customer."""
    order = {region: number for number, region in enumerate(GOVERNMENT_REGIONS)}
    allowed = (region for region in regions if RESERVED.get(region, segment) == segment)
    return tuple(sorted(allowed, key=lambda region: (order.get(region, len(order)), region)))


def nearest_government(location: str, overrides: Mapping[str, str], default: str) -> RegionChoice:
    """Where a resource of `location` is meant to live.

    Args:
        location: source region in any spelling; "" for a resource without one.
        overrides: source region -> target region, the customer's decision; wins over everything.
        default: target region for everything that `overrides` does not name; "" takes the table.

    Returns:
        The choice; `region` is "" where the source has no region or no row, and `why` says so.
    """
    place = normal(location)
    if place in ("", GLOBAL):
        return RegionChoice(place, "the resource has no region" if not place else "global stays global")
    for source, target in overrides.items():
        if normal(source) == place:
            return RegionChoice(normal(target), f"the settings map {place} to {normal(target)}")
    if default:
        return RegionChoice(normal(default), "the settings name it for every region")
    if place in GOVERNMENT_REGIONS:
        return RegionChoice(place, "it is a Government region already")
    if location.startswith("["):
        return RegionChoice("", "the template computes the region; name a target region in the settings")
    if place not in NEAREST:
        return RegionChoice("", f'no region called "{place}" is in the table; name a target region in the settings')
    first, second, distance = NEAREST[place]
    return RegionChoice(first, f"nearest to {place} (about {distance} km; next is {second}), table of {CHECKED}")


def proposals(location: str) -> tuple[str, ...]:
    """Government regions for `location`, nearest first; all of them where the table has no row."""
    row = NEAREST.get(normal(location))
    head = row[:2] if row else ()
    return (*head, *(region for region in GOVERNMENT_REGIONS if region not in head))


NEAREST: dict[str, tuple[str, str, int]] = {
    "australiacentral": ("usgovarizona", "usgovtexas", 12788),
    "australiacentral2": ("usgovarizona", "usgovtexas", 12788),
    "australiaeast": ("usgovarizona", "usgovtexas", 12547),
    "australiasoutheast": ("usgovarizona", "usgovtexas", 13239),
    "austriaeast": ("usgovvirginia", "usgovtexas", 7380),
    "belgiumcentral": ("usgovvirginia", "usgovtexas", 6471),
    "brazilsouth": ("usgovvirginia", "usgovtexas", 7478),
    "brazilsoutheast": ("usgovvirginia", "usgovtexas", 7583),
    "canadacentral": ("usgovvirginia", "usgovtexas", 781),
    "canadaeast": ("usgovvirginia", "usgovtexas", 1274),
    "centralindia": ("usgovvirginia", "usgovarizona", 13218),
    "centralus": ("usgovvirginia", "usgovtexas", 1421),
    "chilecentral": ("usgovtexas", "usgovvirginia", 7579),
    "denmarkeast": ("usgovvirginia", "usgovtexas", 6777),
    "eastasia": ("usgovarizona", "usgovtexas", 12116),
    "eastus": ("usgovvirginia", "usgovtexas", 149),
    "eastus2": ("usgovvirginia", "usgovtexas", 0),
    "francecentral": ("usgovvirginia", "usgovtexas", 6515),
    "francesouth": ("usgovvirginia", "usgovtexas", 6611),
    "germanynorth": ("usgovvirginia", "usgovtexas", 6665),
    "germanywestcentral": ("usgovvirginia", "usgovtexas", 6785),
    "indonesiacentral": ("usgovarizona", "usgovtexas", 14994),
    "israelcentral": ("usgovvirginia", "usgovtexas", 9658),
    "italynorth": ("usgovvirginia", "usgovtexas", 7037),
    "japaneast": ("usgovarizona", "usgovtexas", 9303),
    "japanwest": ("usgovarizona", "usgovtexas", 9676),
    "jioindiacentral": ("usgovvirginia", "usgovarizona", 13165),
    "jioindiawest": ("usgovvirginia", "usgovarizona", 12653),
    "koreacentral": ("usgovarizona", "usgovtexas", 10033),
    "koreasouth": ("usgovarizona", "usgovtexas", 10081),
    "malaysiawest": ("usgovarizona", "usgovvirginia", 14620),
    "mexicocentral": ("usgovtexas", "usgovarizona", 1000),
    "newzealandnorth": ("usgovarizona", "usgovtexas", 10884),
    "northcentralus": ("usgovvirginia", "usgovtexas", 983),
    "northeurope": ("usgovvirginia", "usgovtexas", 5698),
    "norwayeast": ("usgovvirginia", "usgovtexas", 6503),
    "norwaywest": ("usgovvirginia", "usgovtexas", 6266),
    "polandcentral": ("usgovvirginia", "usgovtexas", 7443),
    "qatarcentral": ("usgovvirginia", "usgovtexas", 11329),
    "southafricanorth": ("usgovvirginia", "usgovtexas", 13094),
    "southafricawest": ("usgovvirginia", "usgovtexas", 12757),
    "southcentralus": ("usgovtexas", "usgovarizona", 0),
    "southeastasia": ("usgovarizona", "usgovvirginia", 14628),
    "southindia": ("usgovvirginia", "usgovarizona", 14054),
    "spaincentral": ("usgovvirginia", "usgovtexas", 6860),
    "swedencentral": ("usgovvirginia", "usgovtexas", 6798),
    "switzerlandnorth": ("usgovvirginia", "usgovtexas", 6899),
    "switzerlandwest": ("usgovvirginia", "usgovtexas", 6789),
    "uaecentral": ("usgovvirginia", "usgovtexas", 11606),
    "uaenorth": ("usgovvirginia", "usgovtexas", 11593),
    "uksouth": ("usgovvirginia", "usgovtexas", 6125),
    "ukwest": ("usgovvirginia", "usgovtexas", 5901),
    "westcentralus": ("usgovarizona", "usgovtexas", 843),
    "westeurope": ("usgovvirginia", "usgovtexas", 6447),
    "westindia": ("usgovvirginia", "usgovarizona", 13120),
    "westus": ("usgovarizona", "usgovtexas", 1051),
    "westus2": ("usgovarizona", "usgovtexas", 1666),
    "westus3": ("usgovarizona", "usgovtexas", 0),
}
"""Source region -> nearest Government region, the next one, and kilometres to the nearest."""
