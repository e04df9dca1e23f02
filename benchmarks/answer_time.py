"""How long the commands take that only decide, read or report, beside a bare start of the interpreter.

They must not import Prefect, which alone takes seconds. Prints the median of the runs and its ratio to the bare start.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def inventory(resources: int) -> list[dict[str, object]]:
    """As `az resource list` gives them."""
    types = (
        "Microsoft.Compute/virtualMachines",
        "Microsoft.Storage/storageAccounts",
        "Microsoft.Network/virtualNetworks",
    )
    group = "/subscriptions/00000000-0000-4000-8000-000000000000/resourceGroups/bench"
    return [
        {"id": f"{group}/providers/{types[n % 3]}/r{n}", "name": f"r{n}", "type": types[n % 3], "location": "eastus"}
        for n in range(resources)
    ]


def median(words: list[str], runs: int) -> float:
    """Median wall seconds of a command, after one run that warms the caches."""
    taken = []
    for _ in range(runs + 1):
        began = time.perf_counter()
        subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--resources", type=int, default=1000)
    options = parser.parse_args()
    govlift = [sys.executable, "-m", "flows.cli"]
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder) / "exported.json"
        exported.write_text(json.dumps(inventory(options.resources)), encoding="utf-8")
        commands = {
            "bare interpreter": [sys.executable, "-c", "pass"],
            "import prefect": [sys.executable, "-c", "import prefect"],
            "govlift --help": [*govlift, "--help"],
            "govlift rules list": [*govlift, "rules", "list"],
            f"govlift assess --from ({options.resources:,} resources)": [
                *govlift,
                "assess",
                "--from",
                str(exported),
                "--json",
            ],
        }
        bare = 0.0
        sys.stdout.write(f"{'command':50} {'median s':>9} {'x bare':>7}\n")
        for name, words in commands.items():
            seconds = median(words, options.runs)
            bare = bare or seconds
            sys.stdout.write(f"{name:50} {seconds:9.2f} {seconds / bare:7.1f}\n")


if __name__ == "__main__":
    main()
