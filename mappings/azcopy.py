"""AzCopy as an external process: what it is told, by which means, and what it says at its end.

Of the two credentials one goes by environment: the target's, as AZCOPY_AUTO_LOGIN_TYPE and its kin. The source's
cannot. AzCopy passes one Entra token to both sides, which two tenants refuse, so the source needs a SAS; and AzCopy
takes a SAS nowhere but in the URL, and the URL nowhere but on its command line, where every user of the machine can
read it. So it is refused unless the settings allow it by name. Read from `azcopy copy --help` and `azcopy env` of
10.32.2.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import assert_never

from mappings.clouds import Cloud
from mappings.settings import Credential


def environment_of(credential: Credential, tenant_id: str, cloud: Cloud, secret: str) -> dict[str, str]:
    """What signs AzCopy in at the target; `secret` of a client secret, else "" (see "azcopy env")."""
    signed: dict[str, str] = {}
    match credential.kind:
        case "client-secret":
            signed = {"AZCOPY_AUTO_LOGIN_TYPE": "SPN", "AZCOPY_SPA_CLIENT_SECRET": secret}
            signed["AZCOPY_SPA_APPLICATION_ID"] = credential.client_id
        case "certificate":
            signed = {"AZCOPY_AUTO_LOGIN_TYPE": "SPN", "AZCOPY_SPA_CERT_PATH": credential.certificate_path}
            signed["AZCOPY_SPA_APPLICATION_ID"] = credential.client_id
        case "managed-identity":
            signed = {"AZCOPY_AUTO_LOGIN_TYPE": "MSI"}
            signed |= {"AZCOPY_MSI_CLIENT_ID": credential.client_id} if credential.client_id else {}
        case "workload-identity":
            signed = {"AZCOPY_AUTO_LOGIN_TYPE": "WORKLOAD"}
        case "azure-cli":
            signed = {"AZCOPY_AUTO_LOGIN_TYPE": "AZCLI"}
        case _:
            assert_never(credential.kind)
    return signed | {
        "AZCOPY_TENANT_ID": tenant_id,
        "AZCOPY_ACTIVE_DIRECTORY_ENDPOINT": f"https://{cloud.authority}",
        "AZCOPY_DISABLE_SYSLOG": "true",
    }


def command(binary: str, source_url: str, target_url: str, names_file: str, *, mib_per_second: float) -> list[str]:
    """The command line of one job.

    Args:
        source_url: of the container, with its SAS.
        target_url: of the container, without one.
        names_file: a name a line; nothing else is copied.
        mib_per_second: cap of this process; 0 is none.
    """
    # Never over what is there: AzCopy has no condition on the target, so it gets only names that are free. Tags need a
    # permission that the SAS does not have; govlift brings them over.
    words = [
        *(binary, "copy", source_url, target_url, "--from-to=BlobBlob", "--recursive", "--as-subdir=false"),
        *(f"--list-of-files={names_file}", "--overwrite=false", "--s2s-detect-source-changed=true"),
        *("--s2s-handle-invalid-metadata=FailIfInvalid", "--skip-version-check"),
        *("--output-type=json", "--log-level=NONE"),
    ]
    return [*words, f"--cap-mbps={mib_per_second * 8.388608:.2f}"] if mib_per_second else words


@dataclass(frozen=True, slots=True)
class Ending:
    """What AzCopy says of its job. Nothing of it counts as proof."""

    status: str
    completed: int
    failed: int
    skipped: int


def ending(lines: Iterable[str]) -> Ending | None:
    """The last message of a job with `--output-type=json`; None where it ended without one."""
    found = None
    for line in lines:
        message = _object(line)
        if message.get("MessageType") == "EndOfJob":
            told = _object(str(message.get("MessageContent", "")))
            counts = [int(str(told.get(f"Transfers{what}", 0))) for what in ("Completed", "Failed", "Skipped")]
            found = Ending(str(told.get("JobStatus", "")), *counts)
    return found


def moved(lines: Iterable[str]) -> int:
    """A number that differs from that of an earlier moment where the job has moved on since; 0 before it tells."""
    found = 0
    for line in lines:
        message = _object(line)
        if message.get("MessageType") == "Progress":
            told = _object(str(message.get("MessageContent", "")))
            found = sum(int(str(told.get(name, 0))) for name in _MOVING)
    return found


_MOVING = ("TotalTransfers", "TransfersCompleted", "TransfersFailed", "TransfersSkipped", "TotalBytesTransferred")


def _object(text: str) -> Mapping[str, object]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def can_carry(name: str) -> bool:
    """Whether a list of names, one a line, can hold this one."""
    return name == name.strip() and name.isprintable()
