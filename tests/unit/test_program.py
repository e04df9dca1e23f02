"""The CSP program: every rule of the sources is there, the sheet is believed only with evidence, and who may begin."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from hashlib import sha256

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from flows.demo_program import sample_sheet
from mappings.errors import FixTheInput
from mappings.program import Customer, Data, Entry, Override, Partner, ProgramSheet, Services, Status, parse_program
from mappings.program_check import Admission, GateState, ProgramStanding, admit, check_program, cutover_gate
from mappings.program_rules import Phase, Regime, Role, Segment, parse_program_rules
from mappings.program_text import render_sheet
from tasks.program import load_program_rules

RULES = load_program_rules()
TODAY = date(2026, 11, 22)
DONE = Entry(status=Status.DONE, owner="Ann Lee", date=date(2026, 11, 1), evidence="contract 47QTCA-1")
BY_NAME = Override(gate="exhibit-a", by="Ann Lee", reason="Signed copy is in the post.", date=date(2026, 11, 20))


def sheet(regimes: tuple[Regime, ...] = (Regime.NONE,), **changed: Entry) -> ProgramSheet:
    """A sheet on which everything is done, but for `changed` (dashes written as underscores)."""
    every = {gate.id: DONE for gate in RULES.gates}
    return ProgramSheet(
        customer=Customer(segment=Segment.STATE),
        partner=Partner(name="P", role=Role.DIRECT),
        data=Data(regimes=regimes),
        services=Services(seat_based=("Office 365",)),
        gate=every | {name.replace("_", "-"): entry for name, entry in changed.items()},
    )


def judged(value: ProgramSheet | None, phase: Phase = Phase.BEFORE_CUTOVER) -> ProgramStanding:
    return check_program(value, RULES, today=TODAY, phase=phase)


def state(value: ProgramSheet | None, gate: str) -> tuple[GateState, str]:
    found = next(one for one in judged(value).gates if one.rule.id == gate)
    return found.state, found.why


def test_every_statement_of_the_sources_is_a_gate_or_a_notice() -> None:
    """Fails when one of the 57 statements is dropped, shortened or reworded. The digest is that of the sorted list."""
    of_gates = [statement for gate in RULES.gates for statement in gate.says]
    says = of_gates + [statement for notice in RULES.notices for statement in notice.says]
    sentences = sorted({statement.rule for statement in says})
    assert len(sentences) == 57
    digest = "74133a5bdffde7e7e8beacc236b8c29f15b7d1f3fd51e75a76b4fddf5f1158e3"
    assert sha256("\n".join(sentences).encode()).hexdigest() == digest
    assert all(source.where and source.title for statement in says for source in statement.sources)
    undated = {source.title for statement in says for source in statement.sources if source.dated is None}
    assert len(undated) == 3, "only the three public copies without a date have none"


def test_what_contradicts_itself_is_shown_side_by_side() -> None:
    seat = next(notice for notice in RULES.notices if notice.id == "seat-based")
    assert seat.conflict
    assert {source.dated.year for said in seat.says for source in said.sources if source.dated} == {2018, 2021, 2023}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('id = "exhibit-a"', 'id = "itar"', "twice"),
        ("statements = 57", "statements = 58", "57 different statements"),
        ('source = "csp-faq-2018"', 'source = "csp-faq-2081"', "csp-faq-2081"),
        ("final = true", "finall = true", "finall"),
    ],
)
def test_wrong_rules_are_refused(old: str, new: str, told: str) -> None:
    from importlib.resources import files

    text = (files("mappings") / "csp" / "program.toml").read_text("utf-8")
    assert old in text
    with pytest.raises(FixTheInput, match=told):
        parse_program_rules(text.replace(old, new, 1), origin="x")


def test_an_empty_sheet_asks_for_everything_and_reads_back() -> None:
    empty = parse_program(render_sheet(RULES), origin="program.toml", rules=RULES)
    assert empty.model_copy(update={"origin": "", "digest": ""}).customer == Customer()
    asked = {gate.rule.id for gate in judged(empty).hindering}
    # Nothing is known of the role and the regimes, so the gates that depend on them are asked too.
    assert asked == {gate.id for gate in RULES.gates} - {"seat-based-confirmed"}
    for gate in RULES.gates:
        assert f"[gate.{gate.id}]" in render_sheet(RULES)


words = st.text(st.characters(codec="utf-8"), max_size=30)
days = st.none() | st.dates(date(2000, 1, 1), date(2100, 1, 1))


@pytest.mark.slow
@for_all(
    st.dictionaries(
        st.sampled_from([gate.id for gate in RULES.gates]),
        st.builds(Entry, status=st.sampled_from(Status), owner=words, date=days, due=days, evidence=words, note=words),
    ),
    words,
)
def test_what_is_written_is_read_back(entries: dict[str, Entry], name: str) -> None:
    """Fails when a quote, line end or control character of a person's text breaks the file."""
    value = ProgramSheet(partner=Partner(name=name, role=Role.DISTRIBUTOR), gate=entries, override=(BY_NAME,))
    back = parse_program(render_sheet(RULES, value, preface="SAMPLE"), origin="o", rules=RULES)
    assert back.partner == value.partner and back.override == value.override
    assert all(back.entry(gate.id) == value.entry(gate.id) for gate in RULES.gates)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x = [", "program.toml: not valid TOML"),
        ('[customer]\nsegment = "country"', 'program.toml, line 2: "customer.segment" is "country"; it must be one of'),
        (
            '[gate.itar]\nstatus = "open"\n[gate.exibit-a]\nstatus = "done"',
            'line 3: there is no gate "exibit-a"; did you',
        ),
        (
            '[gate.exhibit-a]\n# x\nowmer = "A"',
            'line 3: the key "gate.exhibit-a.owmer" is unknown; did you mean "owner"',
        ),
        ('[gate.exhibit-a]\ndate = "2026-02-30"', 'line 2: "gate.exhibit-a.date": "2026-02-30" is not a date'),
        ("[gate.exhibit-a]\ndate = 2026-02-03T10:00:00", "without a time"),
        ('[data]\nregimes = ["none", "cjis"]', "one or the other"),
        ('[data]\nregimes = ["cijs"]', 'did you mean "cjis"'),
        ('[[override]]\ngate = "exhibit-a"\nby = "TBD"\nreason = "r"\ndate = 2026-01-01', "must name a person in full"),
        ('[[override]]\ngate = "exhibit-a"\nby = "Ann Lee"\nreason = " "\ndate = 2026-01-01', "has no reason"),
        ('[[override]]\ngate = "exhibit-a"\nby = "Ann Lee"\nreason = "r"', '"override.0.date" is missing'),
        (
            '[[override]]\ngate = "exhibit"\nby = "Ann Lee"\nreason = "r"\ndate = 2026-01-01',
            "line 2: the override names",
        ),
        ('digest = "abc"', 'line 1: the key "digest" is unknown'),
    ],
)
def test_a_wrong_sheet_is_refused_with_its_line(text: str, told: str) -> None:
    with pytest.raises(FixTheInput) as wrong:
        parse_program(text, origin="program.toml", rules=RULES)
    assert told in wrong.value.sentence


def test_a_gate_overridden_twice_is_refused_at_the_second() -> None:
    one = '[[override]]\ngate = "exhibit-a"\nby = "Ann Lee"\nreason = "r"\ndate = 2026-01-01\n'
    with pytest.raises(FixTheInput, match="line 8: the gate"):
        parse_program(one + "\n" + one, origin="p", rules=RULES)


@pytest.mark.parametrize(
    ("entry", "found", "told"),
    [
        (DONE, GateState.GREEN, ""),
        (DONE.model_copy(update={"owner": " TBD "}), GateState.OPEN, "owner is missing"),
        (DONE.model_copy(update={"date": None, "evidence": "n/a"}), GateState.OPEN, "date and evidence are missing"),
        (DONE.model_copy(update={"date": TODAY}), GateState.GREEN, ""),
        (DONE.model_copy(update={"date": TODAY + timedelta(days=1)}), GateState.OPEN, "after today"),
        (DONE.model_copy(update={"date": TODAY - timedelta(days=365)}), GateState.GREEN, ""),
        (DONE.model_copy(update={"date": TODAY - timedelta(days=366)}), GateState.OVERDUE, "366 days old"),
        (Entry(due=TODAY), GateState.OPEN, "Which proof"),
        (Entry(due=TODAY - timedelta(days=1)), GateState.OVERDUE, "was due on 2026-11-21"),
        (Entry(status=Status.NOT_APPLICABLE, note="we think so"), GateState.OPEN, "this gate applies"),
    ],
)
def test_a_gate_is_green_only_with_owner_date_and_evidence(entry: Entry, found: GateState, told: str) -> None:
    got, why = state(sheet(eligibility_proof=entry), "eligibility-proof")
    assert got is found and told in why


def test_done_without_the_answer_itself_is_not_done() -> None:
    """A gate that asks for a field of the sheet needs the field, whatever its evidence says."""
    silent = sheet().model_copy(update={"customer": Customer()})
    assert state(silent, "customer-segment") == (
        GateState.OPEN,
        "The sheet says done, and customer.segment is missing.",
    )


def test_who_is_asked_follows_role_regimes_and_services() -> None:
    direct = sheet()
    distributor = direct.model_copy(update={"partner": Partner(role=Role.DISTRIBUTOR)})
    unknown = direct.model_copy(update={"partner": Partner()})
    assert [state(direct, gate)[0].value for gate in ("mcra-addendum", "mcda-addendum")] == ["green", "not-applicable"]
    assert [state(distributor, g)[0].value for g in ("mcra-addendum", "mcda-addendum")] == ["not-applicable", "green"]
    assert state(unknown, "mcda-addendum") == (GateState.OPEN, "partner.role is not filled in.")
    assert state(sheet((Regime.CUI,)), "cjis-agreement")[0] is GateState.NOT_APPLICABLE
    assert state(sheet((Regime.CJIS,), cjis_agreement=Entry()), "cjis-agreement")[0] is GateState.OPEN
    without = direct.model_copy(update={"services": Services()})
    assert state(without, "seat-based-confirmed")[0] is GateState.NOT_APPLICABLE


def test_itar_is_blocked_whatever_the_sheet_says() -> None:
    """Mutation that must fail it: judging evidence or overrides before `final`."""
    by_name = BY_NAME.model_copy(update={"gate": "itar"})
    for gate in (DONE, Entry(), Entry(status=Status.NOT_APPLICABLE, note="x")):
        declared = sheet((Regime.CUI, Regime.ITAR), itar=gate).model_copy(update={"override": (by_name,)})
        standing = judged(declared, Phase.BEFORE_TARGET_WORK)
        assert [one.rule.id for one in standing.blocked] == ["itar"]
        for approved in (False, True):
            answer = admitted(standing, approved=approved)
            assert not answer.allowed and "another contract route" in answer.reasons[0] + answer.next_step
    assert state(sheet(()), "itar")[0] is GateState.OPEN, "nobody has said that there is none"


def admitted(standing: ProgramStanding, *, approved: bool = False) -> Admission:
    return admit(standing, purpose="migrate", approved=approved, sheet_name="program.toml")


def test_an_override_needs_its_day_and_is_seen() -> None:
    hanging = sheet(exhibit_a=Entry())
    assert not admitted(judged(hanging, Phase.BEFORE_WAVE)).allowed
    named = hanging.model_copy(update={"override": (BY_NAME,)})
    assert state(named, "exhibit-a")[0] is GateState.OVERRIDDEN
    answer = admitted(judged(named, Phase.BEFORE_WAVE))
    assert answer.allowed and answer.detail["overrides"][0]["by"] == "Ann Lee"
    early = named.model_copy(update={"override": (BY_NAME.model_copy(update={"date": TODAY + timedelta(days=1)}),)})
    assert state(early, "exhibit-a")[0] is GateState.OPEN


def test_a_phase_asks_its_own_gates_and_the_earlier_ones() -> None:
    late = sheet((Regime.CJIS,), cjis_agreement=Entry(), support_requirements=Entry())
    hindering = {phase: [gate.rule.id for gate in judged(late, phase).hindering] for phase in Phase}
    assert hindering == {
        Phase.BEFORE_TARGET_WORK: [],
        Phase.BEFORE_WAVE: ["cjis-agreement"],
        Phase.BEFORE_CUTOVER: ["cjis-agreement", "support-requirements"],
    }
    assert not cutover_gate(judged(late)).passed and "support-requirements" in cutover_gate(judged(late)).detail
    assert cutover_gate(judged(sheet())).passed
    assert not cutover_gate(judged(None)).passed


def test_a_resync_goes_on_with_what_was_admitted_and_never_without_a_sheet() -> None:
    hanging = judged(sheet(exhibit_a=Entry()), Phase.BEFORE_WAVE)
    assert not admitted(hanging).allowed and admitted(hanging, approved=True).allowed
    missing = judged(None, Phase.BEFORE_WAVE)
    assert not admitted(missing).allowed and not admitted(missing, approved=True).allowed
    assert "init --program-only" in admitted(missing).next_step


def test_the_sample_customer_may_begin_and_may_not_cut_over() -> None:
    text = sample_sheet(TODAY)
    value = parse_program(text, origin="program.toml", rules=RULES)
    assert "SAMPLE" in text.splitlines()[0]
    assert admitted(judged(value, Phase.BEFORE_WAVE)).allowed
    assert [gate.rule.id for gate in judged(value).hindering] == ["support-requirements"]
    assert value.digest != parse_program(text + "# x\n", origin="p", rules=RULES).digest


def test_no_gate_hangs_on_a_key_that_the_sheet_does_not_have() -> None:
    assert {key for gate in RULES.gates for key in gate.needs} == {"customer.segment", "partner.role", "data.regimes"}
    odd = replace(RULES.gates[0], needs=("customer.name",))
    with pytest.raises(KeyError):
        check_program(sheet(), replace(RULES, gates=(odd,)), today=TODAY)
