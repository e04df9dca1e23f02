"""Identity, assessments, plans and steps in the ledger; the event chain; what readers and broken files get."""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import insert
from sqlalchemy.exc import DBAPIError, IntegrityError

from mappings.errors import AskForApproval, DoNotTrust, ExitCode, FixTheInput, ResumeLater
from mappings.model import Gap, Resource
from mappings.plan import LeftOut
from mappings.planning import make_plan
from mappings.runs import RunKind, WorkerRecord
from mappings.states import StepState, VerdictKind
from tasks.ledger import IllegalMove, Ledger, LedgerReader, ledger_url, open_ledger, schema
from tasks.spool import Spool
from tests.ledger.build import (
    NOW,
    SUB,
    account,
    assessment,
    classic,
    later,
    settings,
    shard,
    survey,
    verdict,
)

OTHER = "99999999-9999-9999-9999-999999999999"


def edit(ledger: Ledger, statement: str, *values: object) -> None:
    """Change the tables as somebody with the shell of the database would."""
    with ledger.writer._engine.begin() as raw:
        if raw.dialect.name == "sqlite":
            raw.exec_driver_sql("DROP TRIGGER IF EXISTS event_no_update")
            raw.exec_driver_sql("DROP TRIGGER IF EXISTS event_no_delete")
        else:
            raw.exec_driver_sql("DROP TRIGGER IF EXISTS event_only_append ON event")
            statement = statement.replace("?", "%s")
        raw.exec_driver_sql(statement, values)


class TestIdentity:
    def test_the_same_migration_goes_on(self, ledger: Ledger) -> None:
        ledger.writer.claim_identity(settings(), now=NOW)
        ledger.writer.claim_identity(settings(), now=later(1))
        assert [event.kind for event in ledger.reader.events()] == ["identity.claimed"]
        identity = ledger.reader.identity()
        assert identity is not None
        assert identity["source_cloud"] == "AzureCloud"

    @pytest.mark.parametrize(
        "key", ["target.subscription", "target.tenant_id", "source.tenant_id", "source.subscriptions", "name"]
    )
    def test_another_migration_is_refused_and_named(self, ledger: Ledger, key: str) -> None:
        """Breaks when a key is left out of the identity."""
        ledger.writer.claim_identity(settings(), now=NOW)
        value: Any = {"name": "other-county", "source.subscriptions": [OTHER]}.get(key, OTHER)
        with pytest.raises(AskForApproval) as refused:
            ledger.writer.claim_identity(settings(**{key: value}), now=NOW)
        assert refused.value.exit_code == ExitCode.REFUSED
        assert key in refused.value.sentence
        assert (value if isinstance(value, str) else value[0]) in refused.value.sentence
        assert "new folder" in refused.value.next_step

    def test_another_management_group_is_another_migration(self, ledger: Ledger) -> None:
        below = {"source.subscriptions": [], "source.management_group": "county"}
        ledger.writer.claim_identity(settings(**below), now=NOW)
        ledger.writer.claim_identity(settings(**below | {"source.management_group": "County"}), now=NOW)
        with pytest.raises(AskForApproval, match=r"source\.management_group was county, is state"):
            ledger.writer.claim_identity(settings(**below | {"source.management_group": "state"}), now=NOW)
        with pytest.raises(AskForApproval, match=r"source\.management_group was county, is empty"):
            ledger.writer.claim_identity(settings(), now=NOW)

    def test_harmless_settings_may_change_and_are_recorded(self, ledger: Ledger) -> None:
        ledger.writer.claim_identity(settings(), now=NOW)
        ledger.writer.claim_identity(settings(**{"copy.concurrency": 3}), now=NOW)
        assert [event.kind for event in ledger.reader.events()][1] == "identity.settings-changed"

    def test_a_password_in_the_ledger_url_is_nowhere_in_the_ledger(self, ledger: Ledger) -> None:
        changed = settings(**{"ledger.url": "postgresql://me:hunter2@host/db"})
        ledger.writer.claim_identity(settings(), now=NOW)
        ledger.writer.claim_identity(changed, now=NOW)
        assert len(list(ledger.reader.events())) == 1, "not even its hash"

    def test_the_migration_is_one_row(self, ledger: Ledger) -> None:
        ledger.writer.claim_identity(settings(), now=NOW)
        row = {"one": 2, "identity": "{}", "settings_hash": "", "claimed": NOW}
        with pytest.raises(DBAPIError), ledger.writer._change() as connection:
            connection.execute(insert(schema.migration).values(row))


class TestAssessments:
    def test_it_comes_back_exactly(self, ledger: Ledger) -> None:
        odd = account("odd", properties={"deep": [{"a": None, "ü": 1.5}, "x"]}, tags={"none": None}, zones=("1", "2"))
        old = classic("oldstore")
        judged = [(odd, verdict(odd)), (old, verdict(old, VerdictKind.REPLACE, target="Microsoft.Storage/x"))]
        saved = assessment(judged, [survey("odd", "docs")], (Gap("/s", "resources", "denied", "Auth", "ask"),))
        run_id = ledger.writer.begin_run(RunKind.ASSESS, now=NOW)
        ledger.writer.save_assessment(run_id, saved)
        assert ledger.reader.assessment() == saved
        assert ledger.reader.assessment(run_id) == saved
        assert [ref.run_id for ref in ledger.reader.assessments()] == [run_id]
        assert ledger.reader.assessment("no such run") is None

    @pytest.mark.slow
    def test_more_than_one_batch_keeps_its_order(self, ledger: Ledger) -> None:
        many = [account(f"a{number:05d}", properties={}) for number in range(5003)]
        saved = assessment([(resource, verdict(resource)) for resource in many])
        ledger.writer.save_assessment(ledger.writer.begin_run(RunKind.ASSESS, now=NOW), saved)
        assert ledger.reader.assessment() == saved

    def test_the_one_before_is_of_the_same_scope(self, ledger: Ledger) -> None:
        """Breaks when another scope's assessment is what changes are told from, or one that came after."""
        store = account("hollisdata")
        first = assessment([(store, verdict(store))])
        other = replace(first, inventory=replace(first.inventory, scope="another subscription"))
        newest = replace(first, verdicts=(verdict(store, VerdictKind.BLOCKED),))
        runs = []
        for minute, one in enumerate((first, other, newest)):
            runs.append(ledger.writer.begin_run(RunKind.ASSESS, now=later(minute * 60)))
            ledger.writer.save_assessment(runs[-1], one)
        assert ledger.reader.assessment_before() == ledger.reader.assessment_before(runs[2]) == first
        assert ledger.reader.assessment_before(runs[0]) is ledger.reader.assessment_before(runs[1]) is None
        assert ledger.reader.assessment_before("no such run") is None

    @pytest.mark.parametrize("version", [1, 2])
    def test_a_ledger_of_an_older_schema_gets_the_tables_it_lacks(self, url: str, version: int) -> None:
        store = account("hollisdata")
        plain = assessment([(store, verdict(store))])
        saved = replace(plain, inventory=replace(plain.inventory, governance=(replace(store, type="Lock"),)))
        with open_ledger(url) as old:
            for table in ("governance", "worker")[version - 1 :]:
                edit(old, f"DROP TABLE {table}")
            edit(old, "DROP INDEX event_by_kind")
            edit(old, f"UPDATE ledger SET schema_version = {version}")
        with open_ledger(url) as opened:
            opened.writer.worker_seen(WorkerRecord("r", "here:1:0", "here", 1, NOW, NOW))
            assert [one.owner for one in opened.reader.workers("r")] == ["here:1:0"]
            opened.writer.save_assessment(opened.writer.begin_run(RunKind.ASSESS, now=NOW), saved)
            assert opened.reader.assessment() == saved

    def test_an_inventory_that_lies_on_disk_is_stored_as_it_is(self, ledger: Ledger, tmp_path: Path) -> None:
        many = [account(f"a{number:05d}", properties={"ü": [number, None]}) for number in range(2503)]
        spool = Spool(tmp_path / "spool.db", "all", now=NOW)
        spool.begin([SUB])
        spool.keep_page(0, [(0, one) for one in reversed(many)], token="", seen=len(many), done=True)
        spool.keep(0, [("governance", one.id, one) for one in many[:2]])
        plain = assessment([(one, verdict(one)) for one in many])
        on_disk = replace(plain.inventory, resources=spool.resources(), governance=spool.items("governance", Resource))
        saved = replace(plain, inventory=on_disk)
        ledger.writer.save_assessment(ledger.writer.begin_run(RunKind.ASSESS, now=NOW), saved)
        found = ledger.reader.assessment()
        assert found == saved
        assert found is not None
        assert found.inventory.resources == tuple(many)
        assert (spool.resources()[-1], list(spool.resources()[5:7])) == (many[-1], many[5:7])
        spool.discard()

    def test_without_one_there_is_none(self, ledger: Ledger) -> None:
        assert ledger.reader.assessment() is None


def a_plan() -> Any:
    data = account("hollisdata")
    return make_plan(
        assessment([(data, verdict(data))], [survey("hollisdata", "docs")]),
        settings(),
        {"hollisdata": "hollisdatagov"},
        now=NOW,
    )


class TestPlans:
    def test_it_comes_back_exactly_by_prefix(self, ledger: Ledger) -> None:
        plan = a_plan()
        ledger.writer.save_plan(plan)
        assert ledger.reader.plan(plan.id[:4].upper()) == plan
        assert ledger.reader.latest_plan() == plan
        assert set(ledger.reader.steps(plan.id).values()) == {StepState.PENDING}
        for unknown in ("", "zz", "%"):
            with pytest.raises(FixTheInput):
                ledger.reader.plan(unknown)

    @pytest.mark.parametrize(
        ("old", "new"), [("hollisdatagov", "attackerstore"), ("TLS1_2", "TLS1_0"), ('"id"', '"ix"')]
    )
    def test_a_tampered_plan_is_refused(self, ledger: Ledger, old: str, new: str) -> None:
        """Breaks when loading trusts the stored hash instead of hashing again."""
        plan = a_plan()
        ledger.writer.save_plan(plan)
        edit(ledger, "UPDATE plan SET body = replace(body, ?, ?)", old, new)
        with pytest.raises(DoNotTrust):
            ledger.reader.plan(plan.id)

    def test_steps_move_by_the_table_only(self, ledger: Ledger) -> None:
        plan = a_plan()
        ledger.writer.save_plan(plan)
        step = next(iter(ledger.reader.steps(plan.id)))
        with pytest.raises(IllegalMove):
            ledger.writer.move_step(plan.id, step, StepState.DONE, now=NOW)
        ledger.writer.move_step(plan.id, step, StepState.RUNNING, now=NOW)
        ledger.writer.move_step(plan.id, step, StepState.DONE, detail="created", now=NOW)
        ledger.writer.save_plan(plan)
        assert ledger.reader.steps(plan.id)[step] is StepState.DONE, "saving again keeps the states"
        with pytest.raises(KeyError):
            ledger.writer.move_step(plan.id, "no such step", StepState.RUNNING, now=NOW)

    def test_an_unknown_state_cannot_be_stored(self, ledger: Ledger) -> None:
        ledger.writer.save_plan(a_plan())
        with pytest.raises(IntegrityError):
            edit(ledger, "UPDATE step SET state = 'finished'")


class TestChain:
    def filled(self, ledger: Ledger, events: int) -> None:
        for number in range(events):
            ledger.writer.record("note.made", {"number": number, "half": 1.5, "at": NOW}, now=later(number))

    def test_whole(self, ledger: Ledger) -> None:
        assert ledger.reader.check_chain() == []
        self.filled(ledger, 3)
        assert ledger.reader.check_chain() == []
        assert ledger.reader.head().events == 3

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE event SET detail = replace(detail, '1.5', '2.5') WHERE number = 2",
            "UPDATE event SET kind = 'x' WHERE number = 2",
            "UPDATE event SET at = '2026-11-22T14:00:09.000000Z' WHERE number = 2",
            "DELETE FROM event WHERE number = 1",
            "DELETE FROM event WHERE number = 2",
            "DELETE FROM event WHERE number = 3",
            "DELETE FROM event",
            "UPDATE event SET number = CASE number WHEN 1 THEN -1 ELSE number END",
            "INSERT INTO event SELECT 4, at, kind, detail, hash, hash FROM event WHERE number = 3",
        ],
    )
    def test_every_mutation_is_found(self, ledger: Ledger, statement: str) -> None:
        self.filled(ledger, 3)
        edit(ledger, statement)
        assert ledger.reader.check_chain() != []

    def test_reordering_is_found(self, ledger: Ledger) -> None:
        self.filled(ledger, 3)
        for old, new in ((1, 9), (2, 1), (9, 2)):
            edit(ledger, "UPDATE event SET number = ? WHERE number = ?", new, old)
        assert ledger.reader.check_chain() != []

    def test_our_own_code_cannot_change_events(self, ledger: Ledger) -> None:
        self.filled(ledger, 1)
        for statement in ("UPDATE event SET kind = 'x'", "DELETE FROM event"):
            with pytest.raises(DBAPIError), ledger.writer._change() as connection:
                connection.exec_driver_sql(statement)

    def test_events_are_read_in_pages(self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tasks.ledger.reader._PAGE", 2)
        self.filled(ledger, 4)
        assert [event.number for event in ledger.reader.events("note.made")] == [1, 2, 3, 4]
        assert ledger.reader.check_chain() == []

    def test_what_fails_leaves_no_event(self, ledger: Ledger) -> None:
        ledger.writer.save_plan(a_plan())
        before = ledger.reader.head()
        with pytest.raises(IllegalMove):
            ledger.writer.move_step(a_plan().id, "container/hollisdatagov/docs", StepState.DONE, now=NOW)
        assert ledger.reader.head() == before

    @hypothesis_settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        detail=st.dictionaries(
            st.text(),
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        )
    )
    def test_any_detail_keeps_the_chain_whole(self, ledger: Ledger, detail: dict[str, Any]) -> None:
        ledger.writer.record("note.made", detail, now=NOW)
        assert ledger.reader.check_chain() == []


class TestReaders:
    def test_a_reader_has_nothing_that_writes(self, ledger: Ledger) -> None:
        """Breaks when the reader's connections lose `query_only`."""
        with pytest.raises(FixTheInput), ledger.reader._engine.connect() as connection:
            from tasks.ledger.failures import translated

            with translated("x"):
                connection.execute(insert(schema.gap).values(run_id="r", position=0, body="{}"))
        from tasks.ledger.writer import LedgerWriter

        writes = {name for name in dir(LedgerWriter) if not name.startswith("_")}
        assert not writes & set(dir(LedgerReader))

    def test_readers_do_not_wait_for_a_writer(self, ledger: Ledger) -> None:
        run_id = ledger.writer.begin_run(RunKind.ASSESS, now=NOW)
        with ledger.writer._change():
            assert ledger.reader.run(run_id).id == run_id

    def test_an_unknown_run_is_said(self, ledger: Ledger) -> None:
        with pytest.raises(FixTheInput, match="no run"):
            ledger.reader.run("nothing")

    def test_runs_and_their_kinds(self, ledger: Ledger) -> None:
        first = ledger.writer.begin_run(RunKind.ASSESS, now=NOW)
        second = ledger.writer.begin_run(RunKind.MIGRATE, plan_id="abc", now=NOW)
        assert [run.id for run in ledger.reader.runs()] == [first, second]
        assert [run.id for run in ledger.reader.runs(RunKind.MIGRATE)] == [second]
        assert ledger.reader.run(second).started == NOW

    def test_the_newest_manifest_of_a_range_counts(self, ledger: Ledger) -> None:
        def ran(kind: RunKind, *shards: Any) -> str:
            run_id = ledger.writer.begin_run(kind, plan_id="p", now=NOW)
            ledger.writer.open_shards(run_id, shards)
            for claim in ledger.writer.claim(run_id, owner="h:1:a", most=9, lease_seconds=9, now=NOW):
                name = f"{kind.value}-{claim.shard.number}"
                ledger.writer.finish(claim, tally=WHOLE, manifest=name, manifest_hash="0", now=NOW)
            return run_id

        from tests.ledger.build import WHOLE

        ran(RunKind.MIGRATE, shard(0, end="m"), shard(1, begin="m"))
        ran(RunKind.RESYNC, shard(0, end="f"))
        ran(RunKind.VERIFY, shard(0))
        assert ledger.reader.last_manifest(shard(0).id) == "resync-0"
        assert ledger.reader.last_manifest(shard(1).id) == "migrate-1"
        parts = ledger.reader.previous_manifests(shard(7, begin="b"))
        assert [(part.begin, part.end, part.covered_by) for part in parts] == [
            ("b", "f", "resync-0"),
            ("f", "m", "migrate-0"),
            ("m", None, "migrate-1"),
        ]
        assert ledger.reader.previous_manifests(shard(0, container="other")) == []


class TestFiles:
    def test_opened_again_it_is_the_same(self, url: str) -> None:
        with open_ledger(url) as ledger:
            run_id = ledger.writer.begin_run(RunKind.ASSESS, now=NOW)
        with open_ledger(url, create=False) as ledger:
            assert ledger.reader.run(run_id).id == run_id

    def test_only_its_owner_may_read_it(self, file_ledger: Ledger) -> None:
        assert stat.S_IMODE(Path(file_ledger.place).stat().st_mode) == 0o600

    @pytest.mark.parametrize(
        ("spoil", "error"),
        [
            (lambda path: path.write_bytes(b"no database" * 1000), FixTheInput),
            (lambda path: path.mkdir(), FixTheInput),
        ],
    )
    def test_a_broken_file_is_said(
        self, tmp_path: Path, spoil: Callable[[Path], None], error: type[FixTheInput]
    ) -> None:
        spoil(tmp_path / "ledger.db")
        with pytest.raises(error) as told:
            open_ledger(ledger_url(tmp_path))
        assert told.value.exit_code == ExitCode.USAGE

    def test_a_missing_folder_or_ledger_is_said(self, tmp_path: Path) -> None:
        with pytest.raises(FixTheInput, match="cannot be made"):
            open_ledger(ledger_url(tmp_path / "none"))
        with pytest.raises(FixTheInput, match="There is no ledger"):
            open_ledger(ledger_url(tmp_path), create=False)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("url", ["nonsense", "sqlite://", "sqlite:///:memory:", "nodb://me:hunter2@host/x"])
    def test_a_wrong_url_is_said_without_its_password(self, url: str) -> None:
        with pytest.raises(FixTheInput) as told:
            open_ledger(url)
        assert "hunter2" not in told.value.sentence + told.value.next_step

    def test_another_version_is_said(self, ledger: Ledger, url: str) -> None:
        edit(ledger, "UPDATE ledger SET schema_version = 99")
        with pytest.raises(FixTheInput, match="99"):
            open_ledger(url)

    def test_a_reader_cannot_write(self, ledger: Ledger) -> None:
        """Breaks when readers get the engine that writes."""
        with pytest.raises(DBAPIError), ledger.reader._engine.begin() as connection:
            connection.execute(insert(schema.migration).values(one=1, identity="{}", settings_hash="", claimed=NOW))

    def test_a_full_disk_is_resumable(self, file_ledger: Ledger) -> None:
        with file_ledger.writer._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 1")
        with pytest.raises(ResumeLater) as told:
            for _ in range(200):
                file_ledger.writer.record("note.made", {"text": "x" * 4000}, now=NOW)
        assert told.value.exit_code == ExitCode.RESUMABLE
        assert file_ledger.reader.check_chain() == [], "what was refused left nothing behind"

    def test_a_locked_ledger_is_resumable(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("tasks.ledger.store._BUSY_SECONDS", 0.05)
        url = ledger_url(tmp_path)
        with open_ledger(url) as one, open_ledger(url) as other, one.writer._change():
            with pytest.raises(ResumeLater, match="locked"):
                other.writer.record("x", {}, now=NOW)
            assert other.reader.runs() == []

    @pytest.mark.slow
    def test_processes_may_open_a_new_ledger_at_once(self, url: str) -> None:
        code = f"from tasks.ledger import open_ledger; open_ledger({url!r}).close()"
        root = Path(__file__).resolve().parents[2]
        children = [
            subprocess.Popen([sys.executable, "-c", code], cwd=root, stderr=subprocess.PIPE, text=True)
            for _ in range(4)
        ]
        told = [child.communicate(timeout=60)[1] for child in children]
        assert [child.returncode for child in children] == [0] * 4, told

    def test_naive_times_are_refused(self, ledger: Ledger) -> None:
        with pytest.raises(ValueError, match="time zone"):
            ledger.writer.record("x", {}, now=datetime(2026, 1, 1))  # noqa: DTZ001

    def test_importing_the_ledger_loads_no_database_library(self) -> None:
        code = "import sys, tasks.ledger, tasks.manifests; print({'sqlalchemy', 'pyarrow'} & set(sys.modules))"
        root = Path(__file__).resolve().parents[2]
        done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "set()"


def test_left_out_is_hashable() -> None:
    assert len({LeftOut("a", "b", "c"), LeftOut("a", "b", "c")}) == 1
