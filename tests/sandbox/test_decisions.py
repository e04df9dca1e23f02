"""The parts of the sandbox that only decide: fault rules, counting, the query language, filters, quotas, paths."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.armgroups import filtered
from sandbox.armwire import ArmError
from sandbox.counters import Asked, Counters, Effect, classify
from sandbox.faults import BadRule, FaultBook, FaultRule
from sandbox.graph import QUOTA, UserQuota
from sandbox.kql import Query, QueryError
from sandbox.names import COMMERCIAL, GOVERNMENT, Service
from sandbox.resourcepath import ResourcePath

ROWS: list[dict[str, Any]] = [
    {"id": "/b", "name": "Beta", "type": "microsoft.web/sites", "location": "eastus", "properties": {"state": "on"}},
    {"id": "/a", "name": "Alpha", "type": "microsoft.web/sites", "location": "westus", "properties": {}},
    {"id": "/c", "name": "Gamma", "type": "microsoft.sql/servers", "location": "eastus", "properties": {}},
]


def struck(rule: dict[str, Any], requests: int, line: str = "commercial blob GET /a/b/c") -> list[int]:
    book = FaultBook()
    book.add([FaultRule.parse({"match": "blob", **rule})])
    return [number for number in range(1, requests + 1) if book.strike(line)]


class TestFaultRules:
    def test_times_and_every(self) -> None:
        assert struck({"status": 503}, 4) == [1, 2, 3, 4]
        assert struck({"status": 503, "times": 2}, 5) == [1, 2]
        assert struck({"status": 503, "every": 3}, 7) == [3, 6]
        assert struck({"status": 503, "every": 2, "times": 1}, 7) == [2]

    def test_probability_repeats_with_its_seed(self) -> None:
        first = struck({"probability": 0.3, "seed": 7}, 200)
        assert first == struck({"probability": 0.3, "seed": 7}, 200) != struck({"probability": 0.3, "seed": 8}, 200)
        assert 30 < len(first) < 90
        assert struck({"probability": 0.0}, 50) == []

    def test_first_rule_that_strikes_wins(self) -> None:
        book = FaultBook()
        book.add([FaultRule("PUT", status=500), FaultRule("blob", status=503, times=1), FaultRule("GET", status=504)])
        hits = [book.strike("commercial blob GET /a") for _ in range(2)]
        assert [hit.status for hit in hits if hit] == [503, 504]
        assert [(rule["seen"], rule["struck"]) for rule in book.report()] == [(0, 0), (1, 1), (1, 1)]

    @pytest.mark.parametrize(
        "document",
        [{}, {"match": "("}, {"match": "x", "sttus": 1}, {"match": "x", "reset": "never"}, {"match": "x", "every": 0}],
    )
    def test_nonsense_is_refused(self, document: dict[str, Any]) -> None:
        with pytest.raises(BadRule):
            FaultRule.parse(document)


class TestCounting:
    @pytest.mark.parametrize(
        ("service", "method", "path", "operation", "effect"),
        [
            (
                Service.ARM,
                "POST",
                "/subscriptions/1/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a/listKeys",
                "POST subscriptions/resourceGroups/providers/Microsoft.Storage/storageAccounts/listKeys",
                "read",
            ),
            (Service.ARM, "PUT", "/subscriptions/1/resourcegroups/g", "PUT subscriptions/resourcegroups", "write"),
            (
                Service.ARM,
                "DELETE",
                "/subscriptions/1/resourcegroups/g",
                "DELETE subscriptions/resourcegroups",
                "write",
            ),
            (Service.ENTRA, "POST", "/tenant/oauth2/v2.0/token", "token", "read"),
        ],
    )
    def test_requests_are_told_apart(
        self, service: Service, method: str, path: str, operation: str, effect: str
    ) -> None:
        assert classify(service, method, path) == Asked(operation, Effect(effect))

    def test_report_and_reset(self) -> None:
        counters = Counters()
        counters.count(Asked("PUT group", Effect.WRITE))
        counters.answered(201)
        report = counters.report()
        assert (report["read"], report["write"], report["by_status"]) == (0, 1, {"201": 1})
        counters.reset()
        assert counters.report()["by_operation"] == {}


class TestQueries:
    @pytest.mark.parametrize(
        ("text", "names"),
        [
            ("resources | order by id asc", ["Alpha", "Beta", "Gamma"]),
            ("resources | order by id", ["Gamma", "Beta", "Alpha"]),
            ("Resources\n| where type =~ 'Microsoft.Web/sites' | sort by name asc | take 1", ["Alpha"]),
            ("resources | where location == 'eastus' and type !~ 'microsoft.sql/servers'", ["Beta"]),
            ("resources | where name in ('Beta', 'nobody') or name in~ ('gamma')", ["Beta", "Gamma"]),
            ("resources | where (name has 'a' or name startswith \"al\") and location == 'westus'", ["Alpha"]),
            ("resources | where properties.state == 'on' // a note", ["Beta"]),
            ("where name contains 'MM'", ["Gamma"]),
        ],
    )
    def test_rows(self, text: str, names: list[str]) -> None:
        assert [row["name"] for row in Query(text).run(ROWS)] == names

    def test_shapes(self) -> None:
        assert Query("resources | project title = name, properties.state | limit 1").run(ROWS) == [
            {"title": "Beta", "properties_state": "on"}
        ]
        assert Query("resources | summarize n = count() by location").run(ROWS) == [
            {"location": "eastus", "n": 2},
            {"location": "westus", "n": 1},
        ]
        assert Query("resources | summarize count()").run([]) == [{"count_": 0}]
        assert Query("resources | count").run(ROWS) == [{"Count": 3}]
        assert Query("resourcecontainers | limit 1").limited

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "advisorresources",
            "resources | extend x = 1",
            "resources | where name",
            "resources where",
            "resources | where tolower(name) == 'x'",
        ],
    )
    def test_what_is_not_understood_is_refused(self, text: str) -> None:
        with pytest.raises(QueryError):
            Query(text)


class TestArmDecisions:
    BODIES: list[dict[str, Any]] = [
        {
            "id": "/subscriptions/1/resourceGroups/One/providers/A.B/c/x",
            "name": "x",
            "type": "A.B/c",
            "location": "eastus",
            "tags": {"env": "prod"},
        },
        {
            "id": "/subscriptions/1/resourceGroups/two/providers/A.B/d/y",
            "name": "y",
            "type": "A.B/d",
            "location": "westus",
        },
    ]

    @pytest.mark.parametrize(
        ("condition", "names"),
        [
            ("", "xy"),
            ("resourceType eq 'a.b/C'", "x"),
            ("resourceGroup eq 'one'", "x"),
            ("resourceType ne 'A.B/c'", "y"),
            ("tagName eq 'env' and tagValue eq 'prod'", "x"),
            ("name eq 'x' or location eq 'westus'", "xy"),
        ],
    )
    def test_filters(self, condition: str, names: str) -> None:
        assert "".join(body["name"] for body in filtered(self.BODIES, condition)) == names

    @pytest.mark.parametrize("condition", ["color eq 'red'", "name eq x", "name gt 'x'", "substringof('x', name)"])
    def test_other_filters_are_refused(self, condition: str) -> None:
        with pytest.raises(ArmError):
            filtered(self.BODIES, condition)

    def test_paths(self) -> None:
        place = ResourcePath.parse("/subscriptions/1/resourceGroups/g/providers/A.B/c/x/d/y")
        assert place is not None
        assert (place.type, place.name, place.group, place.scope) == (
            "A.B/c/d",
            "x/y",
            "g",
            "/subscriptions/1/resourceGroups/g",
        )
        listed = ResourcePath.parse("/subscriptions/1/providers/A.B/c")
        assert listed is not None and (listed.type, listed.name, listed.group) == ("A.B/c", "", "")
        assert ResourcePath.parse("/providers/A.B/c") is None

    def test_quota_of_resource_graph(self) -> None:
        now = 100.0
        quota = UserQuota(clock=lambda: now)
        left = [quota.spend()["x-ms-user-quota-remaining"] for _ in range(QUOTA)]
        assert (left[0], left[-1]) == (str(QUOTA - 1), "0")
        with pytest.raises(ArmError) as caught:
            quota.spend()
        assert caught.value.status == 429 and 1 <= int(caught.value.headers["Retry-After"]) <= 6
        now = 105.0
        assert quota.spend()["x-ms-user-quota-remaining"] == str(QUOTA - 1)


class TestNames:
    def test_services(self) -> None:
        assert COMMERCIAL.service_at("Login.MicrosoftOnline.com.") is Service.ENTRA
        assert GOVERNMENT.service_at("acct.blob.core.usgovcloudapi.net") is Service.BLOB
        assert COMMERCIAL.service_at("acct.blob.core.usgovcloudapi.net") is None
        assert COMMERCIAL.service_at("x.acct.blob.core.windows.net") is None

    def test_audiences(self) -> None:
        assert GOVERNMENT.is_storage_audience("https://storage.azure.com/")
        assert GOVERNMENT.is_storage_audience("https://acct.blob.core.usgovcloudapi.net")
        assert not GOVERNMENT.is_storage_audience("https://acct.blob.core.windows.net")
        assert not GOVERNMENT.is_arm_audience("https://management.azure.com")
