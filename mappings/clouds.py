"""The two clouds, as frozen values. There is no default cloud: every caller names one.

Sources: Microsoft Learn, "Compare Azure Government and global Azure" (endpoint tables, 2023-06-08, re-read 2026-10-12);
azure-core 1.41 `azure.mgmt.core.tools.get_arm_endpoints`. Endpoint literals stand in this module only.
"""

from __future__ import annotations

from dataclasses import dataclass

from mappings.errors import AskForApproval, FixTheInput


@dataclass(frozen=True, slots=True)
class Cloud:
    """One Azure cloud: whom to ask for tokens, where ARM is, how its data planes are named."""

    name: str
    """The name that `az cloud list` and `Microsoft.*` APIs use."""
    authority: str
    """Host of the Entra authority."""
    arm: str
    """ARM endpoint, with scheme, no trailing slash."""
    arm_scope: str
    """OAuth scope for ARM."""
    storage_suffix: str
    """DNS suffix of storage endpoints, as in `<account>.blob.<suffix>`."""
    portal: str
    """Host of the portal, for links in reports."""
    storage_scope: str = "https://storage.azure.com/.default"
    """OAuth scope of the blob data plane; the same resource in both clouds."""

    def blob_endpoint(self, account: str) -> str:
        """The blob endpoint of `account`, with scheme, no trailing slash."""
        return f"https://{account}.blob.{self.storage_suffix}"

    def owns(self, host: str) -> bool:
        """Whether a request to `host` stays inside this cloud."""
        host = host.lower().rstrip(".")
        own = (self.authority, self.arm.removeprefix("https://"))
        return host in own or host.endswith("." + self.storage_suffix)

    def require(self, host: str) -> None:
        """Refuse a host of another cloud before a token or SAS of this one is sent to it.

        Raises:
            AskForApproval: `host` is not one of this cloud's.
        """
        if not self.owns(host):
            raise AskForApproval(
                f"{host} is not a host of {self.name}, so its credentials are not sent there.",
                next_step="Check the cloud, tenant and account names in migration.toml.",
            )


COMMERCIAL = Cloud(
    name="AzureCloud",
    authority="login.microsoftonline.com",
    arm="https://management.azure.com",
    arm_scope="https://management.azure.com/.default",
    storage_suffix="core.windows.net",
    portal="portal.azure.com",
)
GOVERNMENT = Cloud(
    name="AzureUSGovernment",
    authority="login.microsoftonline.us",
    arm="https://management.usgovcloudapi.net",
    arm_scope="https://management.core.usgovcloudapi.net/.default",
    storage_suffix="core.usgovcloudapi.net",
    portal="portal.azure.us",
)
CLOUDS: dict[str, Cloud] = {cloud.name: cloud for cloud in (COMMERCIAL, GOVERNMENT)}


def cloud_named(name: str) -> Cloud:
    """The cloud called `name`.

    Raises:
        FixTheInput: no such cloud.
    """
    if name not in CLOUDS:
        raise FixTheInput(f'There is no cloud "{name}".', next_step=f"Use one of: {', '.join(CLOUDS)}.")
    return CLOUDS[name]
