"""What every command shares: how it fails, what it prints of progress, and how settings are refused."""

from __future__ import annotations

import asyncio
import errno
import io
import json
import logging
from pathlib import Path

import pytest
import typer
from httpx import ConnectError
from prefect.settings.models.client import ClientSettings

from flows import console
from flows.cli import evidence_verify
from flows.console import command, run_flow
from flows.observe import (
    PREFECT_ENVIRONMENT,
    Outcome,
    amount,
    duration,
    first_of,
    line,
    reached,
    shown,
    shown_in_prefect,
)
from flows.wiring import Bench
from mappings.errors import (
    DoNotTrust,
    ExitCode,
    FixTheInput,
    GovliftError,
    GrantAccess,
    ObjectRefused,
    ResumeLater,
    RetryTheRest,
    SlowDown,
    TryLater,
    ends_command,
)
from mappings.estimate import Span
from mappings.live import Aside
from mappings.pacing import Allowed
from mappings.settings import Settings, parse_settings
from tasks.loglines import JsonLines
from tasks.progress import Progress, Snapshot

GOOD = """
name = "an-agency"
[source]
cloud = "AzureCloud"
tenant_id = "11111111-1111-4111-8111-111111111111"
subscriptions = ["22222222-2222-4222-8222-222222222222"]
[source.credential]
client_id = "app"
secret_env = "S"
[target]
cloud = "AzureUSGovernment"
tenant_id = "33333333-3333-4333-8333-333333333333"
subscription = "44444444-4444-4444-8444-444444444444"
[target.credential]
client_id = "app"
secret_env = "T"
"""


def parsed(text: str) -> Settings:
    return parse_settings(text, origin="migration.toml")


def test_good_settings_have_the_documented_defaults() -> None:
    settings = parsed(GOOD)
    assert settings.copy_.route == "auto" and settings.copy_.proof == "L2"
    assert settings.source.in_cloud.name == "AzureCloud"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('tenant_id = "1', 'tennant_id = "1', 'the key "source.tennant_id" is unknown; did you mean "tenant_id"'),
        ('subscription = "44444444-4444-4444-8444-444444444444"', "", 'the key "target.subscription" is missing'),
        ("AzureUSGovernment", "AzureCloud", "moves between two clouds"),
        ("33333333-3333-4333-8333-333333333333", "11111111-1111-4111-8111-111111111111", "are the same"),
        ('secret_env = "T"', "", "needs client_id and secret_env"),
        ('name = "an-agency"', 'name = "An Agency"', '"name" is no name of a migration'),
        ("11111111-1111-4111-8111-111111111111", "FILL-IN", '"source.tenant_id" is no id of the form 00000000'),
        ("[target]", "[[target]]", '"target"'),
        ("[source]", "[source", "not valid TOML"),
    ],
)
def test_wrong_settings_name_the_key_and_what_would_be_right(old: str, new: str, expected: str) -> None:
    assert old in GOOD
    with pytest.raises(FixTheInput) as wrong:
        parsed(GOOD.replace(old, new))
    assert expected in wrong.value.sentence
    assert wrong.value.sentence.startswith("migration.toml")


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (FixTheInput("a", next_step="b"), 2),
        (DoNotTrust("a", next_step="b"), 5),
        (ExceptionGroup("workers", [ValueError("x"), TryLater("a", next_step="b")]), 7),
        (KeyboardInterrupt(), 8),
        (asyncio.CancelledError(), 8),
        (ValueError("defect"), 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_every_way_to_fail_has_its_exit_code(
    wrong: BaseException, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    @command
    def body(json_: bool = False) -> None:
        raise wrong

    with pytest.raises(typer.Exit) as left:
        body(json_=True)
    told = capsys.readouterr()
    assert left.value.exit_code == code
    assert told.err.count("  next: ") == 1
    if code != ExitCode.UNEXPECTED:
        assert json.loads(told.out)["exit_code"] == code
        assert "Traceback" not in told.err


@pytest.mark.parametrize("code", [ExitCode.OK, ExitCode.PARTIAL_COPY])
def test_a_flow_that_ended_has_ended_although_prefect_could_not_be_told(
    code: ExitCode, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Mutations that must fail it: what Prefect's client raises deciding over what the flow came to; a server that is
    not there at the start taken for one that went away.
    """
    monkeypatch.setattr(console, "_untold", False)

    async def begin(outcome: Outcome | None) -> Outcome:
        if outcome is not None:
            reached(outcome)
        raise ConnectError("All connection attempts failed")

    ended = Outcome("run", code)
    assert run_flow(lambda: begin(ended)) is ended
    assert "does not know how this run ended" in capsys.readouterr().err
    with pytest.raises(ConnectError):
        run_flow(lambda: begin(None))


def test_prefect_gives_a_server_up_within_minutes() -> None:
    """Mutation that must fail it: twenty tries, each after twice the wait of the one before, which is weeks."""
    default = ClientSettings.model_fields["max_retries"].default
    tries = int(PREFECT_ENVIRONMENT.get("PREFECT_CLIENT_MAX_RETRIES", default))
    assert sum(2**number for number in range(1, tries + 1)) < 300


async def test_a_summary_that_prefect_cannot_take_is_a_warning_and_any_other_defect_is_not() -> None:
    async def publish(wrong: Exception) -> None:
        raise wrong

    await shown_in_prefect(publish(ConnectError("All connection attempts failed")))
    with pytest.raises(KeyError):
        await shown_in_prefect(publish(KeyError("rows")))


def test_the_first_of_our_errors_is_found_in_nested_groups() -> None:
    ours = ResumeLater("full", next_step="free space")
    assert first_of(ExceptionGroup("a", [ExceptionGroup("b", [OSError(errno.EIO, "x"), ours])])) is ours
    assert first_of(ValueError()) is None


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        (SlowDown("busy", status=503), TryLater),
        (ObjectRefused("no", status=403), GrantAccess),
        (ObjectRefused("bad name", status=400), RetryTheRest),
    ],
)
def test_an_error_about_one_request_ends_a_command_by_what_to_do(
    wrong: ObjectRefused, kind: type[GovliftError]
) -> None:
    assert type(ends_command(wrong)) is kind


def at(**parts: float) -> Snapshot:
    whole = {"objects": 0, "bytes": 0, "failed": 0, "throttled": 0, "total_objects": 0, "total_bytes": 0} | parts
    return Snapshot(**whole)  # type: ignore[arg-type]


def test_the_time_left_is_that_of_what_takes_longer_with_its_interval() -> None:
    """Mutation that must fail it: an interval that does not follow how much the pace varies, or none at all."""
    clock = [0.0]
    both = Progress(total_objects=1000, total_bytes=100_000, clock=lambda: clock[0])
    assert both.snapshot().left is None, "nothing has moved"
    for _ in range(12):
        clock[0] += 10
        both.add(objects=50, bytes=1000)
        left = both.snapshot().left
    # 12,000 of 100,000 bytes in 120 s; the objects alone would be done in 80.
    assert left is not None and left.p50 == pytest.approx(880) and left.p90 == pytest.approx(880 * 1.1)
    for number in range(24):
        clock[0] += 10
        both.add(objects=5, bytes=0 if number % 8 else 8000)
        wild = both.snapshot().left
    assert wild is not None and wild.p90 / wild.p50 > 1.2
    both.add(objects=1000, bytes=200_000)
    assert both.snapshot().left == Span(0.0, 0.0)
    assert Progress(clock=lambda: clock[0]).snapshot().left is None, "nobody has said how much there is"


def test_the_line_tells_counts_rates_time_and_trouble() -> None:
    seen = at(elapsed=10, objects=1000, total_objects=2000, bytes=1 << 20, failed=2, throttled=3, left=Span(10, 16))
    told = line("copy", seen)
    for part in (
        "1,000/2,000 objects",
        "1.0 MiB",
        "100/s",
        "102.4 KiB/s",
        "10 s to 16 s left (P50 to P90)",
        "2 failed",
        "3 throttled",
    ):
        assert part in told
    aside = Aside({"dst": 64}, {"dst": 3}, ("Throttled for too long", 2), Allowed())
    told = line("copy", seen, aside)
    for part in ("in flight dst 64", "2 failed (most: Throttled for too long: 2)", "3 throttled (dst 3)"):
        assert part in told
    paused = line("copy", seen, Aside(allowed=Allowed(paused=True, note="pausing until 20:00")))
    assert "pausing until 20:00" in paused and "left" not in paused
    assert "left" not in line("copy", at(elapsed=10, objects=5, total_objects=5, left=Span(0, 0)))


async def test_a_progress_line_for_programs_has_the_interval_and_what_the_ledger_tells() -> None:
    """Mutation that must fail it: a line without the interval, or a ledger that is busy ending the stage."""
    progress = Progress(total_objects=10)
    asides = iter([Aside({"dst": 8}, {"dst": 1}, ("Gone", 1))])

    def look() -> Aside:
        try:
            return next(asides)
        except StopIteration:
            raise TryLater("The ledger is busy.", next_step="Wait.") from None

    govlift, stream = logging.getLogger("govlift"), io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    before, level = govlift.handlers[:], govlift.level
    govlift.handlers[:] = [handler]
    govlift.setLevel(logging.INFO)
    try:
        for _ in range(2):
            async with shown("copy", progress, look):
                progress.add(objects=4, failed=1)
    finally:
        govlift.handlers[:] = before
        govlift.setLevel(level)
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first["event"] == "progress" and first["eta"]["p50_seconds"] <= first["eta"]["p90_seconds"]
    assert (first["in_flight"], first["throttled_by"], first["top_cause"]) == ({"dst": 8}, {"dst": 1}, "Gone")
    assert (second["counts"]["objects"], second["top_cause"]) == (8, None)


def test_amounts_and_durations_read_well() -> None:
    assert [amount(n) for n in (0, 1023, 1536, 5 << 40)] == ["0 B", "1023 B", "1.5 KiB", "5.0 TiB"]
    assert [duration(n) for n in (3, 75, 3700)] == ["3 s", "1 min 15 s", "1 h 01 min"]


def test_progress_adds_up() -> None:
    progress = Progress(total_objects=10)
    progress.add(objects=1, bytes=5)
    progress.add(objects=2, failed=1, throttled=4)
    seen = progress.snapshot()
    assert (seen.objects, seen.bytes, seen.failed, seen.throttled, seen.total_objects) == (3, 5, 1, 4, 10)


def test_evidence_verify_prints_the_head_that_guarantees_md_tells_to_keep(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Mutation that must fail it: leaving the head out, or printing one that is not the ledger's."""
    config = tmp_path / "migration.toml"
    config.write_text(GOOD, encoding="utf-8")
    evidence_verify(config=config)
    assert f"head of the chain: {Bench(config).ledger.reader.head().hash}" in capsys.readouterr().out
