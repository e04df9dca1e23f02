"""The first hour: a migration.toml to fill in, and the checks of `govlift doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flows.wiring import Bench
from mappings.errors import FixTheInput
from mappings.program_text import render_sheet
from mappings.settings import require_name
from tasks.program import load_program_rules

if TYPE_CHECKING:
    from tasks.doctor import Check

TEMPLATE = """\
# One customer's migration. Secrets are named here by environment variable and stand nowhere in this file.
name = "{name}"
customer = ""                     # printed on reports
marking = ""                      # customer-supplied marking for every page of a report; none by default

[source]                          # commercial Azure; read only, nothing is ever written there
cloud = "AzureCloud"
tenant_id = "FILL-IN"
subscriptions = ["FILL-IN"]
# management_group = "NAME"   # in place of subscriptions: everything below this management group

[source.credential]               # roles: Reader; Storage Blob Data Reader; Storage Blob Delegator
kind = "client-secret"            # or certificate, managed-identity, workload-identity, azure-cli
client_id = "FILL-IN"
secret_env = "GOVLIFT_SOURCE_SECRET"

# A classic storage account takes no Entra token; its key is read from the environment, and its use is a finding.
# [[source.shared_keys]]
# account = "name"
# key_env = "GOVLIFT_SOURCE_KEY_NAME"

[target]                          # Azure Government; another tenant, another identity
cloud = "AzureUSGovernment"
tenant_id = "FILL-IN"
subscription = "FILL-IN"
region = ""                       # "" takes the nearest Azure Government region for each source region

[target.credential]               # roles: Contributor on the migration's groups; Storage Blob Data Contributor
kind = "client-secret"
client_id = "FILL-IN"
secret_env = "GOVLIFT_TARGET_SECRET"

[copy]
route = "auto"                    # pull where a probe of the account pair passed, stream otherwise
proof = "L2"                      # L0 size, L1 pin, L2 CRC64 at both ends, L3 SHA-256
concurrency = 512                 # objects in flight at one account, at most; the service's answers decide
"""


def write_template(directory: Path, name: str) -> Path:
    """Write migration.toml into `directory`.

    Raises:
        FixTheInput: `name` is no name of a migration, there is one already, or the folder cannot be written.
    """
    require_name(name)
    path = directory / "migration.toml"
    if directory.exists() and not directory.is_dir():
        raise FixTheInput(f"{directory} is no folder.", next_step="Choose another folder with --dir.")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(TEMPLATE.format(name=name))
    except FileExistsError:
        raise FixTheInput(
            f"{path} exists already.", next_step="Edit it, or choose another folder with --dir."
        ) from None
    except OSError as wrong:
        raise FixTheInput(
            f"{path} cannot be written: {wrong.strerror}.", next_step="Choose another folder with --dir."
        ) from None
    return path


def write_program_sheet(directory: Path, *, keep: bool = False) -> Path | None:
    """Write program.toml, the CSP program sheet, into `directory`.

    Args:
        directory: folder of the migration.
        keep: leave a sheet that is there as it is.

    Returns:
        The file; None where one was there and was kept.

    Raises:
        FixTheInput: there is one already, or the folder cannot be written.
    """
    path = directory / "program.toml"
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(render_sheet(load_program_rules()))
    except FileExistsError:
        if keep:
            return None
        raise FixTheInput(
            f"{path} exists already.", next_step="Fill it in, then run `govlift program check`."
        ) from None
    except OSError as wrong:
        raise FixTheInput(
            f"{path} cannot be written: {wrong.strerror}.", next_step="Choose another folder with --dir."
        ) from None
    return path


def examine(config: Path, *, wait: bool = False, probe: bool = False, source: str = "", into: str = "") -> list[Check]:
    """All checks of both sides; a check that fails does not stop the others.

    Args:
        wait: wait for data roles that were just given, as long as a run would.
        probe: try a pull as well, from `source` and `into`: "account/container", "" takes the first found.

    Raises:
        FixTheInput: `source` or `into` names no container, or is given without `probe`.
    """
    from tasks.doctor import run_checks
    from tasks.doctor_probe import Place, probe_checks

    bench = Bench(config)
    places = Place.parse(source, "--from"), Place.parse(into, "--into")
    if any(places) and not probe:
        raise FixTheInput("--from and --into go with --probe only.", next_step="Add --probe.")
    checks = run_checks(
        bench.settings, bench.environ, role_wait=60 * bench.settings.copy_.role_wait_minutes if wait else 0.0
    )
    if probe:
        checks += probe_checks(bench.settings, bench.environ, source=places[0], into=places[1])
    return checks
