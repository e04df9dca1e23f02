"""A session: one cloud, one tenant, one identity. Its tokens are proved to be of that tenant and stay in that cloud.

Whether the real clouds or others under the same names answer is the environment's affair (`HTTPS_PROXY`,
`REQUESTS_CA_BUNDLE` for requests, `SSL_CERT_FILE` for aiohttp), as with any Azure SDK program.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, assert_never
from urllib.parse import parse_qs, urlsplit

from azure.core.pipeline import PipelineRequest
from azure.core.pipeline.policies import SansIOHTTPPolicy

from mappings.clouds import Cloud
from mappings.errors import AskForApproval, FixTheInput, GrantAccess
from mappings.settings import Credential
from tasks.clients.credentials import CredentialOnThread, Handed, PinnedCredential, chosen_credential
from tasks.clients.errors import translated

_READS = frozenset({"GET", "HEAD", "OPTIONS"})


class HostGuard(SansIOHTTPPolicy[Any, Any]):
    """Refuses a request before anything is sent, the token included: a host of another cloud, or no https.

    With `reads_only` also everything that could change something. Sits behind the redirect policy of the SDK
    pipelines (`per_retry_policies`, `raw_request_hook`), so a redirect or next link to elsewhere is caught as well.
    """

    def __init__(self, cloud: Cloud, *, reads_only: bool) -> None:
        super().__init__()
        self.cloud = cloud
        self.reads_only = reads_only

    def on_request(self, request: PipelineRequest[Any]) -> None:
        self.check(request.http_request.method, request.http_request.url)

    def check(self, method: str, url: str) -> None:
        """Raise AskForApproval unless a `method` request to `url` may carry this cloud's credentials."""
        parts = urlsplit(url)
        self.cloud.require(parts.hostname or "")
        if parts.scheme != "https":
            raise AskForApproval(
                f"{parts.hostname} was to be asked without TLS, so no credentials are sent.",
                next_step="Use an https endpoint.",
            )
        if self.reads_only and not _only_reads(method, parts.path, parts.query):
            raise AskForApproval(
                f"{method} {parts.path} at {parts.hostname} would write to the source, which is only ever read.",
                next_step="This is a defect of govlift: report it with this sentence.",
            )
        if method == "POST" and parts.path.lower().endswith("/register") and "/providers/" in parts.path.lower():
            raise GrantAccess(
                f"The resource provider {parts.path.split('/')[-2]} is not registered in the target subscription.",
                next_step=f"Register it once: az provider register --namespace {parts.path.split('/')[-2]}.",
            )


def _only_reads(method: str, path: str, query: str) -> bool:
    if method.upper() in _READS:
        return True
    if method.upper() != "POST":
        return False
    # Two reads are POSTs: a Resource Graph query, and asking for a user delegation key.
    graph = path.lower().rstrip("/") == "/providers/microsoft.resourcegraph/resources"
    return graph or parse_qs(query).get("comp") == ["userdelegationkey"]


class Session:
    """One cloud, one tenant, one identity. Built in `flows/wiring.py` and passed down.

    Args:
        reads_only: every client built on this session refuses to send a request that could write; set for the source.
    """

    def __init__(
        self, cloud: Cloud, tenant_id: str, credential: Credential, secret: str, *, reads_only: bool = False
    ) -> None:
        self.cloud = cloud
        self.tenant_id = tenant_id.lower()
        self.client_id = credential.client_id
        self.reads_only = reads_only
        self._settings = credential
        self._secret = secret
        self._credential: PinnedCredential | None = None
        self._handed: Handed | None = None

    @property
    def credential(self) -> PinnedCredential:
        """For the sync clients; made at first use. It may be asked on any thread."""
        if self._credential is None:
            made = partial(chosen_credential, self._settings, self.cloud, self.tenant_id, self._secret)
            self._credential = PinnedCredential(made, self.cloud, self.tenant_id, self._handed)
        return self._credential

    @property
    def aio_credential(self) -> CredentialOnThread:
        """The same for the aio clients."""
        return CredentialOnThread(self.credential)

    def policies(self, *, reads_only: bool | None = None) -> list[HostGuard]:
        """Policies for an SDK pipeline, sync or aio: as `per_retry_policies` of management clients.

        Storage clients take no such list; give them `raw_request_hook=session.policies()[0].on_request`, which runs
        for every attempt, after redirects and before the credential. `reads_only` None takes the session's own.
        """
        return [HostGuard(self.cloud, reads_only=self.reads_only if reads_only is None else reads_only)]

    def prove(self) -> None:
        """Sign in and check that the token is of the tenant of the settings. Changes nothing anywhere.

        Raises:
            GrantAccess: Entra refused; the sentence says why by AADSTS code.
            TryLater: the authority does not answer.
            AskForApproval: the identity is of another tenant.
        """
        with translated("sign in", cloud=self.cloud):
            self.credential.get_token(self.cloud.arm_scope)

    async def storage_token(self) -> Handed:
        """A token for storage, for another process of this migration. Raises as `prove`."""
        with translated("sign in", cloud=self.cloud):
            info = await self.aio_credential.get_token_info(self.cloud.storage_scope)
        return Handed(info.token, info.expires_on)

    def hand(self, token: Handed) -> None:
        """Use a token for storage that another process of this migration has, until it ends; then sign in.

        Clients that were made before do not see it. A token of another tenant is refused when it is used.
        """
        self.close()
        self._handed = token

    def close(self) -> None:
        """Close the connections to the authority."""
        if self._credential is not None:
            self._credential.close()
            self._credential = None


def open_session(
    cloud: Cloud, tenant_id: str, credential: Credential, environ: Mapping[str, str], *, reads_only: bool = False
) -> Session:
    """A session from settings; nothing is sent yet.

    Args:
        environ: where a client secret is read from, by the name in `credential.secret_env`.

    Raises:
        FixTheInput: that variable is not set or empty.
    """
    secret = ""
    match credential.kind:
        case "client-secret":
            secret = environ.get(credential.secret_env, "").strip()
            if not secret:
                raise FixTheInput(
                    f"The variable {credential.secret_env} (client secret for {cloud.name}) is not set.",
                    next_step=f"Set {credential.secret_env} to the secret's value and run again.",
                )
        case "workload-identity":
            secret = environ.get("AZURE_FEDERATED_TOKEN_FILE", "")
            if not secret:
                raise FixTheInput(
                    "The variable AZURE_FEDERATED_TOKEN_FILE, which names the workload's token file, is not set.",
                    next_step="Run in a pod with workload identity, or choose another kind of credential.",
                )
        case "certificate" | "managed-identity" | "azure-cli":
            pass
        case _ as never:
            assert_never(never)
    return Session(cloud, tenant_id, credential, secret, reads_only=reads_only)
