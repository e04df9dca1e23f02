"""Credentials that answer for one cloud and one tenant only, over those of azure-identity."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar, assert_never, cast

from azure.core.credentials import AccessToken, AccessTokenInfo, SupportsTokenInfo, TokenRequestOptions

from mappings.clouds import Cloud
from mappings.errors import AskForApproval, FixTheInput
from mappings.settings import Credential

T = TypeVar("T")


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


EARLY = 300.0
"""Seconds before its end that a token is not used any more; azure-core's own clients ask for another one then."""


class Handed(NamedTuple):
    """A token for storage that one process of a migration hands to another."""

    token: str
    expires_on: int
    """Seconds since the epoch."""


class PinnedCredential:
    """A token credential that answers for one cloud and one tenant only.

    Args:
        made: makes the credential that is asked, at first use.
        handed: a token for storage that another process of this migration has; while it lasts, nobody is asked for
            one. None: there is none.
    """

    def __init__(
        self,
        made: Callable[[], SupportsTokenInfo],
        cloud: Cloud,
        tenant_id: str,
        handed: Handed | None = None,
    ) -> None:
        self._made, self._cloud, self._tenant_id = made, cloud, tenant_id
        self._handed = handed
        self._inner: SupportsTokenInfo | None = None
        self._making = threading.Lock()
        self._proved = ""

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        info = self.get_token_info(*scopes, options=_asked(options))
        return AccessToken(info.token, info.expires_on)

    def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        self._check_scopes(scopes)
        info = None if options else self._handed_for(scopes)
        if info is None:
            info = self._credential().get_token_info(*scopes, options=options)
        self._check_token(info.token)
        return info

    def close(self) -> None:
        if self._inner is not None:
            self._inner.close()

    def _handed_for(self, scopes: tuple[str, ...]) -> AccessTokenInfo | None:
        handed = self._handed
        if handed is None or scopes != (self._cloud.storage_scope,) or handed.expires_on <= time.time() + EARLY:
            return None
        return AccessTokenInfo(*handed)

    def _credential(self) -> SupportsTokenInfo:
        with self._making:
            if self._inner is None:
                self._inner = self._made()
            return self._inner

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


class CredentialOnThread:
    """A credential for the aio clients over one for the others, which is asked on a thread.

    The aio credentials of azure-identity would be a second sign-in, and the only ones in a worker to need aiohttp, a
    seventh of its start.
    """

    def __init__(self, inner: PinnedCredential) -> None:
        self._inner = inner

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        info = await self.get_token_info(*scopes, options=_asked(options))
        return AccessToken(info.token, info.expires_on)

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        return await _on_thread(lambda: self._inner.get_token_info(*scopes, options=options))

    async def close(self) -> None:
        """Nothing is held here; the session closes what is below."""

    async def __aenter__(self) -> CredentialOnThread:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _asked(options: Mapping[str, Any]) -> TokenRequestOptions:
    asked = TokenRequestOptions()
    if options.get("claims"):
        asked["claims"] = options["claims"]
    return asked


async def _on_thread(work: Callable[[], T]) -> T:
    """What `work` gives. Who is cancelled does not wait for it, nor does the end of the process: an authority that does
    not answer may take minutes."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[T] = loop.create_future()

    def tell(result: T | None, wrong: BaseException | None) -> None:
        if ended.done():
            return
        if wrong is not None:
            ended.set_exception(wrong)
        else:
            ended.set_result(cast(T, result))

    def run() -> None:
        result, wrong = None, None
        try:
            result = work()
        except Exception as failed:
            wrong = failed
        with suppress(RuntimeError):  # The loop has ended meanwhile.
            loop.call_soon_threadsafe(tell, result, wrong)

    threading.Thread(target=run, name="govlift-sign-in", daemon=True).start()
    return await ended


def chosen_credential(chosen: Credential, cloud: Cloud, tenant_id: str, secret: str) -> SupportsTokenInfo:
    """The credential for `chosen` at this cloud's authority.

    Args:
        secret: the client secret, or the token file of workload identity.

    Raises:
        FixTheInput: the certificate file is missing or unusable.
    """
    # It brings much along, which who only plans or reports does without.
    from azure import identity

    here: dict[str, Any] = {"authority": cloud.authority}
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
            return identity.ManagedIdentityCredential(client_id=chosen.client_id or None)
        case "workload-identity":
            return identity.WorkloadIdentityCredential(
                tenant_id=tenant_id, client_id=chosen.client_id or None, token_file_path=secret, **here
            )
        case "azure-cli":
            return identity.AzureCliCredential(tenant_id=tenant_id)
        case _ as never:
            assert_never(never)
