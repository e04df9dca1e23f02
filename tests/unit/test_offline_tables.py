"""Exports as tables: CSV in every dialect, workbooks, archives; and files on disk in every encoding."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings.errors import FixTheInput
from mappings.model import Inventory
from mappings.offline import read_inventory
from tasks.tabular import load_portal_names, of_bytes, read_exports

NOW = datetime(2026, 11, 1, tzinfo=UTC)
SUB = "11111111-1111-1111-1111-111111111111"
VM_ID = f"/subscriptions/{SUB}/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm"
HEADINGS = ["NAME", "TYPE", "RESOURCE GROUP", "LOCATION", "SUBSCRIPTION", "TAGS"]
ROWS = [
    ["vm", "Virtual machine", "rg", "East US", "Prod", "env: prod; owner: Ops, night"],
    ["st", "Storage account", "rg", "West Europe", "Prod", ""],
]


def read(content: str | bytes, name: str = "a.csv") -> Inventory:
    return opened([of_bytes(name, content.encode() if isinstance(content, str) else content)])


def opened(exports: Any) -> Inventory:
    found = read_inventory(exports, now=NOW, names=load_portal_names())
    for one in found.files:
        assert one.balanced, one
    assert sum(one.resources for one in found.files) == len(found.resources)
    return found


def as_csv(rows: list[list[str]], delimiter: str = ",", quoting: Any = csv.QUOTE_MINIMAL) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, quoting=quoting).writerows(rows)
    return out.getvalue()


PORTAL = as_csv([HEADINGS, *ROWS])


@pytest.mark.parametrize(
    "content",
    [
        PORTAL,
        as_csv([HEADINGS, *ROWS], ";"),
        as_csv([HEADINGS, *ROWS], "\t", csv.QUOTE_ALL),
        as_csv([HEADINGS, *ROWS], "|"),
        "sep=;\r\n" + as_csv([HEADINGS, *ROWS], ";"),
        "#TYPE System.Management.Automation.PSCustomObject\r\n" + PORTAL,
        "All resources\r\n\r\nfiltered by: none\r\n" + PORTAL,
        "\ufeff" + PORTAL,
        PORTAL.encode("utf-16"),
        PORTAL.encode("utf-16-le"),
        PORTAL.encode("utf-32"),
        PORTAL.replace("\r\n", "\n") + "\n\n",
        PORTAL + PORTAL.partition("\r\n")[0] + "\r\n",
    ],
)
def test_every_dialect_gives_the_same_resources(content: str | bytes) -> None:
    found = read(content)
    assert [(one.name, one.type, one.location) for one in found.resources] == [
        ("vm", "Microsoft.Compute/virtualMachines", "East US"),
        ("st", "Microsoft.Storage/storageAccounts", "West Europe"),
    ]
    assert found.resources[0].tags == {"env": "prod", "owner": "Ops", "night": ""}
    assert found.resources[0].subscription_id == "Prod"
    assert found.gaps == ()


def test_cells_may_hold_json_and_parts_of_objects() -> None:
    rows = [
        ["id", "properties", "tags", "sku", "identity", "zones", "plan_name", "properties.os.kind", "tenantId"],
        [VM_ID, '{"a": {"b": [1]}}', '{"env": "prod"}', '{"name": "S"}', "SystemAssigned", '["1","2"]', "p", "", "t"],
        [VM_ID + "2", "", '"env": "prod"', "S", "null", "1 and 3", "", "Linux", "t"],
    ]
    found = read(as_csv(rows))
    one, two = found.resources
    assert (one.properties, one.tags, one.sku) == ({"a": {"b": [1]}}, {"env": "prod"}, {"name": "S"})
    assert (one.identity, one.zones, one.plan) == ({"type": "SystemAssigned"}, ("1", "2"), {"name": "p"})
    assert (two.properties, two.tags, two.sku, two.zones) == (
        {"os": {"kind": "Linux"}}, {"env": "prod"}, {"name": "S"}, ("1", "3"))  # fmt: skip
    assert one.type == "Microsoft.Compute/virtualMachines"
    assert "tenantId" in found.files[0].notes[0]


def test_the_parts_of_an_id_make_the_id_so_that_the_same_resource_is_found_in_another_file() -> None:
    table = as_csv([["NAME", "RESOURCE TYPE", "RESOURCE GROUP", "SUBSCRIPTION ID", "SUBSCRIPTION"],
                    ["vm", "microsoft.compute/virtualmachines", "rg", SUB, "Prod"]])  # fmt: skip
    found = opened([of_bytes("a.csv", table.encode()), of_bytes("b.json", json.dumps([{"id": VM_ID}]).encode())])
    assert [one.id.lower() for one in found.resources] == [VM_ID.lower()]
    assert [one.duplicates for one in found.files] == [0, 1]
    assert [(one.id, one.name) for one in found.subscriptions] == [(SUB, "Prod")]


def test_every_further_portal_name_is_a_known_type_and_its_use_is_said() -> None:
    names = load_portal_names()
    for name, kind in names.further.items():
        assert not names.facts.by_portal_name(name), name
        fact = names.facts.get(kind)
        assert fact is not None, kind
        assert fact.type == kind
    found = read("name,type\na,function  app\nb,Function App\n")
    assert [one.type for one in found.resources] == ["Microsoft.Web/sites"] * 2
    assert "Function App = Microsoft.Web/sites (1)" in found.files[0].notes[0]


def test_rows_without_an_id_stay_apart_even_where_they_look_alike() -> None:
    found = read(as_csv([HEADINGS, ROWS[0], ROWS[0]]))
    assert len({one.id for one in found.resources}) == 2


def test_formula_marks_are_taken_off() -> None:
    found = read(as_csv([["name", "type", "id"], ["'=vm", '="Virtual machine"', VM_ID]]))
    assert (found.resources[0].name, found.resources[0].type) == ("=vm", "Microsoft.Compute/virtualMachines")


def test_a_row_that_does_not_fit_is_a_gap_with_its_line() -> None:
    text = 'name,type,id\nvm,A.b/c,/x,too,many\n\nshort,A.b/c\n,,\n"two\nlines",A.b/c,/y\nno-type,,\n'
    found = read(text)
    assert [one.name for one in found.resources] == ["short", "two\nlines"]
    assert [(gap.scope, gap.code) for gap in found.gaps] == [
        ("a.csv, row 2", "BrokenEntry"), ("a.csv, row 8", "NoType"), ("a.csv, row 4", "ShortRow")]  # fmt: skip
    assert found.files[0].unread == 2


def test_a_quote_that_is_never_closed_costs_its_line_and_not_the_rest_of_the_file() -> None:
    """Breaks when the csv module swallows everything behind the quote as one cell."""
    found = read('name,type,id\na,A.b/c,/1\n"b,A.b/c,/2\nc,A.b/c,/3\nd,A.b/c,/4\n')
    assert [one.name for one in found.resources] == ["a", "c", "d"]
    assert [(gap.scope, gap.code) for gap in found.gaps] == [("a.csv, line 3", "BrokenFile")]


def test_quotes_that_are_not_by_the_book_are_read() -> None:
    assert [one.name for one in read('name,type\n"a" b,A.b/c\nc,A.b/c\n').resources] == ["a b", "c"]


def test_long_cells_are_whole() -> None:
    big = json.dumps({"text": "x" * 300_000})
    assert len(read(as_csv([["id", "properties"], [VM_ID, big]])).resources[0].properties["text"]) == 300_000
    cut = read(as_csv([["id", "properties"], [VM_ID, big[:32_767]]]))
    assert (len(cut.resources), cut.gaps[0].scope, cut.gaps[0].code) == (1, "a.csv, row 2", "BrokenEntry")


def test_a_table_that_is_no_inventory_says_what_is_missing() -> None:
    with pytest.raises(FixTheInput, match=r"a\.csv: an inventory needs a column .* its first row is: Date, Cost"):
        read("Date,Cost\n2026-01-01,5\n")


def test_another_encoding_is_said() -> None:
    found = read(PORTAL.replace("Ops", "Büro").encode("cp1252"))
    assert found.resources[0].tags["owner"] == "Büro"
    assert "Windows-1252: line 2" in found.files[0].notes[0]


def workbook(**sheets: list[list[Any]]) -> bytes:
    book = openpyxl.Workbook(write_only=True)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_a_workbook_is_read_sheet_by_sheet(tmp_path: Path) -> None:
    file = tmp_path / "export.xlsx"
    file.write_bytes(workbook(
        Cover=[["Report", None]],
        Portal=[["exported", NOW.date()], HEADINGS, *ROWS],
        Graph=[["id", "name", "ports"], [VM_ID, "vm", 443.0]],
        Machines=[["Subscription", "Resource Group", "Name", "Size"], ["Prod", "rg", "vm", "D2"], ["P", "rg", "x", 1]],
    ))  # fmt: skip
    found = opened(read_exports([file]))
    assert [one.name for one in found.resources] == ["vm", "st", "vm"]
    assert [(gap.scope, gap.code) for gap in found.gaps] == [
        (f'{file}, sheet "Cover"', "NotRecognised"), (f'{file}, sheet "Machines"', "NoTypeColumn")]  # fmt: skip
    assert found.gaps[1].what.startswith("2 rows of this sheet")
    wrong = opened(
        read_exports([_written(tmp_path / "b.xlsx", workbook(S=[["name", "type"], ["x", None], ["y", "A.b/c"]]))])
    )
    assert [gap.scope for gap in wrong.gaps] == [f'{tmp_path / "b.xlsx"}, sheet "S", row 2']


def _written(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def zipped(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/").replace("_DOT_", "."), content)
    return out.getvalue()


def test_an_archive_is_read_member_by_member(tmp_path: Path) -> None:
    inner = zipped(deep_DOT_json=json.dumps([{"id": VM_ID + "3"}]).encode())
    whole = zipped(a__x_DOT_csv=PORTAL.encode(), b_DOT_zip=inner, notes_DOT_md=b"#", bad_DOT_xlsx=b"PK\x03\x04junk")
    file = _written(tmp_path / "all.zip", whole)
    found = opened(read_exports([file]))
    assert len(found.resources) == 3
    assert [(gap.scope, gap.code) for gap in found.gaps] == [(f"{file}/bad.xlsx", "BrokenFile")]
    assert {one.name for one in found.files} >= {f"{file}/a/x.csv", f"{file}/b.zip/deep.json"}
    cut = _written(tmp_path / "cut.zip", whole[:-30])
    assert [gap.code for gap in opened(read_exports([file, cut])).gaps] == ["BrokenFile", "BrokenFile"]


def test_folders_and_files_are_read_together_and_what_cannot_be_is_named(tmp_path: Path) -> None:
    _written(tmp_path / "in/deep/vm.json", json.dumps([{"id": VM_ID}]).encode())
    _written(tmp_path / "in/package.json", b'{"name": "x"}')
    _written(tmp_path / "in/readme.txt", b"hello, world\n")
    _written(tmp_path / "in/logo.png", b"\x89PNG")
    _written(tmp_path / "in/.git/x.json", b"{")
    _written(tmp_path / "in/main.bicep", b"resource x")
    _written(tmp_path / "in/old.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
    single = _written(tmp_path / "portal.csv", PORTAL.encode())
    found = opened(read_exports([tmp_path / "in", single, tmp_path / "in/deep/vm.json"]))
    assert len(found.resources) == 3
    assert sorted(gap.code for gap in found.gaps) == ["BicepSource", "OldWorkbook"]
    notes = {Path(one.name).name: one.notes for one in found.files}
    assert "not an inventory" in notes["package.json"][0]
    assert "not an inventory" in notes["readme.txt"][0]
    assert "1 .png" in notes["in"][0]
    assert sum(name == "vm.json" for name in notes) == 1
    with pytest.raises(FixTheInput, match=r"There is no .*nowhere"):
        list(read_exports([tmp_path / "nowhere"]))
    (tmp_path / "empty").mkdir()
    with pytest.raises(FixTheInput, match="There is no file to read"):
        list(read_exports([tmp_path / "empty"]))


def test_a_parameters_file_beside_a_template_is_read_before_it(tmp_path: Path) -> None:
    template = {"$schema": "x/deploymentTemplate.json#", "contentVersion": "1", "parameters": {"where": {}},
                "resources": [{"type": "A.b/c", "name": "n", "location": "[parameters('where')]"}]}  # fmt: skip
    given = {"$schema": "x/deploymentParameters.json#", "parameters": {"Where": {"value": "westus"}}}
    for folder, beside in (
        ("one", "main.parameters.json"),
        ("two", "parameters.json"),
        ("three", "main.parameters.prod.json"),
    ):
        name = "template.json" if folder == "two" else "main.json"
        _written(tmp_path / folder / name, json.dumps(template).encode())
        _written(tmp_path / folder / beside, json.dumps(given).encode())
    found = opened(read_exports([tmp_path]))
    assert [one.location for one in found.resources] == ["westus"] * 3
    assert found.gaps == ()
    alone = [_written(tmp_path / "x.json", json.dumps([{"id": VM_ID}]).encode()), tmp_path / "one/main.parameters.json"]
    assert [gap.code for gap in opened(read_exports(alone)).gaps] == ["ParametersFile"]


CELLS = st.text(alphabet="ab,;\"\n\r\t ='{}[]:|\x00ü", max_size=8) | st.sampled_from(
    [VM_ID, "Storage account", "A.b/c", "{", '{"a": 1}', "name", "type"]
)


@pytest.mark.slow
@settings(max_examples=300)
@given(st.lists(st.lists(CELLS, max_size=4), max_size=6), st.sampled_from([",", ";", "\t"]), st.booleans())
def test_any_table_is_resources_and_gaps_that_balance(rows: list[list[str]], delimiter: str, raw: bool) -> None:
    """Every row that is not blank and no heading is an entry, whatever its cells hold."""
    head = ["name", "type", "tags", "id"]
    if raw:
        text = "\n".join(delimiter.join(row) for row in [head, *rows])
        read(text + f"\nlast{delimiter}A.b/c{delimiter}{delimiter}/z\n")
        return
    found = read(as_csv([head, *rows, ["last", "A.b/c", "", "/z"]], delimiter, csv.QUOTE_ALL))
    full = [row for row in rows if any(cell.strip() for cell in row) and [c.strip() for c in row] != head]
    assert found.files[0].entries == len(full) + 1


@settings(max_examples=300)
@given(st.binary(max_size=80), st.sampled_from(["x.csv", "x.json", "x.txt", "x.xlsx", "x"]))
def test_any_bytes_are_no_traceback(content: bytes, name: str) -> None:
    good = of_bytes("good.json", json.dumps([{"id": VM_ID}]).encode())
    found = opened([good, of_bytes(name, content)])
    assert found.resources[0].id == VM_ID


def test_a_sheet_that_states_a_wrong_size_is_read_whole(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in [HEADINGS, *ROWS]:
        book.active.append(row)
    book.save(tmp_path / "right.xlsx")
    with zipfile.ZipFile(tmp_path / "right.xlsx") as right, zipfile.ZipFile(tmp_path / "wrong.xlsx", "w") as wrong:
        for name in right.namelist():
            content = right.read(name)
            if name.endswith("sheet1.xml"):
                content = content.replace(b'<dimension ref="A1:F3"', b'<dimension ref="A1:B2"')
                assert b"A1:B2" in content
            wrong.writestr(name, content)
    assert len(opened(read_exports([tmp_path / "wrong.xlsx"])).resources) == 2
