"""Bytes by route before the start: every object in one line, and what was not tried is said to be not tried."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mappings.model import ContainerSurvey
from mappings.route_estimate import Apart, Learnt, route_estimate, source_too_long
from mappings.states import Route

COUNT = st.integers(0, 10**9)


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), COUNT, COUNT), max_size=9),
    st.sampled_from(["auto", "pull", "stream"]),
    st.dictionaries(st.tuples(st.sampled_from("ab"), st.just("t")), st.sampled_from(list(Route)), max_size=2),
    st.sampled_from([Route.STREAM, None]),
)
def test_every_object_stands_in_one_line(containers, mode, known, other) -> None:  # type: ignore[no-untyped-def]
    """Breaks when objects that go another way are counted twice, or dropped."""
    surveys = [ContainerSurvey(account, f"{name}{n}", objects, size)
               for n, (account, name, objects, size) in enumerate(containers)]  # fmt: skip
    apart = {(one.account, one.container): [Apart("a key", other, one.objects // 2, one.bytes // 2)] for one in surveys}
    learnt = {pair: Learnt(route, "probe") for pair, route in known.items()}
    found = route_estimate(surveys, {"a": "t", "b": "t"}, mode=mode, learnt=learnt, apart=apart, no_sas={})
    totals = [sum(part) for part in zip(*found.by_route().values(), strict=True)] or [0, 0]
    assert totals == [sum(one.objects for one in surveys), sum(one.bytes for one in surveys)]


def test_what_is_known_decides_and_what_is_not_is_said() -> None:
    """Breaks when an account without SAS is promised a pull, or a guess looks like a finding."""
    surveys = [ContainerSurvey(name, "c", 10, 1000) for name in ("open", "closed", "keyless", "new")]
    found = route_estimate(
        surveys,
        {one.account: "t" for one in surveys},
        mode="auto",
        learnt={("open", "t"): Learnt(Route.PULL, "probed"), ("closed", "t"): Learnt(Route.STREAM, "firewall")},
        apart={("open", "c"): [Apart("customer-provided key", Route.STREAM, 2, 100)]},
        no_sas={"keyless": "no SAS can be given"},
    )
    routes = {(line.source_account, line.why): (line.route, line.objects, line.bytes) for line in found.lines}
    assert routes[("open", "probed")] == (Route.PULL, 8, 900)
    assert routes[("open", "customer-provided key")] == (Route.STREAM, 2, 100)
    assert routes[("closed", "firewall")][0] is routes[("keyless", "no SAS can be given")][0] is Route.STREAM
    assert found.unprobed == (("new", "t"),)


def test_only_urls_beyond_2_kib_are_too_long() -> None:
    """Breaks when escapes are not counted: a name of 600 letters outside ASCII makes a URL of 3.6 KiB."""
    host = "account.blob.core.windows.net"
    assert not source_too_long(host, "c", "n" * 1024)
    assert source_too_long(host, "c", "ü" * 600)
    assert not source_too_long(host, "c", "ü" * 200)
