"""The table of resource types: how it is read, and that no rule is kinder than what it says."""

from __future__ import annotations

import csv
import io

import pytest

from mappings.errors import FixTheInput
from mappings.rule import Rule
from mappings.states import Confidence, VerdictKind
from mappings.typefacts import Basis, CspStatus, GovStatus, TypeFact, parse_type_facts
from tasks.catalogue import RULE_FILES, load_catalogue, load_type_facts

BOOK = load_catalogue()
FACTS = load_type_facts()
ROW = {
    "type": "Contoso.Web/sites", "service": "Sites", "portal_name": "Contoso site", "family": "web",
    "gov_status": "available", "csp_status": "supported", "csp_basis": "ticked", "basis": "type", "gov_regions": "a;b",
    "il5_scope_2023": "yes", "data_bearing": "yes", "commercial_suffix": "", "gov_suffix": "", "replacement": "",
    "retirement": "2025-03-31 (one plan)", "retirement_basis": "listed", "differences": "", "evidence": "",
    "sources": "page", "source_date": "2026-02-01",
}  # fmt: skip


def table(*rows: dict[str, str]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(ROW), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def deciding(fact: TypeFact) -> Rule:
    """The rule for the type as such."""
    return next(one.rule for one in BOOK.covers(fact.type) if not one.rule.match.conditions and not one.parent)


def test_a_type_is_found_in_any_case_and_by_its_portal_name() -> None:
    facts = parse_type_facts(table(ROW, ROW | {"type": "Contoso.Old/sites", "data_bearing": "no"}))
    site = facts.get("CONTOSO.web/Sites")
    assert site is not None
    assert (site.gov_regions, site.il5_scope_2023, str(site.retirement_date)) == (("a", "b"), True, "2025-03-31")
    assert [fact.type for fact in facts.by_portal_name(" contoso  SITE ")] == ["Contoso.Web/sites", "Contoso.Old/sites"]
    assert facts.by_portal_name("site") == ()
    assert (facts.data_bearing("contoso.web/sites"), facts.data_bearing("contoso.old/sites")) == (True, False)
    assert (facts.service("Contoso.Web/sites/slots"), facts.service("Contoso.Else/x")) == ("Sites", "")
    assert not facts.data_bearing("Contoso.Web/sites/slots"), "a child does not hold the data of its parent"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (table(ROW, ROW), "line 3: the type .* is there twice"),
        (table(ROW | {"gov_status": "yes"}), "line 2: gov_status is .yes.; it must be one of available, "),
        (table(ROW | {"basis": "rumour"}), "line 2: basis is .rumour."),
        (table(ROW | {"source_date": "2026"}), "line 2: source_date is .2026., not a date"),
        (table(ROW).replace(",service,", ",servant,"), "line 1: the column service is missing"),
        (table(ROW) + "a,b\n", "line 3: the line has 2 cells"),
    ],
)
def test_a_wrong_table_is_refused_with_file_and_line(text: str, says: str) -> None:
    with pytest.raises(FixTheInput, match=f"types.csv, {says}"):
        parse_type_facts(text)


def test_every_type_is_there_with_its_source() -> None:
    assert len(FACTS) == 1047
    assert sum(fact.data_bearing for fact in FACTS) == 143
    assert sum(fact.family == "classic" for fact in FACTS) == 61
    assert {key for fact in FACTS for key in fact.sources} <= set(BOOK.sources)
    assert all(fact.sources for fact in FACTS)
    assert {fact.family for fact in FACTS} <= set(RULE_FILES)


def test_every_type_has_a_deciding_rule_that_agrees_with_its_status() -> None:
    """Breaks when a rule calls ready what the sources call unavailable, unknown, or not confirmed for CSP."""
    goes = (VerdictKind.READY, VerdictKind.READY_WITH_CHANGES)
    for fact in FACTS:
        verdict = deciding(fact).verdict
        match fact.gov_status:
            case GovStatus.UNAVAILABLE:
                assert verdict not in goes, fact.type
            case GovStatus.UNKNOWN:
                assert verdict is VerdictKind.UNKNOWN, fact.type
            case _:
                assert verdict in (*goes, VerdictKind.REPLACE), fact.type
        if verdict is VerdictKind.READY:
            assert fact.csp_status is CspStatus.SUPPORTED, fact.type


def test_no_rule_claims_more_confidence_than_its_basis_carries() -> None:
    rank = {Confidence.INFERRED: 0, Confidence.INHERITED: 1, Confidence.NAMED: 2}
    for fact in FACTS:
        claimed, carried = deciding(fact).confidence, fact.basis.confidence
        assert rank[claimed] <= rank[carried], fact.type
        if fact.basis is not Basis.RETIRED:
            assert claimed is carried, fact.type


def test_what_is_known_to_retire_carries_its_date() -> None:
    """Metadata of classic resources aside: one rule stands for types that went on different days."""
    for fact in FACTS:
        sure = fact.retirement_verified and fact.retirement_date and "(" not in fact.retirement
        if sure and not deciding(fact).id.endswith("-metadata"):
            assert deciding(fact).retires is not None, fact.type
