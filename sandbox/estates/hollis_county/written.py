"""Reads the resources that stand one to a line in `sandbox/estates/hollis_county_*.toml`."""

from __future__ import annotations

import tomllib
from importlib import resources as package_files
from string import Template

from sandbox.estates.building import Body, Group
from sandbox.estates.hollis_county import subscriptions

FAMILIES = ("network", "compute", "data", "apps", "operations", "legacy", "classic", "access")
_GROUPS = {name: value for name, value in vars(subscriptions).items() if isinstance(value, Group)}
_WORDS = {
    **{name: group.id for name, group in _GROUPS.items()},
    "PROD": subscriptions.PROD,
    "CSP": subscriptions.CSP,
    "LAB": subscriptions.LAB,
    "TENANT": subscriptions.TENANT,
}


def resources(family: str) -> list[Body]:
    """The bodies in the file of one family."""
    text = package_files.files("sandbox.estates").joinpath(f"hollis_county_{family}.toml").read_text("utf-8")
    lines = tomllib.loads(Template(text).substitute(_WORDS))["resources"]
    return [_GROUPS[line.pop("in")].put(line.pop("type"), line.pop("name"), **line) for line in lines]
