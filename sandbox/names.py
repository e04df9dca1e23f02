"""The real names of the two clouds, which the sandbox answers to.

Sources: Microsoft Learn, "Compare Azure Government and global Azure"; "Authorize access to blobs with Microsoft Entra
ID" (the storage resource id is one in all clouds).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

STORAGE_AUDIENCES = frozenset({"https://storage.azure.com", "e406a681-f3d4-42a8-90b6-c2b029497af1"})
"""The storage resource, by URI and by application id."""


class Service(StrEnum):
    """What answers behind a name."""

    ENTRA = "entra"
    ARM = "arm"
    BLOB = "blob"


@dataclass(frozen=True, slots=True)
class CloudNames:
    """How one cloud is called on the wire."""

    key: str
    """How the sandbox calls it: `commercial` or `government`."""
    azure_name: str
    logins: tuple[str, ...]
    """Authority hosts, the usual one first."""
    management: str
    arm_audiences: tuple[str, ...]
    suffix: str
    """DNS suffix of storage."""

    @property
    def authority(self) -> str:
        return f"https://{self.logins[0]}"

    @property
    def arm(self) -> str:
        return f"https://{self.management}"

    @property
    def certificate_names(self) -> tuple[str, ...]:
        """Every DNS name that the cloud's one certificate stands for."""
        planes = tuple(f"*.{plane}.{self.suffix}" for plane in ("blob", "queue", "table", "dfs"))
        return (*self.logins, self.management, *planes)

    def endpoint(self, account: str, plane: str = "blob") -> str:
        return f"https://{account}.{plane}.{self.suffix}/"

    def service_at(self, host: str) -> Service | None:
        """Which service answers at `host`, or None where the sandbox has nothing behind the name."""
        host = host.lower().rstrip(".")
        if host in self.logins:
            return Service.ENTRA
        if host == self.management:
            return Service.ARM
        return Service.BLOB if re.fullmatch(rf"[a-z0-9-]+\.blob\.{re.escape(self.suffix)}", host) else None

    def is_storage_audience(self, audience: str) -> bool:
        """Whether a token for `audience` is one for this cloud's storage."""
        audience = audience.rstrip("/")
        host = audience.removeprefix("https://")
        return audience in STORAGE_AUDIENCES or (host != audience and self.service_at(host) is Service.BLOB)

    def is_arm_audience(self, audience: str) -> bool:
        """Whether a token for `audience` is one for this cloud's ARM."""
        return audience.rstrip("/") in self.arm_audiences


COMMERCIAL = CloudNames(
    key="commercial",
    azure_name="AzureCloud",
    logins=("login.microsoftonline.com", "login.windows.net"),
    management="management.azure.com",
    arm_audiences=("https://management.core.windows.net", "https://management.azure.com"),
    suffix="core.windows.net",
)
GOVERNMENT = CloudNames(
    key="government",
    azure_name="AzureUSGovernment",
    logins=("login.microsoftonline.us",),
    management="management.usgovcloudapi.net",
    arm_audiences=("https://management.core.usgovcloudapi.net", "https://management.usgovcloudapi.net"),
    suffix="core.usgovcloudapi.net",
)
