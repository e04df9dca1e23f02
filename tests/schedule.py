"""Which tests run in one worker after each other, and which begin first.

The groups of `--dist loadgroup` do not hold with pytest 9.2, which builds the ids of tests from another field than
pytest-xdist writes to; tests would be dealt out one by one, and each worker would start every server anew.
"""

from __future__ import annotations

from typing import Any

from xdist.scheduler import LoadScopeScheduling

SHARING = (
    "tests/benchmarks", "tests/clients", "tests/controlplane", "tests/e2e", "tests/faults", "tests/kills",
    "tests/ledger", "tests/sandbox/conformance", "tests/sandbox",
)  # fmt: skip
"""Folders whose tests share a server that costs more to start than a test; elsewhere a module shares its fixtures."""
SECONDS: dict[str, float] = {
    "tests/e2e": 320, "tests/kills": 240, "tests/faults": 110, "tests/controlplane": 90,
    "tests/accessibility/test_page.py": 80, "tests/benchmarks": 60, "tests/sandbox": 60,
    "tests/sandbox/conformance": 50, "tests/ledger": 45, "tests/clients": 40,
}  # fmt: skip
"""About, with what they wait: what takes long begins early, so that no worker is left alone with it at the end."""


class LongestFirst(LoadScopeScheduling):
    """Deals out folders and modules whole, the longest first."""

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        return next((folder for folder in SHARING if module.startswith(f"{folder}/")), module)

    def _assign_work_unit(self, node: Any) -> None:
        self.workqueue.move_to_end(max(self.workqueue, key=self._seconds), last=False)
        super()._assign_work_unit(node)

    def _seconds(self, scope: str) -> float:
        return SECONDS.get(scope, len(self.workqueue[scope]) / 100)
