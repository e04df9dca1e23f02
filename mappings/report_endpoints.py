"""Section "Endpoint rewrite": every commercial host in the estate's settings, and what it becomes."""

from __future__ import annotations

from collections import defaultdict

from mappings.endpoint_scan import EndpointScan, EndpointUse, Setting, Work, scan_endpoints
from mappings.endpoints import EndpointTable, Pair
from mappings.plan import CreateStorageAccount
from mappings.regions import nearest_government
from mappings.report_facts import Facts
from mappings.report_model import Column, Kind, Ref, Row, Section, Table
from mappings.report_words import counted, counts, make_row

_TITLE = "Endpoint rewrite"
_WORK = {
    Work.CHANGE: "change the setting",
    Work.DECIDE: "decide, then change",
    Work.MADE_ANEW: "made anew by Azure",
    Work.UNKNOWN: "find out",
}


def endpoints_section(facts: Facts) -> Section:
    """Hosts of commercial Azure in properties, app settings, connection strings, DNS zones, rules and tags."""
    if facts.scanners is None:
        return Section("endpoints", _TITLE, "Endpoints were not looked for: the table of hosts was not handed in.")
    table = facts.scanners.endpoints
    scan = _scan(facts, table)
    if not (scan.uses or scan.unknown or scan.domains):
        lead = (
            "No host of commercial Azure stands in what the inventory knows. App settings are secret to a Reader: ask"
            " for an export of each application's settings."
        )
        return Section("endpoints", _TITLE, lead)
    by_hand = [use for use in scan.uses if use.work in (Work.CHANGE, Work.DECIDE)]
    anew = len(scan.uses) - len(by_hand)
    lead = (
        f"{counted(len(by_hand), 'setting')} {'holds' if len(by_hand) == 1 else 'hold'} a commercial host and must"
        f" change; {counted(anew, 'address', 'addresses')} Azure makes anew with the resource;"
        f" {counted(len(scan.unknown), 'host')} of Microsoft {'has' if len(scan.unknown) == 1 else 'have'} no known"
        " counterpart and must be asked for."
    )
    tables = (_by_suffix(scan), _uses(scan), _unknown(scan), _domains(scan))
    return Section("endpoints", _TITLE, lead, tuple(one for one in tables if one.rows), _remarks(scan))


def _scan(facts: Facts, table: EndpointTable) -> EndpointScan:
    steps = facts.plan.steps if facts.plan else ()
    renamed = {step.source_account: step.name for step in steps if isinstance(step, CreateStorageAccount)}
    target = facts.settings.target if facts.settings else None
    regions, default = (target.regions, target.region) if target else ({}, "")
    return scan_endpoints(
        facts.described,
        table,
        renamed=renamed,
        region_of=lambda place: nearest_government(place, regions, default).region,
    )


def _remarks(scan: EndpointScan) -> tuple[str, ...]:
    remarks = [
        "Only hosts are shown. Keys, passwords and signatures in the same settings are neither stored nor shown; they"
        " change too, because the new service has its own.",
        "App settings and connection strings of App Service are in an inventory only where templates or an export with"
        " settings were read: a Reader does not see them.",
    ]
    if scan.others:
        places = sum(scan.others.values())
        remarks.append(
            f"{counted(len(scan.others), 'other host')} in {counted(places, 'place')} "
            f"{'is not Microsoft' if len(scan.others) == 1 else 'are not Microsoft'}'s and left as found; check that"
            " each may be reached from Azure Government."
        )
    return tuple(remarks)


def _by_suffix(scan: EndpointScan) -> Table:
    columns = (
        Column("suffix", "Commercial suffix", Kind.NAME),
        Column("becomes", "Azure Government", Kind.NAME),
        Column("service", "Service"),
        *counts(("settings", "Settings to change"), ("anew", "Made anew")),
        Column("note", "What the sources say", detail=True),
        Column("source", "Source", Kind.SOURCE, detail=True),
        Column("dated", "Source of", Kind.DATE),
    )
    groups: defaultdict[str, list[EndpointUse]] = defaultdict(list)
    for use in scan.uses:
        groups[use.suffix].append(use)
    ordered = sorted(groups.items(), key=lambda item: (-_to_change(item[1]), -len(item[1]), item[0]))
    rows = tuple(_suffix_row(suffix, members) for suffix, members in ordered)
    note = "Where sources disagree every candidate is named, the one of the newest source first."
    return Table("endpoints-by-suffix", "Hosts by suffix", columns, rows, bars=("settings", "anew"), note=note)


def _to_change(uses: list[EndpointUse]) -> int:
    return sum(use.work is not Work.MADE_ANEW for use in uses)


def _suffix_row(suffix: str, members: list[EndpointUse]) -> Row:
    first = members[0]
    pair = first.pair
    where = {"suffix": suffix}
    change = _to_change(members)
    return make_row(
        {
            "suffix": suffix,
            "becomes": " or ".join(first.candidates) or first.becomes,
            "service": first.service,
            "settings": change,
            "anew": len(members) - change,
            "note": _said(pair),
            "source": pair.source.where if pair else "",
            "dated": pair.source.dated.isoformat() if pair and pair.source.dated else None,
        },
        {
            "settings": Ref("endpoints", "endpoint-uses", {**where, "by_hand": "yes"}),
            "anew": Ref("endpoints", "endpoint-uses", {**where, "by_hand": "no"}),
        },
    )


def _said(pair: Pair | None) -> str:
    if pair is None:
        return ""
    scope = f"For {pair.scope} tenants." if pair.scope else ""
    return f"{pair.conflict} {scope}".strip()


def _uses(scan: EndpointScan) -> Table:
    columns = (
        Column("host", "Host today", Kind.NAME),
        Column("becomes", "In Azure Government", Kind.NAME),
        Column("resource", "Resource", Kind.NAME),
        Column("setting", "Kind of setting"),
        Column("path", "Where", Kind.NAME),
        Column("work", "Work"),
        Column("note", "Note"),
        Column("suffix", "Commercial suffix", Kind.NAME, detail=True),
        Column("by_hand", "By hand", detail=True),
        Column("type", "Type", Kind.NAME, detail=True),
        Column("id", "Resource id", Kind.NAME, detail=True),
    )
    # What people have to do first.
    ordered = sorted(scan.uses, key=lambda use: use.work is Work.MADE_ANEW)
    return Table("endpoint-uses", "Each place that holds a commercial host", columns, tuple(map(_use_row, ordered)))


def _use_row(use: EndpointUse) -> Row:
    return make_row(
        {
            "host": use.host,
            "becomes": use.becomes or " or ".join(use.candidates),
            "resource": use.resource_id.rpartition("/")[2],
            "setting": use.setting.value,
            "path": use.path,
            "work": _WORK[use.work],
            "note": use.note,
            "suffix": use.suffix,
            "by_hand": "no" if use.work is Work.MADE_ANEW else "yes",
            "type": use.type,
            "id": use.resource_id,
        }
    )


def _unknown(scan: EndpointScan) -> Table:
    columns = (
        Column("host", "Host", Kind.NAME),
        Column("domain", "Known by", Kind.NAME),
        Column("resource", "Resource", Kind.NAME),
        Column("setting", "Kind of setting"),
        Column("path", "Where", Kind.NAME),
        Column("why", "Why it is open"),
        Column("type", "Type", Kind.NAME, detail=True),
        Column("id", "Resource id", Kind.NAME, detail=True),
    )
    # An address that the service made itself follows from the service's own verdict.
    ordered = sorted(scan.unknown, key=lambda use: use.setting is Setting.OWN_ENDPOINT)
    rows = tuple(
        make_row(
            {
                "host": use.host,
                "domain": use.suffix,
                "resource": use.resource_id.rpartition("/")[2],
                "setting": use.setting.value,
                "path": use.path,
                "why": use.note,
                "type": use.type,
                "id": use.resource_id,
            }
        )
        for use in ordered
    )
    note = "Nothing is guessed: ask Microsoft or the service's documentation for Azure Government, then change it."
    return Table("endpoints-unknown", "Hosts of Microsoft without a known counterpart", columns, rows, note=note)


def _domains(scan: EndpointScan) -> Table:
    columns = (
        Column("host", "Custom domain", Kind.NAME),
        Column("resource", "Bound to", Kind.NAME),
        Column("note", "What to do"),
        Column("id", "Resource id", Kind.NAME, detail=True),
    )
    rows = tuple(
        make_row(
            {
                "host": use.host,
                "resource": use.resource_id.rpartition("/")[2],
                "note": use.note,
                "id": use.resource_id,
            }
        )
        for use in scan.domains
    )
    return Table("endpoint-domains", "Custom domains bound to services", columns, rows)
