"""The catalogue under attack: what is refused with file and line, what `rules check` finds, finer conditions."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest

from mappings.errors import FixTheInput
from mappings.model import Resource
from mappings.retirements import check_retirements, parse_retirements
from mappings.rulebook import Rulebook
from mappings.rulecheck import Weight, check_rules, explain, explain_type, stale
from mappings.rulefile import parse_files
from mappings.states import VerdictKind
from tasks.catalogue import catalogue_texts, load_catalogue, load_retirements, load_type_facts

pytestmark = pytest.mark.slow

FACTS = load_type_facts()
BOOK = load_catalogue()
TEXTS = catalogue_texts()
SOURCES = "catalogue/sources.toml"
FAMILIES = sorted(set(TEXTS) - {SOURCES})
SOURCE = (
    '[source.page]\ntitle = "A page"\nwhere = "w"\ndated = 2026-02-01\n[source.other]\ntitle = "B"\nwhere = "w"\n\n'
)
VM = "Microsoft.Compute/virtualMachines"


def rule(rule_id: str, match: str, *, verdict: str = "ready-with-changes", more: str = "") -> str:
    return (
        f'[[rule]]\nid = "{rule_id}"\n{match}\nverdict = "{verdict}"\nreason = "Why {rule_id}."\nremedy = "Do."\n'
        f'note = "n"\nsources = ["page"]\nchecked = 2026-02-01\nconfidence = "named"\n{more}\n\n'
    )


def book(*rules: str) -> Rulebook:
    return Rulebook.parse({"own.toml": SOURCE + "".join(rules)})


def thing(type_name: str = VM, **given: Any) -> Resource:
    return Resource(id="/x", name="x", type=type_name, **given)


# Each mutation of one line of a rule, and what the refusal must say. The line named must be the one that was changed.
MUTATIONS = [
    ("wrong type", r"match\.type = \[?\n? *\"[^\"]+\"", 'match.type = "not a type"', "is not a resource type"),
    ("unknown key", r"reason = ", "raeson = ", 'the key "raeson" is unknown; did you mean "reason"'),
    ("unknown verdict", r'verdict = "[^"]+"', 'verdict = "fine"', '"verdict" is "fine"; it must be one of'),
    ("missing source", r"sources = \[.*\]", "sources = []", 'the key "sources" is missing or empty'),
    ("no such source", r"sources = \[.*\]", 'sources = ["audit-scopes"]', 'no source "audit-scopes"; did you mean'),
    ("date as text", r"checked = (\S+)", r'checked = "\1"', '"checked" must be a date'),
    ("made-up confidence", r'confidence = "[^"]+"', 'confidence = "sure"', '"confidence" is "sure"'),
    ("id not kebab", r'id = "([^"]+)"', r'id = "Not_\1"', "is not kebab-case"),
    ("override without because", r"checked = ", 'overrides = "x"\nchecked = ', '"because" go together'),
    ("one voice in a conflict", r"checked = ", 'conflicts = [{ source = "csp-faq", says = "x" }]\nchecked = ', "two"),
]  # fmt: skip


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize(("what", "pattern", "instead", "says"), MUTATIONS, ids=[m[0] for m in MUTATIONS])
def test_a_broken_rule_of_the_real_catalogue_is_refused_with_file_and_line(
    name: str, what: str, pattern: str, instead: str, says: str
) -> None:
    """In every file, the middle rule is broken in one place."""
    head, *rules = re.split(r"(?m)^(?=\[\[rule\]\])", TEXTS[name])
    if what == "wrong type":
        rules = [one for one in rules if re.search(r'match\.type = "', one)] or rules
    number = len(rules) // 2
    if what == "one voice in a conflict":
        rules[number] = re.sub(r"(?s)conflicts = \[\n.*?\n\]\n", "", rules[number])
    broken = re.sub(r"(?m)^" + pattern, instead, rules[number], count=1)
    assert broken != rules[number]
    before = head + "".join(rules[:number])
    text = before + broken + "".join(rules[number + 1 :])
    with pytest.raises(FixTheInput) as refused:
        parse_files({SOURCES: TEXTS[SOURCES], name: text})
    assert says in refused.value.sentence
    place = re.match(rf"{name}, line (\d+): ", refused.value.sentence)
    assert place, refused.value.sentence
    first = before.count("\n") + 1
    assert first <= int(place[1]) <= first + broken.count("\n")


@pytest.mark.parametrize("name", [one for one in FAMILIES if one != "catalogue/references.toml"])
def test_a_rule_given_twice_is_refused_by_id_and_a_second_opinion_as_a_tie(name: str) -> None:
    plain = next(
        one for one in re.split(r"(?m)^(?=\[\[rule\]\])", TEXTS[name])[1:] if "finding" not in one and "match." in one
    )
    with pytest.raises(FixTheInput, match="is used twice; first at " + name):
        Rulebook.parse({**TEXTS, "again.toml": plain})
    with pytest.raises(FixTheInput, match=rf"again.toml, line 1: .*{name}, line \d+.* equally specific"):
        Rulebook.parse({**TEXTS, "again.toml": re.sub(r'(?m)^id = "', 'id = "other-', plain, count=1)})


def test_the_catalogue_as_shipped_has_no_error_and_no_warning() -> None:
    found = check_rules(BOOK, FACTS, own=TEXTS)
    assert [str(one) for one in found] == []


@pytest.mark.parametrize(
    ("rules", "weight", "says"),
    [
        ((rule("typo", 'match.type = "Microsoft.Compute/virtualMachine"'),), Weight.ERROR, 'mean "Microsoft.Compute/v'),
        (
            (rule("never", f'match.type = "{VM}"\nmatch.not_type = "Microsoft.Compute/*"'),),
            Weight.ERROR,
            "can never apply",
        ),
        (
            (rule("all", f'match.type = "{VM}"', more=f'good = {{ type = "{VM}" }}\nbad = {{ type = "{VM}" }}'),),
            Weight.ERROR,
            "applies to its good example",
        ),
        (
            (
                rule("base", f'match.type = "{VM}"'),
                rule("size", f'match.type = "{VM}"\nmatch.sku = "S"', more=f'bad = {{ type = "{VM}" }}'),
            ),
            Weight.ERROR,
            "does not apply to its own bad example, which base decides",
        ),
        (
            (rule("vm", f'match.type = "{VM}"'), rule("below", f'match.type = "{VM}/*"')),
            Weight.ERROR,
            'it can never decide on microsoft.compute/virtualmachines/*: "vm" always goes before it',
        ),
        ((rule("bare", f'match.type = "{VM}"'),), Weight.WARNING, 'has no "good" example'),
    ],
)
def test_check_finds(rules: tuple[str, ...], weight: Weight, says: str) -> None:
    found = [one for one in check_rules(book(*rules), FACTS, own=["own.toml"]) if says in one.what]
    assert [one.weight for one in found] == [weight]
    assert re.match(r"own.toml, line \d+", found[0].place)


def test_a_type_that_is_newer_than_the_table_is_only_a_warning_in_an_overlay() -> None:
    rules = book(rule("new", 'match.type = "Microsoft.Brandnew/things"'))
    found = {one.weight for one in check_rules(rules, FACTS, own=[]) if "not known" in one.what}
    assert found == {Weight.WARNING}


def test_an_override_that_leaves_types_behind_is_told() -> None:
    old = rule("both", f'match.type = ["{VM}", "Microsoft.Compute/disks"]')
    new = rule("one", f'match.type = "{VM}"', more='overrides = "both"\nbecause = "So."')
    (told,) = [one.what for one in check_rules(book(old, new), FACTS, own=[]) if "leaves" in one.what]
    assert "microsoft.compute/disks" in told
    assert "virtualmachines" not in told


@pytest.mark.parametrize(
    ("match", "yes", "no"),
    [
        ('match.target_region = "US Gov Texas"', {}, {"region": "usgovvirginia"}),
        ("match.zones = true", {"zones": ("1",)}, {}),
        ("match.zones = false", {}, {"zones": ("1",)}),
        ('match.plan_product = "A/B"', {"plan": {"product": "a/b"}}, {"plan": {"product": "c"}}),
        ("match.sku_absent = true", {"properties": {"a": 1}}, {"properties": {"a": 1}, "sku": {"name": "S"}}),
        ("match.sku_absent = true", {"properties": {"a": 1}}, {}),
        (
            'match.properties = [{ path = "v", starts_with = "4." }]',
            {"properties": {"v": "4.0"}},
            {"properties": {"v": "14.0"}},
        ),
    ],
)
def test_the_finer_conditions_hold_and_fail(match: str, yes: dict[str, Any], no: dict[str, Any]) -> None:
    rules = book(rule("plain", f'match.type = "{VM}"'), rule("special", f'match.type = "{VM}"\n{match}'))
    region = no.pop("region", "usgovtexas")
    assert rules.judge(thing(**yes), region="usgovtexas").rule == "special"
    assert rules.judge(thing(**no), region=region).rule == "plain"


def test_a_worse_rule_on_a_target_region_that_nobody_knows_yet_is_unknown() -> None:
    """Breaks when "no region yet" counts as "another region"."""
    rules = book(
        rule("plain", f'match.type = "{VM}"', verdict="ready"),
        rule("there", f'match.type = "{VM}"\nmatch.target_region = "usgovtexas"', verdict="blocked"),
    )
    verdict = rules.judge(thing())
    assert (verdict.verdict, verdict.rule) == (VerdictKind.UNKNOWN, "there")
    assert "target region" in verdict.remedy


def test_sources_that_disagree_are_both_heard_in_verdict_explanation_and_provenance() -> None:
    voices = 'conflicts = [{ source = "page", says = "yes" }, { source = "other", says = "no" }]'
    rules = book(rule("torn", f'match.type = "{VM}"', more=voices + '\ndifferences = "It is blue."'))
    verdict = rules.judge(thing())
    assert verdict.reason.endswith("Sources disagree: A page (2026-02-01) says yes; B (undated) says no.")
    assert verdict.differences == "It is blue."
    (use,) = rules.used([verdict])
    assert use.conflicts == ("A page (2026-02-01) says yes", "B (undated) says no")
    text = "\n".join([*explain(rules, thing()), *explain_type(rules, FACTS, VM)])
    assert text.count("sources disagree: B (undated) says no") == 2
    assert text.count("what differs: It is blue.") == 2


def test_the_conflicts_that_are_known_are_shown() -> None:
    torn = {one.id for one in BOOK.rules if one.conflicts}
    assert {"azure-ai-search", "batch", "azure-attestation", "azure-health-data-services", "api-management"} <= torn


def test_age_is_counted_in_days_up_to_the_limit() -> None:
    (one,) = book(rule("r", f'match.type = "{VM}"')).rules
    assert not stale(one, date(2027, 2, 1), 365)
    assert stale(one, date(2027, 2, 2), 365)


def test_every_announced_retirement_has_a_rule_with_its_date_or_a_reason_why_not() -> None:
    table = load_retirements()
    assert len(table) == 85
    assert sum(bool(one.rules) for one in table) == 78
    assert check_retirements(table, BOOK) == []


def test_a_retirement_that_contradicts_its_rule_is_told() -> None:
    head = "service,feature,date,types,rules,untested,link\n"
    rules = book(rule("r", f'match.type = "{VM}"', more="retires = 2026-01-01"))
    assert check_retirements(parse_retirements(head + "S,F,2026-01-01,,r,,\n"), rules) == []
    (late,) = check_retirements(parse_retirements(head + "S,F,2026-01-02,,r,,\n"), rules)
    assert "2026-01-02" in late
    assert "2026-01-01" in late
    (lost,) = check_retirements(parse_retirements(head + "S,F,2026-01-02,,nobody,,\n"), rules)
    assert 'no rule "nobody"' in lost
    with pytest.raises(FixTheInput, match="line 2: a row needs either rules"):
        parse_retirements(head + "S,F,2026-01-02,,,,\n")


@pytest.mark.parametrize(
    ("resource", "rule_id"),
    [
        (thing("Microsoft.Network/loadBalancers", properties={"a": 1}), "load-balancer-without-sku"),
        (thing("Microsoft.Network/publicIPAddresses", sku={"name": "Basic"}), "public-ip-basic"),
        (thing(properties={"storageProfile": {"dataDisks": [{}, {"vhd": {"uri": "u"}}]}}),
         "virtual-machine-unmanaged-data-disks"),
        (thing(properties={"storageProfile": {"osDisk": {"managedDisk": {"diskEncryptionSet": {"id": "i"}}}}}),
         "virtual-machine-disk-encryption-set"),
        (thing("Microsoft.Storage/storageAccounts", kind="StorageV2", sku={"name": "Standard_GZRS"}),
         "storage-zone-redundancy"),
        (thing("Microsoft.Compute/disks", zones=("1",), sku={"name": "P"}), "zones-without-zones-in-target"),
        (thing("Microsoft.EventHub/namespaces", properties={"encryption": {"keySource": "Microsoft.KeyVault"}}),
         "customer-managed-key"),
        (thing("Microsoft.DocumentDB/databaseAccounts", properties={"keyVaultKeyUri": "u"}),
         "cosmos-customer-managed-key"),
        (thing("Microsoft.KeyVault/vaults/keys"), "key-vault-key"),
        (thing("Microsoft.KeyVault/vaults/keys/versions"), "key-vault-key"),
        (thing("Microsoft.Sql/managedInstances/encryptionProtector", properties={"serverKeyType": "ServiceManaged"}),
         "sql-managed-instance-service-managed-tde"),
        (thing("Microsoft.OperationsManagement/solutions", plan={"product": "OMSGallery/Updates"}),
         "update-management-solution"),
        (thing("Microsoft.EventGrid/newThings"), "eventgrid-other-types"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_the_depth_below_the_type(resource: Resource, rule_id: str) -> None:
    verdict = BOOK.judge(resource, region="usgovtexas")
    named = {verdict.rule, *(finding.rule for finding in verdict.findings)}
    assert rule_id in named, named
    assert verdict.verdict is not VerdictKind.READY
