"""Digests, the event chain as a value, JSON of frozen values, state moves, and the cutover decision."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.codec import canonical_json, compact_json, decode, utc_text
from mappings.evidence import GENESIS, Event, Head, chain_problems, headers_digest, link, mapping_digest, root_hash
from mappings.gates import NOT_YET, Gate, decide_cutover
from mappings.model import Gap, Verdict
from mappings.objects import HttpHeaders, Tally
from mappings.states import RunState, ShardState, StepState, may_move
from tests.ledger.build import NOW, account, later, verdict

LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5)
)
DETAILS = st.dictionaries(st.text(max_size=5), LEAVES, max_size=3)


def chained(details: list[dict[str, Any]]) -> tuple[list[Event], Head]:
    head, events = Head(), []
    for number, detail in enumerate(details):
        event = link(head, "note.made", detail, at=later(number))
        events.append(event)
        head = Head(event.number, event.hash)
    return events, head


@given(st.lists(DETAILS, min_size=2, max_size=6), st.data())
def test_any_single_mutation_of_the_chain_is_found(details: list[dict[str, Any]], data: st.DataObject) -> None:
    """Breaks when a field of an event is left out of its hash, or the end of the chain is not compared."""
    events, head = chained(details)
    assert chain_problems(events, head) == []
    place = data.draw(st.integers(0, len(events) - 1))
    event = events[place]
    match data.draw(st.sampled_from(["number", "at", "kind", "detail", "previous", "hash", "delete", "twice", "swap"])):
        case "number":
            events[place] = replace(event, number=event.number + 1)
        case "at":
            events[place] = replace(event, at=event.at + timedelta(microseconds=1))
        case "kind":
            events[place] = replace(event, kind=event.kind + "x")
        case "detail":
            events[place] = replace(event, detail={**event.detail, "added": 1})
        case "previous":
            events[place] = replace(event, previous="f" * 64)
        case "hash":
            events[place] = replace(event, hash="f" * 64)
        case "delete":
            del events[place]
        case "twice":
            events.insert(place, event)
        case _:
            other = (place + 1) % len(events)
            events[place], events[other] = events[other], events[place]
    assert chain_problems(events, head) != []


@given(st.lists(DETAILS, min_size=1, max_size=4), DETAILS)
def test_a_forged_event_with_a_right_hash_breaks_the_next_link_or_the_end(
    details: list[dict[str, Any]], forged: dict[str, Any]
) -> None:
    events, head = chained(details)
    lie = link(Head(), "note.forged", forged, at=NOW)
    assert chain_problems([lie, *events[1:]], head) != []


def test_an_empty_chain_is_whole() -> None:
    assert chain_problems([], Head()) == []
    assert Head().hash == GENESIS


def test_digests_do_not_depend_on_order_and_see_every_part() -> None:
    assert mapping_digest({"a": "1", "b": "2"}) == mapping_digest({"b": "2", "a": "1"})
    assert mapping_digest({"a": "1"}) != mapping_digest({"a": "2"})
    assert mapping_digest({}) == ""
    base = HttpHeaders()
    names = ("content_type", "content_encoding", "content_language", "content_disposition", "cache_control")
    changed = [replace(base, **{name: "x"}) for name in names] + [replace(base, content_md5=b"x")]
    assert len({headers_digest(headers) for headers in [base, *changed]}) == 7
    assert root_hash({"a": "1", "b": "2"}) != root_hash({"a": "2", "b": "1"})


def test_json_of_values_comes_back_exactly() -> None:
    tally = Tally(listed=3, copied=3, proof=(1, 2, 0, 0))
    assert decode(Tally, canonical_json(tally)) == tally
    answer = verdict(account("data"))
    assert decode(Verdict, compact_json(answer)) == answer
    assert decode(Gap, compact_json(Gap("s", "w", "y"))) == Gap("s", "w", "y")
    assert canonical_json({"b": 1, "a": date(2026, 1, 2)}) == '{"a":"2026-01-02","b":1}'


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_times_sort_as_their_text(one: datetime, other: datetime) -> None:
    assert (utc_text(one) < utc_text(other)) is (one < other)
    assert datetime.fromisoformat(utc_text(one)) == one


@pytest.mark.parametrize("wrong", [float("nan"), datetime(2026, 1, 1), object()])  # noqa: DTZ001
def test_what_has_no_json_form_is_refused(wrong: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        canonical_json({"x": wrong})


def test_states_of_different_records_do_not_mix() -> None:
    """Breaks when the table is one dictionary: states of different records are equal as keys."""
    assert may_move(RunState.RUNNING, RunState.PARTIAL)
    assert may_move(RunState.PARTIAL, RunState.RUNNING)
    assert may_move(ShardState.FAILED, ShardState.PENDING)
    assert not may_move(RunState.DONE, RunState.RUNNING)
    assert not may_move(ShardState.DONE, ShardState.LEASED)
    assert not may_move(StepState.PENDING, StepState.DONE)
    assert not may_move(RunState.RUNNING, StepState.DONE)
    for kind in (RunState, StepState, ShardState):
        for state in kind:
            assert not may_move(kind("done"), state)


def test_a_cutover_is_refused_with_every_reason() -> None:
    gates = [Gate("MCRA", False, "no date"), Gate("Exhibit A", True), Gate("Verify", False)]
    unknown = decide_cutover(lag=None, most_lag=timedelta(hours=1), gates=gates)
    assert not unknown.allowed
    assert [reason.split(":")[0] for reason in unknown.reasons][1:] == ["MCRA", "Verify", NOT_YET.split(":")[0]]
    late = decide_cutover(lag=timedelta(minutes=90), most_lag=timedelta(hours=1), gates=[])
    assert late.reasons == ("The target lags 1 h 30 min behind the source; at most 1 h is accepted.", NOT_YET)
    assert decide_cutover(lag=timedelta(), most_lag=timedelta(), gates=[]).reasons == (NOT_YET,)
