"""Credentials that answer for one cloud and one tenant only, over those of azure-identity."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, assert_never

from azure.core.credentials import AccessToken, AccessTokenInfo, SupportsTokenInfo, TokenRequestOptions
from azure.core.credentials_async import AsyncSupportsTokenInfo

from mappings.clouds import Cloud
from mappings.errors import AskForApproval, FixTheInput
from mappings.settings import Credential


def claims_of(token: str) -> Mapping[str, Any]:
    """The claims of a JWT, not verified: the service that takes the token verifies it; we only compare its tenant.

    Raises:
        AskForApproval: not a JWT, so its tenant cannot be told.
    """
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, binascii.Error, ValueError):
        claims = None
    if not isinstance(claims, dict):
        raise AskForApproval(
            "The access token is not readable, so the tenant behind it cannot be proved.",
            next_step="Use one of the documented kinds of credential.",
        )
    return claims


class _Pinned:
    """What both credentials share: only this cloud's scopes are asked for, only this tenant's tokens come out."""

    def __init__(self, cloud: Cloud, tenant_id: str) -> None:
        self._cloud = cloud
        self._tenant_id = tenant_id
        self._proved = ""

    def _check_scopes(self, scopes: tuple[str, ...]) -> None:
        strange = [scope for scope in scopes if scope not in (self._cloud.arm_scope, self._cloud.storage_scope)]
        if strange:
            raise AskForApproval(
                f"A token for {strange[0]} is not asked for with a credential of {self._cloud.name}.",
                next_step="Check the cloud names in migration.toml.",
            )

    def _check_token(self, token: str) -> None:
        if token == self._proved:
            return
        tenant = claims_of(token).get("tid", "")
        if str(tenant).lower() != self._tenant_id.lower():
            raise AskForApproval(
                f"The credential of {self._cloud.name} is of tenant {tenant or 'unknown'}, not of {self._tenant_id}.",
                next_step="Correct tenant_id or the credential in migration.toml; nothing was read or written.",
            )
        self._proved = token


class PinnedCredential(_Pinned):
    """A token credential that answers for one cloud and one tenant only."""

    def __init__(self, inner: SupportsTokenInfo, cloud: Cloud, tenant_id: str) -> None:
        super().__init__(cloud, tenant_id)
        self._inner = inner

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        asked = TokenRequestOptions()
        if options.get("claims"):
            asked["claims"] = options["claims"]
        info = self.get_token_info(*scopes, options=asked)
        return AccessToken(info.token, info.expires_on)

    def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        self._check_scopes(scopes)
        info = self._inner.get_token_info(*scopes, options=options)
        self._check_token(info.token)
        return info

    def close(self) -> None:
        self._inner.close()


class AsyncPinnedCredential(_Pinned):
    """`PinnedCredential` for the async clients."""

    def __init__(self, inner: AsyncSupportsTokenInfo, cloud: Cloud, tenant_id: str) -> None:
        super().__init__(cloud, tenant_id)
        self._inner = inner

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        asked = TokenRequestOptions()
        if options.get("claims"):
            asked["claims"] = options["claims"]
        info = await self.get_token_info(*scopes, options=asked)
        return AccessToken(info.token, info.expires_on)

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        self._check_scopes(scopes)
        info = await self._inner.get_token_info(*scopes, options=options)
        self._check_token(info.token)
        return info

    async def close(self) -> None:
        await self._inner.close()

    async def __aenter__(self) -> AsyncPinnedCredential:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def chosen_credential(
    identity: Any, chosen: Credential, cloud: Cloud, tenant_id: str, secret: str, **transport: Any
) -> Any:
    """The credential for `chosen` at this cloud's authority; `identity` is azure.identity or azure.identity.aio.

    Args:
        secret: the client secret, or the token file of workload identity.
        transport: options of the HTTP transport, for the kinds that use one.

    Raises:
        FixTheInput: the certificate file is missing or unusable.
    """
    here = {"authority": cloud.authority, **transport}
    match chosen.kind:
        case "client-secret":
            return identity.ClientSecretCredential(tenant_id, chosen.client_id, secret, **here)
        case "certificate":
            try:
                return identity.CertificateCredential(tenant_id, chosen.client_id, chosen.certificate_path, **here)
            except (OSError, ValueError) as wrong:
                raise FixTheInput(
                    f"The certificate {chosen.certificate_path} for {cloud.name} cannot be used: {wrong}.",
                    next_step="Give a PEM or PFX file that holds the certificate and its private key.",
                ) from None
        case "managed-identity":
            return identity.ManagedIdentityCredential(client_id=chosen.client_id or None, **transport)
        case "workload-identity":
            return identity.WorkloadIdentityCredential(
                tenant_id=tenant_id, client_id=chosen.client_id or None, token_file_path=secret, **here
            )
        case "azure-cli":
            return identity.AzureCliCredential(tenant_id=tenant_id)
        case _ as never:
            assert_never(never)
