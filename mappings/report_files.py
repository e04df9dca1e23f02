"""Section "Files read": where every entry of every exported file went, and what was read in which way."""

from __future__ import annotations

from mappings.model import FileRead
from mappings.report_facts import Facts
from mappings.report_model import Check, Column, Kind, Ref, Row, Section, Table
from mappings.report_words import counted, counts, make_row

_COLUMNS = (
    Column("file", "File", Kind.NAME),
    Column("shape", "Read as"),
    *counts(
        ("entries", "Entries"),
        ("resources", "Resources"),
        ("governance", "Assignments and locks"),
        ("scopes", "Groups and subscriptions"),
        ("duplicates", "Given before"),
        ("left_out", "Left out"),
        ("unread", "Not read"),
        ("gaps", "Gaps"),
    ),
    Column("check", "In = out", Kind.STATUS),
)
_REMARKS = (Column("file", "File", Kind.NAME), Column("remark", "Remark"))
_GAPS = (
    Column("file", "File", Kind.NAME),
    Column("scope", "Where", Kind.NAME),
    Column("what", "What is missing"),
    Column("why", "Why"),
    Column("remedy", "What to ask whom", detail=True),
)


def files_section(facts: Facts) -> Section:
    """The account of the exported files; where Azure itself was asked, one sentence."""
    files = facts.assessment.inventory.files
    title = "Files read"
    if not files:
        lead = "Azure itself was asked; exported files are read by `govlift assess --from`."
        return Section("files", title, lead)
    read = [file for file in files if file.entries]
    entries, resources = sum(file.entries for file in files), sum(file.resources for file in files)
    unread = sum(file.unread for file in files)
    lead = (
        f"{counted(entries, 'entry', 'entries')} in {counted(len(read), 'file')} gave"
        f" {counted(resources, 'resource')}; {counted(unread, 'entry', 'entries')} could not be read."
        f" The cloud that the files come from: {facts.assessment.inventory.cloud}."
    )
    tables = (
        Table("file-rows", "Files, and where their entries went", _COLUMNS, tuple(map(_row, files))),
        Table("file-gaps", "What could not be read, by file", _GAPS, _gaps(facts)),
        Table("file-remarks", "Remarks on the files", _REMARKS, _remarks(files)),
    )
    return Section("files", title, lead, tuple(table for table in tables if table.rows))


def _row(file: FileRead) -> Row:
    return make_row(
        {
            "file": file.name,
            "shape": file.shape or "no inventory",
            "entries": file.entries,
            "resources": file.resources,
            "governance": file.governance,
            "scopes": file.scopes,
            "duplicates": file.duplicates,
            "left_out": file.left_out,
            "unread": file.unread,
            "gaps": file.gaps,
            "check": (Check.EQUAL if file.balanced else Check.MISMATCH).value,
        },
        {"gaps": Ref("files", "file-gaps", {"file": file.name})},
    )


def _gaps(facts: Facts) -> tuple[Row, ...]:
    """The gaps of the inventory that belong to a file, each under its file."""
    gaps = iter(facts.assessment.inventory.gaps)
    pending = next(gaps, None)
    rows = []
    for file in facts.assessment.inventory.files:
        # The gaps of a file stand together and in the order of the files; others stand before and after them.
        left = file.gaps
        while left and pending is not None:
            if pending.scope == file.name or pending.scope.startswith(f"{file.name}, "):
                cells = {"file": file.name, "scope": pending.scope, "what": pending.what, "why": pending.why}
                rows.append(make_row({**cells, "remedy": pending.remedy}))
                left -= 1
            pending = next(gaps, None)
    return tuple(rows)


def _remarks(files: tuple[FileRead, ...]) -> tuple[Row, ...]:
    return tuple(make_row({"file": file.name, "remark": note}) for file in files for note in file.notes)
