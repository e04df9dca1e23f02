"""The scan of a partner's integration: every example of the data, hosts, chains, logs, and what is never printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app
from mappings.partner_calls import Call
from mappings.partner_scan import Found, Sureness, scan_texts
from tasks.partner_files import load_partner_calls, read_files

CALLS = load_partner_calls()
GUID = "4d3cf487-70f4-4e1e-9ff1-b2bfce8d9f04"
USERS = f"/v1/customers/{GUID}/users"


def scan(*texts: str) -> list[Found]:
    return list(scan_texts({f"f{n}": text for n, text in enumerate(texts)}, CALLS))


def kinds(*texts: str) -> list[str]:
    return [found.call.id for found in scan(*texts)]


@pytest.mark.parametrize("call", CALLS.calls, ids=lambda call: call.id)
def test_every_example_of_the_data(call: Call) -> None:
    """One finding each, of the right kind; none where it is another API, even beside code for Partner Center."""
    for example in call.finds:
        assert kinds(example) == [call.id], example
    for example in call.leaves:
        assert kinds(example, "// partner center") == [], example


@pytest.mark.parametrize(
    "line",
    [
        "https://graph.microsoft.com/v1.0/users",
        "https://graph.microsoft.us/beta/contracts/1/users",
        f"https://api.example.org{USERS}",
        f"https://example.org/api/v2/customers/{GUID}/users",
        f"https://evil.org/?u=api.partnercenter.microsoft.com{USERS}",
        f"https://api.partnercenter.microsoft.com/v1/customers/{GUID}/subscriptions",
        f"https://api.partnercenter.microsoft.com/v1/customers/{GUID}/users-report",
        f'app.get("/api/v2/customers/{GUID}/users")',
    ],
)
def test_other_calls_are_left_alone(line: str) -> None:
    assert kinds(line, "partnercenter") == []


def test_a_path_without_host_needs_words_of_partner_center() -> None:
    """Mutation that must fail it: taking any /customers/{id}/users for Partner Center."""
    assert kinds(f'get("{USERS}")') == []
    assert [found.sureness for found in scan(f'get("{USERS}")', "Partner Center client")] == [Sureness.LIKELY]
    bare = f'get("/customers/{GUID}/users")'
    assert kinds(bare, "Partner Center client") == [], "without /v1 the same file must say it"
    assert kinds(bare + " // PartnerCenter") == ["customer-users"]


@pytest.mark.parametrize(
    "call",
    [
        '$"{baseUrl}/v1/customers/{customerId}/users"',
        "`${base}/v1/customers/${c.id}/users`",
        '"/v1/customers/" + c.Id + "/users"',
        "'v1/customers/' . $id . '/users'",
        '"/v1/customers/%s/users" % cid',
        r'"https:\/\/api.partnercenter.microsoft.com\/v1\/customers\/1\/users"',
        "/v1/customers/{customer-id}/users:",
        "/v1/customers/<customer-tenant-id>/users",
        "/v1/customers/{{ customer }}/users",
        "https://user:secret@api.partnercenter.microsoft.com:443/v1/customers/1/users",
    ],
)
def test_a_path_in_any_spelling(call: str) -> None:
    assert kinds(f"# partner center\n{call}") == ["customer-users"]


def test_a_chain_over_lines_is_one_finding_of_the_most_specific_kind() -> None:
    chain = ("var x = partnerOperations", ".Customers", ".ById(Pick(ids, 1))", '.Users.ById("u")', "?.LicenseUpdates")
    code = "\n  ".join((*chain, ".Create(y);"))
    found = scan(code)
    assert [(one.call.id, one.line) for one in found] == [("customer-licences", 2)]
    assert kinds("partnerOperations.getCustomers().byId(c).getSubscribedSkus().get();") == ["customer-licences"]
    assert kinds("partnerOperations.Customers.ById(c).Orders.Get();") == []


def test_the_method_and_the_whole_path_are_told_without_the_query() -> None:
    line = f"12:00 PATCH https://api.partnercenter.microsoft.com{USERS}/9?filter=x HTTP/1.1 200"
    (found,) = scan(f"first\n{line}\n")
    assert (found.text, found.place) == (f"PATCH https://api.partnercenter.microsoft.com{USERS}/9", "f0:2")
    assert scan(f'requests.delete("https://api.partnercenter.microsoft.com{USERS}")')[0].text.startswith("DELETE ")


def test_of_a_har_only_the_requests_count() -> None:
    """Mutation that must fail it: reading the archive as plain text (the answer's link would be a second finding)."""
    mine = {"method": "PATCH", "url": f"https://api.partnercenter.microsoft.com{USERS}/2?x=y"}
    graph = {"method": "GET", "url": "https://graph.microsoft.us/v1.0/users"}
    answer = {"content": {"text": f"https://api.partnercenter.microsoft.com{USERS}"}}
    har = {"log": {"version": "1.2", "entries": [{"request": graph, "response": answer}, {"request": mine}]}}
    (found,) = scan(json.dumps(har))
    assert (found.line, found.unit, found.text.split()[0]) == (2, "entry", "PATCH")
    assert kinds(json.dumps(har)[:-4]) == ["customer-users"], "an archive that was cut off is read as text"


SECRETS = {
    "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl": "GET https://api.partnercenter.microsoft.com/v1/customers/{s}/users",
    "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6": "GET https://api.partnercenter.microsoft.com/v1/customers/1/users/{s}",
    "hunter2hunter2": "GET https://api.partnercenter.microsoft.com/v1/customers/1/users?access_token={s}",
    "pa55word": "https://joe:{s}@api.partnercenter.microsoft.com/v1/customers/1/users",
    "jane.doe@agency.gov": "https://api.partnercenter.microsoft.com/v1/customers/1/users/{s}",
    "s3cr3tvalue": 'partnerOperations.Customers.ById(Find("client_secret={s}")).Users.Get()',
}


@pytest.mark.parametrize("secret", SECRETS)
def test_no_secret_of_a_log_is_told(secret: str) -> None:
    (found,) = scan(f"Authorization: Bearer {secret}\n" + SECRETS[secret].replace("{s}", secret))
    assert secret not in found.text


def test_what_is_not_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.dll").write_bytes(b"MZ\0\0" + USERS.encode())
    (tmp_path / "b.ps1").write_bytes("New-PartnerCustomerUser".encode("utf-16"))
    (tmp_path / "c.log").write_bytes(b"x" * 100)
    (tmp_path / "d.cs").write_bytes("// Prüfung PartnerCenter".encode("latin-1"))
    (tmp_path / "node_modules").mkdir()
    read = read_files([tmp_path], most_bytes=99)
    assert {Path(name).name for name in read.texts} == {"b.ps1", "d.cs"}
    assert {Path(one.path).name: one.text for one in read.skipped} == {
        "a.dll": False,
        "c.log": True,
        "node_modules": False,
    }
    assert len(scan_texts(read.texts, CALLS)) == 1


def test_exit_codes_of_the_command(tmp_path: Path) -> None:
    run = CliRunner().invoke
    clean, dirty, binary = tmp_path / "clean.cs", tmp_path / "dirty.cs", tmp_path / "x.bin"
    clean.write_text("graph.Users.Get();", encoding="utf-8")
    dirty.write_text("New-PartnerCustomerUser -CustomerId 1\n" * 30, encoding="utf-8")
    binary.write_bytes(b"\0\0")
    assert run(app, ["program", "scan-api", str(clean)]).exit_code == 0
    told = run(app, ["program", "scan-api", str(dirty)])
    assert told.exit_code == 3 and f"{dirty}:1:" in told.stdout and "10 more places" in told.stdout
    assert len(json.loads(run(app, ["program", "scan-api", str(tmp_path), "--json"]).stdout)["findings"]) == 30
    assert run(app, ["program", "scan-api", str(binary)]).exit_code == 2
    assert run(app, ["program", "scan-api", str(tmp_path / "none")]).exit_code == 2
