"""The authority of one cloud: OpenID configuration, signing keys, and tokens for an application's own identity.

Sources: Microsoft Learn, "OAuth 2.0 client credentials flow on the Microsoft identity platform" and "Microsoft Entra
authentication and authorization error codes" (AADSTS numbers and sentences).
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import jwt
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.names import CloudNames
from sandbox.storage.backend import TokenRefused

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LIFETIME = 3599
"""Seconds that a token lives."""


@dataclass(slots=True, eq=False)
class EntraError(Exception):
    """An answer of the authority that is not a token."""

    status: int
    error: str
    code: int
    message: str

    def answer(self) -> web.Response:
        """The error as the authority words it."""
        now, trace, correlation = datetime.now(UTC), uuid.uuid4(), uuid.uuid4()
        moment = now.strftime("%Y-%m-%d %H:%M:%SZ")
        text = f"AADSTS{self.code}: {self.message} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {moment}"
        body = {
            "error": self.error,
            "error_description": text,
            "error_codes": [self.code],
            "timestamp": moment,
            "trace_id": str(trace),
            "correlation_id": str(correlation),
        }
        return web.json_response(body, status=self.status)


class Authority:
    """One cloud's authority: one tenant, one application, one signing key.

    Args:
        names: the cloud.
        tenant_id: the one tenant it knows.
        client_id: the one application it knows.
        client_secret: that application's secret.
        client_certificate: PEM file with that application's certificate.
    """

    def __init__(
        self, names: CloudNames, *, tenant_id: str, client_id: str, client_secret: str, client_certificate: Path
    ) -> None:
        self.names = names
        self.tenant_id = tenant_id
        self.client_id = client_id
        self.object_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{tenant_id}/{client_id}"))
        self.issuer = f"https://sts.windows.net/{tenant_id}/"
        self._secret = client_secret
        self._certificate = x509.load_pem_x509_certificate(client_certificate.read_bytes())
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._key_id = uuid.uuid4().hex

    def issue(self, audience: str) -> str:
        """A token of the application for `audience`, signed."""
        now = int(time.time())
        claims = {
            "aud": audience,
            "iss": self.issuer,
            "iat": now,
            "nbf": now,
            "exp": now + LIFETIME,
            "appid": self.client_id,
            "appidacr": "1",
            "idp": self.issuer,
            "idtyp": "app",
            "oid": self.object_id,
            "sub": self.object_id,
            "tid": self.tenant_id,
            "uti": uuid.uuid4().hex,
            "ver": "1.0",
        }
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": self._key_id, "x5t": self._key_id})

    def verify(self, authorization: str, is_audience: Callable[[str], bool]) -> Mapping[str, Any]:
        """The claims of a token of this authority, for an audience that `is_audience` knows.

        Raises:
            TokenRefused: other signer, tenant or audience, expired, or no token at all.
        """
        token = authorization.removeprefix("Bearer ").strip()
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key.public_key(),
                algorithms=["RS256"],
                issuer=self.issuer,
                options={"verify_aud": False, "require": ["exp", "nbf", "aud", "tid"]},
            )
        except jwt.PyJWTError as problem:
            raise TokenRefused(f"The access token is invalid: {problem}") from problem
        if not is_audience(str(claims["aud"])):
            raise TokenRefused(f"The access token has been obtained for wrong audience or resource '{claims['aud']}'.")
        if claims["tid"] != self.tenant_id:
            raise TokenRefused("The access token is from the wrong tenant.")
        return claims

    def verify_storage(self, authorization: str) -> Mapping[str, Any]:
        """`verify` for this cloud's storage; fits `sandbox.storage.backend.VerifyBearer`."""
        return self.verify(authorization, self.names.is_storage_audience)

    def application(self) -> web.Application:
        """The authority as a web application."""
        app = web.Application()
        app.router.add_get("/common/discovery/instance", self._instance)
        app.router.add_get("/{tenant}/v2.0/.well-known/openid-configuration", self._configuration)
        app.router.add_get("/{tenant}/discovery/v2.0/keys", self._keys)
        app.router.add_post("/{tenant}/oauth2/v2.0/token", self._token)
        app.router.add_post("/{tenant}/oauth2/token", self._token)
        return app

    async def _instance(self, request: web.Request) -> web.Response:
        base = f"https://{request.host}/{self.tenant_id}"
        aliases = list(self.names.logins)
        entry = {"preferred_network": aliases[0], "preferred_cache": aliases[-1], "aliases": aliases}
        configuration = f"{base}/v2.0/.well-known/openid-configuration"
        return web.json_response(
            {"tenant_discovery_endpoint": configuration, "api-version": "1.1", "metadata": [entry]}
        )

    async def _configuration(self, request: web.Request) -> web.Response:
        try:
            self._require_tenant(request)
        except EntraError as refusal:
            return refusal.answer()
        base = f"https://{request.host}/{self.tenant_id}"
        return web.json_response(
            {
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
                "jwks_uri": f"{base}/discovery/v2.0/keys",
                "issuer": f"{base}/v2.0",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
                "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "subject_types_supported": ["pairwise"],
            }
        )

    async def _keys(self, request: web.Request) -> web.Response:
        key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key()))
        return web.json_response({"keys": [{**key, "kid": self._key_id, "use": "sig", "issuer": self.issuer}]})

    async def _token(self, request: web.Request) -> web.Response:
        form = dict(parse_qsl((await request.read()).decode()))
        try:
            self._require_tenant(request)
            if form.get("grant_type") != "client_credentials":
                raise EntraError(400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type.")
            self._require_application(request, form)
            token = self.issue(self._audience(form))
        except EntraError as refusal:
            return refusal.answer()
        answer: dict[str, Any] = {"token_type": "Bearer", "expires_in": LIFETIME, "ext_expires_in": LIFETIME}
        if request.path.endswith("/oauth2/token"):  # Version 1 tells the moment too, and numbers as text.
            answer = {
                "token_type": "Bearer",
                "expires_in": str(LIFETIME),
                "expires_on": str(int(time.time()) + LIFETIME),
            }
        return web.json_response({**answer, "access_token": token})

    def _require_tenant(self, request: web.Request) -> None:
        tenant = request.match_info["tenant"]
        if tenant.lower() != self.tenant_id:
            raise EntraError(
                400,
                "invalid_request",
                90002,
                f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into "
                "the correct cloud. Check with your subscription administrator, this may happen if there are no active "
                "subscriptions for the tenant.",
            )

    def _require_application(self, request: web.Request, form: Mapping[str, str]) -> None:
        client = form.get("client_id", "")
        if client.lower() != self.client_id.lower():
            raise EntraError(
                400,
                "unauthorized_client",
                700016,
                f"Application with identifier '{client}' was not found in the directory '{self.tenant_id}'. This can "
                "happen if the application has not been installed by the administrator of the tenant or consented to "
                "by any user in the tenant. You may have sent your authentication request to the wrong tenant.",
            )
        if "client_assertion" in form:
            self._require_assertion(request, form)
        elif form.get("client_secret") != self._secret:
            raise EntraError(
                401,
                "invalid_client",
                7000215,
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret "
                f"value, not the client secret ID, for a secret added to app '{client}'.",
            )

    def _require_assertion(self, request: web.Request, form: Mapping[str, str]) -> None:
        audience = f"https://{request.host}/{self.tenant_id}/oauth2/v2.0/token"
        key = self._certificate.public_key()
        assert isinstance(key, rsa.RSAPublicKey)
        try:
            claims = jwt.decode(
                form["client_assertion"],
                key,
                algorithms=["RS256", "PS256"],
                audience=audience,
                options={"require": ["exp"]},
            )
            good = form.get("client_assertion_type") == ASSERTION_TYPE and claims.get("sub") == form["client_id"]
        except jwt.PyJWTError:
            good = False
        if not good:
            raise EntraError(401, "invalid_client", 700027, "Client assertion failed signature validation.")

    def _audience(self, form: Mapping[str, str]) -> str:
        scope = form.get("scope", "").split()
        if "resource" not in form and (not scope or not scope[0].endswith("/.default")):
            raise EntraError(
                400,
                "invalid_scope",
                1002012,
                f"The provided value for scope {form.get('scope', '')} is not valid. Client credential flows must have "
                "a scope value with /.default suffixed to the resource identifier (application ID URI).",
            )
        audience = form.get("resource") or scope[0].removesuffix("/.default")
        if not (self.names.is_arm_audience(audience) or self.names.is_storage_audience(audience)):
            raise EntraError(
                400,
                "invalid_resource",
                500011,
                f"The resource principal named {audience} was not found in the tenant named {self.tenant_id}. This can "
                "happen if the application has not been installed by the administrator of the tenant or consented to "
                "by any user in the tenant.",
            )
        return audience
