"""`govlift assess --from`: verdicts from exported inventories, before any credential exists."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from flows.observe import Outcome
from flows.program_gate import standing_without_sheet
from flows.wiring import now
from mappings.assess import assess, assessment_to_json, gaps_of
from mappings.errors import ExitCode, FixTheInput
from mappings.model import Assessment, Inventory, Resource
from mappings.offer import Offer, offer_from_json
from mappings.offline import files_to_json, read_inventory
from mappings.offline_entry import TypeName
from tasks.catalogue import load_catalogue, read_overlays
from tasks.tabular import load_portal_names, read_exports

EARLIER = "assessment.json"
"""File of a report folder that holds the assessment, to compare the next one with."""


@dataclass(frozen=True, slots=True)
class Offline:
    """What `assess --from` is told besides the files."""

    overlays: tuple[Path, ...] = ()
    """Rule files of the customer."""
    offer: Path | None = None
    """What the target subscription offers, as `govlift offer` wrote it."""
    region: str = ""
    """Azure Government region for everything; "" takes the nearest to each resource."""
    customer: str = ""
    marking: str = ""
    previous: Path | None = None
    """The `assessment.json` beside an earlier report, or the folder that holds it."""
    report: Path | None = None
    """Folder for the reports; None writes none."""


class _Names:
    """Types by portal name; the table is loaded when the first file needs it."""

    def by_portal_name(self, name: str) -> Sequence[TypeName]:
        return load_portal_names().by_portal_name(name)


def assess_files(paths: Sequence[Path], told: Offline | None = None) -> Outcome:
    """Judge the resources in files or folders of files.

    Raises:
        FixTheInput: a path does not exist, no file held a resource, or an option names something that is wrong.
    """
    told = told or Offline()
    rulebook = load_catalogue(read_overlays(told.overlays))
    offer = _offer(told.offer)
    previous = _previous(told.previous)
    if told.report is not None:
        _make(told.report)
    inventory = _read(paths)
    inventory = replace(inventory, gaps=(*inventory.gaps, *gaps_of(offer)))
    assessment = assess(inventory, rulebook, default_region=_region(told.region), offer=offer)
    if told.report is not None:
        _write(assessment, previous, paths, told, told.report)
    counts = assessment.by_verdict()
    findings = inventory.gaps or counts["blocked"] or counts["unknown"] or counts["replace"]
    summary = {**assessment_to_json(assessment), "cloud": inventory.cloud, "files": files_to_json(inventory.files)}
    return Outcome("", ExitCode.FINDINGS if findings else ExitCode.OK, summary)


def _read(paths: Sequence[Path]) -> Inventory:
    # Parsed JSON has no circles; looking for them while millions of values are made costs a third of the time.
    gc.disable()
    try:
        return read_inventory(read_exports(paths), now=now(), names=_Names())
    finally:
        gc.enable()


def _region(name: str) -> str:
    """The region in ARM's spelling.

    Raises:
        FixTheInput: it is no region of Azure Government.
    """
    from mappings.regions import DOD_REGIONS, GOVERNMENT_REGIONS, normal

    if name and normal(name) not in (*GOVERNMENT_REGIONS, *DOD_REGIONS):
        raise FixTheInput(
            f'"{name}" is not a region of Azure Government.', next_step=f"Use one of: {', '.join(GOVERNMENT_REGIONS)}."
        )
    return normal(name)


def _offer(path: Path | None) -> Offer | None:
    return offer_from_json(_text(path), origin=str(path)) if path is not None else None


def _previous(path: Path | None) -> Assessment | None:
    if path is None:
        return None
    from mappings.codec import decode, rebuild

    file = path
    if path.is_dir():
        # The folder of a migration has a report.json, and its assessment in the ledger.
        file = next((path / name for name in (EARLIER, "report.json") if (path / name).is_file()), path / EARLIER)
    try:
        found = decode(Assessment, _text(file))
        seen = found.inventory
        # Both are declared as any sequence, which the codec leaves as it is.
        resources = rebuild(tuple[Resource, ...], seen.resources)
        governance = rebuild(tuple[Resource, ...], seen.governance)
        return replace(found, inventory=replace(seen, resources=resources, governance=governance))
    except (ValueError, TypeError, KeyError, AttributeError):
        return _of_report(_text(file), file)


def _of_report(text: str, file: Path) -> Assessment:
    """What an earlier report.json tells, where the assessment itself was not kept."""
    from mappings.report_earlier import assessment_of
    from mappings.report_json import report_from_json

    try:
        return assessment_of(report_from_json(text, origin=str(file)))
    except FixTheInput:
        raise FixTheInput(
            f"{file} is not an assessment or a report that govlift wrote.",
            next_step=f"Name the {EARLIER} or the report.json of an earlier assessment.",
        ) from None


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as wrong:
        why = wrong.strerror if isinstance(wrong, OSError) else "it is not UTF-8 text"
        raise FixTheInput(f"{path} cannot be read: {why}.", next_step="Name a file that exists.") from None


def _make(folder: Path) -> None:
    """The folder of the reports, before the minutes that a large estate takes."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as wrong:
        raise FixTheInput(
            f"{folder} cannot be made a folder: {wrong.strerror}.", next_step="Name another folder with --report."
        ) from None


def _write(
    assessment: Assessment, previous: Assessment | None, paths: Sequence[Path], told: Offline, folder: Path
) -> None:
    from importlib.metadata import version

    from mappings.codec import compact_json
    from mappings.readiness import ReportHead, build_report
    from tasks.movetables import load_move_tables
    from tasks.reports import write_reports
    from tasks.scanning import load_scanners

    name = paths[0].resolve().stem
    value = build_report(
        settings=ReportHead(
            name=name,
            customer=told.customer or name,
            marking=told.marking.strip(),
            source_cloud=assessment.inventory.cloud,
        ),
        assessment=assessment,
        plan=None,
        runs=[],
        notes=[],
        made_at=now(),
        version=version("govlift"),
        previous=previous,
        scanners=load_scanners(),
        program=standing_without_sheet(),
        moves=load_move_tables(),
    )
    write_reports(value, folder)
    file = folder / EARLIER
    file.touch(mode=0o600)
    file.write_text(compact_json(assessment), "utf-8")
