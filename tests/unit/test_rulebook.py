"""The rulebook: which rule wins, what is refused at load time, and what a verdict must carry."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.errors import FixTheInput
from mappings.model import Resource
from mappings.rulebook import NO_RULE, Rulebook
from mappings.rulecheck import explain
from mappings.states import Confidence, VerdictKind

SOURCES = '[source.page]\ntitle = "A page"\nwhere = "example"\ndated = 2026-02-01\n\n'


def rule(rule_id: str, match: str, *, verdict: str = "ready-with-changes", more: str = "") -> str:
    return (
        f'[[rule]]\nid = "{rule_id}"\n{match}\nverdict = "{verdict}"\nreason = "Because of {rule_id}."\n'
        f'remedy = "Do it."\nnote = "n"\nsources = ["page"]\nchecked = 2026-03-04\nconfidence = "named"\n{more}\n\n'
    )


def book(*rules: str, **files: str) -> Rulebook:
    return Rulebook.parse({"rules.toml": SOURCES + "".join(rules), **files})


def thing(type_name: str = "Contoso.Web/sites", /, **given: Any) -> Resource:
    return Resource(id="/x", name="x", type=type_name, **given)


SITE = 'match.type = "Contoso.Web/sites"'
EQUALS = 'match.properties = [{ path = "a.b", equals = "1" }]'
EXISTS = 'match.properties = [{ path = "a.b", exists = true }]'
CONTAINS = 'match.properties = [{ path = "a", contains = "YZ" }]'


def test_a_verdict_says_what_why_by_which_rule_from_which_source_as_of_when() -> None:
    verdict = book(rule("site", SITE)).judge(thing(location="eastus"), region="usgovvirginia")
    assert verdict.verdict is VerdictKind.READY_WITH_CHANGES
    assert (verdict.rule, verdict.reason, verdict.remedy) == ("site", "Because of site.", "Do it.")
    assert verdict.source == "A page (2026-02-01)"
    assert str(verdict.checked) == "2026-03-04"
    assert verdict.target.type == "Contoso.Web/sites"
    assert verdict.target.region == "usgovvirginia"


def test_types_compare_without_case() -> None:
    assert book(rule("site", SITE)).judge(thing("CONTOSO.WEB/Sites")).rule == "site"


def test_no_rule_is_unknown_and_says_whom_to_ask() -> None:
    verdict = book(rule("site", SITE)).judge(thing("Contoso.Other/things"))
    assert (verdict.verdict, verdict.rule, verdict.checked) == (VerdictKind.UNKNOWN, NO_RULE, None)
    assert "CSP provider" in verdict.remedy


@given(kind=st.text(string.ascii_letters + "./", max_size=40), name=st.text(max_size=5), plan=st.booleans())
def test_a_type_without_a_rule_is_never_ready(kind: str, name: str, plan: bool) -> None:
    """Breaks when `_no_rule` answers anything but unknown."""
    verdict = book(rule("site", SITE, verdict="ready")).judge(
        Resource(id=name, name=name, type=kind, plan={"name": "p"} if plan else {})
    )
    if not kind.lower().startswith("contoso.web/sites"):
        assert verdict.verdict is VerdictKind.UNKNOWN


def test_more_conditions_win_over_fewer_and_exact_over_wildcard() -> None:
    rules = book(
        rule("any", 'match.type = "Contoso.Web/*"', verdict="blocked"),
        rule("plain", SITE),
        rule("kind", SITE + '\nmatch.kind = "app"'),
        rule("both", SITE + '\nmatch.kind = "app"\nmatch.sku = "Big"'),
    )
    assert rules.judge(thing(kind="app", sku={"name": "BIG"})).rule == "both"
    assert rules.judge(thing(kind="app", sku={"name": "small"})).rule == "kind"
    assert rules.judge(thing(kind="other", sku={"name": "big"})).rule == "plain"
    assert rules.judge(thing("Contoso.Web/farms")).rule == "any"


def test_a_longer_wildcard_wins_over_a_shorter_one() -> None:
    rules = book(rule("short", 'match.type = "Contoso.*"'), rule("long", 'match.type = "Contoso.Web/*"'))
    assert rules.judge(thing()).rule == "long"
    assert rules.judge(thing("Contoso.Data/stores")).rule == "short"


def test_a_child_takes_the_rule_of_its_nearest_parent_as_inherited() -> None:
    rules = book(
        rule("site", SITE),
        rule("slot", 'match.type = "Contoso.Web/sites/slots"'),
        rule("small", SITE + '\nmatch.sku = "S"', verdict="blocked"),
        rule("any", 'match.type = "Contoso.Web/*"'),
    )
    verdict = rules.judge(thing("Contoso.Web/sites/slots/config/x"))
    assert (verdict.rule, verdict.confidence) == ("slot", Confidence.INHERITED)
    assert "parent type contoso.web/sites/slots" in verdict.reason
    assert verdict.target.type == "Contoso.Web/sites/slots/config/x"
    assert rules.judge(thing("Contoso.Web/sites/config", sku={"name": "S"})).rule == "site", (
        "a condition on the parent's SKU says nothing about a child"
    )


@pytest.mark.parametrize(
    ("match", "yes", "no"),
    [
        ('match.sku = ["A", "B"]', {"sku": {"name": "b"}}, {"sku": {"name": "c"}}),
        ('match.tier = "T"', {"sku": {"tier": "t"}}, {"sku": {"tier": "u"}}),
        ('match.kind = "K"', {"kind": "k"}, {"kind": "kk"}),
        ('match.region = "eastus"', {"location": "East US"}, {"location": "westus"}),
        ("match.plan = true", {"plan": {"name": "p"}}, {}),
        ("match.plan = false", {}, {"plan": {"name": "p"}}),
        (EQUALS, {"properties": {"A": {"b": 1}}}, {"properties": {"a": 1}}),
        (EXISTS, {"properties": {"a": [{"b": 0}]}}, {"properties": {"a": [{}]}}),
        (CONTAINS, {"properties": {"a": "xyz"}}, {"properties": {"a": "x"}}),
        ('match.anywhere = "deep"', {"properties": {"a": [{"b": "so DEEP"}]}}, {"properties": {"a": "shallow"}}),
        ('match.anywhere = "key/"', {"tags": {"Key/x": ""}}, {"tags": {"x": "kei/"}}),
        (
            'match.anywhere = ".x"\nmatch.except = "in.x"',
            {"properties": {"a": "in.x", "b": "out.x"}},
            {"properties": {"a": "in.x"}},
        ),
    ],
)  # fmt: skip
def test_every_condition_can_hold_and_fail(match: str, yes: dict[str, Any], no: dict[str, Any]) -> None:
    rules = book(rule("plain", SITE), rule("special", f"{SITE}\n{match}"))
    assert rules.judge(thing(**yes)).rule == "special"
    assert rules.judge(thing(**no)).rule == "plain"


def test_what_the_inventory_does_not_carry_is_unknown_where_the_answer_could_be_worse() -> None:
    """Breaks when a condition on an absent value counts as false: a retired SKU would pass as ready."""
    rules = book(rule("plain", SITE, verdict="ready"), rule("old", SITE + '\nmatch.sku = "Basic"', verdict="replace"))
    for sku in ({}, {"name": "[parameters('sku')]"}):
        verdict = rules.judge(thing(sku=sku))
        assert (verdict.verdict, verdict.rule) == (VerdictKind.UNKNOWN, "old")
    assert rules.judge(thing(sku={"name": "New"})).verdict is VerdictKind.READY
    milder = book(rule("plain", SITE, verdict="blocked"), rule("old", SITE + '\nmatch.sku = "Basic"'))
    assert milder.judge(thing()).rule == "plain"


def test_the_worst_finding_leads_and_the_deciding_rule_stays_visible() -> None:
    rules = book(
        rule("plain", SITE, verdict="ready"),
        rule("mild", 'match.type = "*"\nmatch.plan = true', more="finding = true"),
        rule("bad", 'match.type = "*"\nmatch.anywhere = "classic"', verdict="blocked", more="finding = true"),
    )
    both = rules.judge(thing(plan={"name": "p"}, properties={"a": "Classic"}))
    assert (both.verdict, both.rule) == (VerdictKind.BLOCKED, "bad")
    assert [finding.rule for finding in both.findings] == ["plain", "mild"]
    assert both.target.type == "Contoso.Web/sites"
    assert rules.judge(thing()).findings == ()


def test_a_finding_never_makes_a_verdict_better() -> None:
    """Breaks when the finding simply replaces the verdict."""
    rules = book(
        rule("no", SITE, verdict="blocked"), rule("mild", 'match.type = "*"\nmatch.plan = true', more="finding = true")
    )
    verdict = rules.judge(thing(plan={"name": "p"}))
    assert (verdict.verdict, verdict.rule) == (VerdictKind.BLOCKED, "no")
    assert [finding.rule for finding in verdict.findings] == ["mild"]


def test_a_finding_can_leave_types_out() -> None:
    match = 'match.type = "*"\nmatch.not_type = "Contoso.Web/*"\nmatch.plan = true'
    rules = book(rule("f", match, verdict="blocked", more="finding = true"), rule("plain", SITE))
    assert rules.judge(thing(plan={"name": "p"})).rule == "plain"


def test_an_overlay_takes_the_place_of_the_rule_it_names_and_keeps_both_answers() -> None:
    overlay = SOURCES.replace("page", "letter") + rule(
        "mine", SITE, verdict="blocked", more='overrides = "site"\nbecause = "The customer says so."'
    ).replace('"page"', '"letter"')
    rules = Rulebook.parse({"rules.toml": SOURCES + rule("site", SITE), "overlay.toml": overlay})
    verdict = rules.judge(thing())
    assert (verdict.verdict, verdict.rule) == (VerdictKind.BLOCKED, "mine")
    assert '"site"' in verdict.reason
    assert "ready-with-changes" in verdict.reason
    assert "The customer says so." in verdict.reason


def test_explain_names_every_rule_considered() -> None:
    rules = book(rule("plain", SITE), rule("big", SITE + '\nmatch.sku = "Big"', verdict="blocked"))
    lines = "\n".join(explain(rules, thing(sku={"name": "small"})))
    assert "rule big: does not apply" in lines
    assert "rule plain: applies" in lines
    assert "A page (2026-02-01)" in lines


def refused(*rules: str) -> str:
    with pytest.raises(FixTheInput) as caught:
        book(*rules)
    assert caught.value.next_step
    return str(caught.value)


def test_two_rules_that_could_both_decide_are_refused_with_both_ids_and_places() -> None:
    said = refused(rule("one", SITE + '\nmatch.kind = "a"'), rule("two", SITE + '\nmatch.sku = "b"'))
    assert '"one"' in said
    assert '"two"' in said
    assert "rules.toml, line 6" in said
    assert "rules.toml, line 19" in said


def test_rules_that_exclude_each_other_are_no_tie() -> None:
    rules = book(rule("one", SITE + '\nmatch.kind = "a"'), rule("two", SITE + '\nmatch.kind = "b"'))
    assert rules.judge(thing(kind="B")).rule == "two"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (rule("a", SITE) + rule("a", SITE + '\nmatch.kind = "k"'), 18, 'id "a" is used twice'),
        (rule("a", SITE, more='reazon = "x"'), 16, '"reazon" is unknown; did you mean "reason"'),
        (rule("a", SITE + '\nmatch.skus = "x"'), 9, '"match.skus" is unknown; did you mean "match.sku"'),
        (rule("a", SITE).replace('["page"]', '["pgae"]'), 13, 'no source "pgae"; did you mean "page"'),
        (rule("a", SITE).replace('sources = ["page"]\n', ""), 6, '"sources" is missing'),
        (rule("a", SITE).replace("checked = 2026-03-04\n", ""), 6, 'date "checked" is missing'),
        (rule("a", SITE).replace("2026-03-04", '"2026-03-04"'), 14, '"checked" must be a date'),
        (rule("a", SITE, verdict="redy"), 9, '"verdict" is "redy"; it must be one of ready'),
        (rule("a", SITE).replace('"Do it."', "7"), 11, '"remedy" must be a string'),
        (rule("a", SITE).replace('"Do it."', '""'), 6, "needs a remedy"),
        (rule("A b", SITE), 7, "not kebab-case"),
        (rule("a", 'match.type = "nonsense"'), 8, '"nonsense" is not a resource type'),
        (rule("a", 'match.type = "*"'), 8, "can only be a finding"),
        (rule("a", SITE, more='overrides = "b"'), 6, '"overrides" and "because" go together'),
        (rule("a", SITE, more='overrides = "b"\nbecause = "c"'), 6, 'overrides "b", which does not exist'),
        (rule("a", SITE + '\nmatch.properties = [{ path = "a" }]'), 9, "one of equals, starts_with, contains, exists"),
        ('[[rul]]\nid = "a"\n', 6, '"rul" is unknown'),
    ],
)
def test_wrong_data_is_refused_with_file_line_and_what_would_be_right(text: str, line: int, said: str) -> None:
    message = refused(text)
    assert f"rules.toml, line {line}:" in message
    assert said.replace("match.sku", "sku") in message.replace("match.sku", "sku")


def test_text_that_is_not_toml_is_refused_with_its_place() -> None:
    assert "rules.toml: not valid TOML" in refused("id = ")


@given(st.text(max_size=60))
def test_any_text_is_a_rulebook_or_a_named_refusal(text: str) -> None:
    """Breaks when wrong text escapes as any other exception, or without its file name."""
    try:
        Rulebook.parse({"odd.toml": text})
    except FixTheInput as wrong:
        assert "odd.toml" in wrong.sentence


@given(
    st.dictionaries(
        st.sampled_from(["id", "match", "verdict", "reason", "sources", "checked", "confidence", "good", "x"]),
        st.sampled_from(['"a"', "7", "true", "[]", "[1]", '{ type = "A.b/c" }', "{ type = 1 }", "2026-01-01"]),
        max_size=9,
    )
)
def test_any_rule_table_is_read_or_refused_by_name(table: dict[str, str]) -> None:
    """Breaks when a value of the wrong type is used before its type was checked."""
    text = SOURCES + "[[rule]]\n" + "".join(f"{key} = {value}\n" for key, value in table.items())
    with pytest.raises(FixTheInput, match=r"odd.toml, line \d+"):
        Rulebook.parse({"odd.toml": text})


def test_words_inside_an_expression_are_no_value() -> None:
    (told,) = book(rule("words", SITE + '\nmatch.properties = [{ path = "tier", contains = "basic" }]')).rules
    assert told.match.holds(thing(properties={"tier": "[parameters('basicTier')]"}), "") is None
    assert told.match.holds(thing(properties={"tier": "Basic B1"}), "") is True
