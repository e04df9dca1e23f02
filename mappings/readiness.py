"""The report on readiness and migration, from whatever is known so far.

Pure: clock, versions, ledger rows and manifest rows are handed in. `tasks.reports.write_reports` makes the files.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from mappings.failures import CauseTable
from mappings.model import Assessment
from mappings.movetables import MoveTables
from mappings.plan import Plan
from mappings.program_check import ProgramStanding
from mappings.report_assumptions import assumptions_section
from mappings.report_balance import balance_flags, balance_section
from mappings.report_changes import changes_section
from mappings.report_conditions import blockers_section, unknowns_section
from mappings.report_copytime import copytime_section
from mappings.report_data import data_section, results_section, runs_section
from mappings.report_endpoints import endpoints_section
from mappings.report_facts import ReportHead, gather_facts, head_of, standing_shards
from mappings.report_files import files_section
from mappings.report_identities import identities_section
from mappings.report_json import report_digest, report_from_json, report_to_json
from mappings.report_limits import findings_section, gaps_section, limits_section
from mappings.report_listers import subscriptions_section
from mappings.report_live import live_section
from mappings.report_losses import governance_section, losses_section
from mappings.report_model import SCHEMA_VERSION, Report
from mappings.report_names import names_section
from mappings.report_objects import differences_section, exceptions_section
from mappings.report_packages import packages_section
from mappings.report_program import program_section
from mappings.report_resources import readiness_section, register_section
from mappings.report_risks import risks_section
from mappings.report_runbook import runbook_section
from mappings.report_sources import sources_section
from mappings.report_story import brief_of, in_order, risks_of
from mappings.report_summary import SIGNATURES, cover_of, sentences_of, tiles_of
from mappings.report_targets import targets_section
from mappings.route_changes import RouteChange
from mappings.runs import ObjectNote, RunRecord, ShardRecord
from mappings.scanning import Scanners
from mappings.settings import Settings

__all__ = [
    "Report",
    "ReportHead",
    "build_report",
    "head_of",
    "report_digest",
    "report_from_json",
    "report_to_json",
    "standing_shards",
]

_SECTIONS = (
    # Any order: `mappings.report_story` says in which order they are read.
    balance_section,
    readiness_section,
    blockers_section,
    unknowns_section,
    gaps_section,
    files_section,
    changes_section,
    live_section,
    targets_section,
    identities_section,
    endpoints_section,
    names_section,
    packages_section,
    data_section,
    copytime_section,
    runbook_section,
    losses_section,
    governance_section,
    risks_section,
    results_section,
    exceptions_section,
    differences_section,
    limits_section,
    findings_section,
    program_section,
    runs_section,
    assumptions_section,
    sources_section,
    register_section,
    subscriptions_section,
)


def build_report(
    *,
    settings: Settings | ReportHead,
    assessment: Assessment,
    plan: Plan | None,
    runs: Sequence[RunRecord],
    notes: Sequence[ObjectNote],
    made_at: datetime,
    version: str,
    shards: Sequence[ShardRecord] = (),
    previous: Assessment | None = None,
    scanners: Scanners | None = None,
    moves: MoveTables | None = None,
    program: ProgramStanding | None = None,
    causes: CauseTable | None = None,
    route_changes: Sequence[RouteChange] = (),
) -> Report:
    """Build the whole report.

    Args:
        settings: the migration's settings, or only a head where an offline assessment has no settings.
        assessment: inventory with verdicts.
        plan: None before there is one.
        runs: all runs of the ledger, in any order.
        notes: what a reader must see of the manifests that stand (those of `standing_shards`): failed and excluded
            objects, reported deletions and extras, and after a re-sync every difference.
        made_at: now, with a zone.
        version: of govlift.
        shards: shard records of the copying runs, of one or of all; the newest record of each shard counts. Without
            them the newest copying run's own tally stands for all accounts.
        previous: the assessment before this one, None where this is the first.
        program: where the CSP program stands; None where nobody judged it.
        scanners: the tables for names, endpoints and identities; without them their sections say that nothing was
            looked for.
        moves: the tables for packages, volumes and losses; without them their sections say that nothing was made.
        causes: the table of causes of failures; without it failures are told by reason alone.
        route_changes: what changed its route in the copying runs (`mappings.route_changes.changes_in`).
    """
    facts = gather_facts(
        settings=settings,
        assessment=assessment,
        plan=plan,
        runs=runs,
        notes=notes,
        shards=shards,
        made_at=made_at,
        version=version,
        previous=previous,
        scanners=scanners,
        moves=moves,
        program=program,
        causes=causes,
        route_changes=route_changes,
    )
    flags = balance_flags(facts)
    # Where Azure itself was asked there are no files to give an account of.
    makers = [make for make in _SECTIONS if make is not files_section or assessment.inventory.files]
    return Report(
        schema_version=SCHEMA_VERSION,
        cover=cover_of(facts),
        tiles=tiles_of(facts),
        sentences=sentences_of(facts, flags),
        flags=flags,
        sections=in_order(make(facts) for make in makers),
        signatures=SIGNATURES,
        brief=brief_of(facts),
        risks=risks_of(facts, flags),
    )
