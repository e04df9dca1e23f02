"""`govlift assess --from`: verdicts from exported inventories, before any credential exists."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flows.observe import Outcome
from flows.wiring import now
from mappings.assess import assess, assessment_to_json
from mappings.errors import ExitCode, FixTheInput
from mappings.offline import read_inventory
from tasks.catalogue import load_catalogue

READABLE = (".json", ".jsonc")


def assess_files(paths: Sequence[Path], *, report_folder: Path | None = None) -> Outcome:
    """Judge the resources in files or folders of files.

    Raises:
        FixTheInput: a path does not exist, or no file held an inventory.
    """
    assessment = assess(read_inventory(_texts(paths), now=now()), load_catalogue())
    if report_folder is not None:
        from importlib.metadata import version

        from mappings.readiness import ReportHead, build_report
        from tasks.reports import write_reports

        value = build_report(
            settings=ReportHead(name=paths[0].stem, customer=paths[0].stem),
            assessment=assessment,
            plan=None,
            runs=[],
            shards=[],
            notes=[],
            made_at=now(),
            version=version("govlift"),
        )
        write_reports(value, report_folder)
    counts = assessment.by_verdict()
    findings = assessment.inventory.gaps or counts["blocked"] or counts["unknown"] or counts["replace"]
    return Outcome("", ExitCode.FINDINGS if findings else ExitCode.OK, assessment_to_json(assessment))


def _texts(paths: Sequence[Path]) -> dict[str, str]:
    """Content by file name; folders are walked. A file that is not text is kept, so that the reader can name it."""
    texts: dict[str, str] = {}
    for path in paths:
        if path.is_dir():
            found = sorted(p for p in path.rglob("*") if p.suffix.lower() in READABLE)
        elif path.is_file():
            found = [path]
        else:
            raise FixTheInput(f"There is no {path}.", next_step="Name a file or folder that exists.")
        for file in found:
            texts[str(file)] = file.read_bytes().decode("utf-8-sig", errors="replace")
    if not texts:
        raise FixTheInput("There is no JSON file in what --from names.", next_step="Name exported inventories.")
    return texts
