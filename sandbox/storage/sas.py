"""Shared access signatures: account, service and user delegation.

REST: "Create an account SAS", "Create a service SAS", "Create a user delegation SAS", "Define a stored access policy",
"Get User Delegation Key". Signature, times, protocol, address, resource and permissions are all checked. A user
delegation key is derived from its own fields and a secret of the account, so a changed field changes the key.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping

from sandbox.storage.call import Call
from sandbox.storage.errors import AzureError, not_modelled
from sandbox.storage.grants import Grant, GrantKind
from sandbox.storage.model import Container, Policy
from sandbox.storage.shared_key import sign
from sandbox.storage.stamps import iso_second, parse_iso

_OLDEST = "2015-04-05"
_WITH_RESOURCE = "2018-11-09"
_WITH_AGENTS = "2020-02-10"
_WITH_SCOPE = "2020-12-06"
_WITH_DELEGATED_USER = "2025-07-05"
_WITH_REQUEST_PARTS = "2026-04-06"
_OVERRIDES = {
    "rscc": "Cache-Control",
    "rscd": "Content-Disposition",
    "rsce": "Content-Encoding",
    "rscl": "Content-Language",
    "rsct": "Content-Type",
}
_NOT_MODELLED = ("saoid", "suoid", "scid", "ses", "sdd", "skdutid", "sduoid", "srh", "srq")


def delegation_key(secret: bytes, *, oid: str, tid: str, start: str, expiry: str, service: str, version: str) -> str:
    """The value (Base64) of the user delegation key with these fields."""
    return sign(secret, "\n".join((oid, tid, start, expiry, service, version)))


def check_sas(call: Call) -> Grant:
    """What the SAS in the query of `call` grants.

    Raises:
        AzureError: 403 for a SAS that is not good for this request.
    """
    query = call.query
    for name in _NOT_MODELLED:
        if query.get(name):
            raise not_modelled(f"SAS field {name}")
    if query.get("sv", "") < _OLDEST:
        raise _refused("sv is mandatory and cannot be older than 2015-04-05.")
    if "ss" in query or "srt" in query:
        return _account_sas(call)
    if "skoid" in query:
        return _delegation_sas(call)
    return _service_sas(call)


def _refused(detail: str) -> AzureError:
    return AzureError("AuthenticationFailed", details={"AuthenticationErrorDetail": detail})


def _check_signature(key: bytes, text: str, query: Mapping[str, str]) -> None:
    if not hmac.compare_digest(sign(key, text).encode(), query.get("sig", "").encode("utf-8", "replace")):
        raise _refused("Signature did not match.")


def _check_times(call: Call, start: str, expiry: str) -> None:
    ends = parse_iso(expiry) if expiry else None
    begins = parse_iso(start) if start else 0.0
    if ends is None or begins is None:
        raise _refused("Signature fields not well formed.")
    if not begins <= call.now < ends:
        raise _refused(
            f"Signature not valid in the specified time frame: Start [{start}] - Expiry [{expiry}] - "
            f"Current [{iso_second(call.now)}]"
        )


def _check_place(call: Call) -> None:
    protocol = call.query.get("spr", "")
    if protocol == "https" and not call.secure:
        raise AzureError("AuthorizationProtocolMismatch")
    allowed = call.query.get("sip", "")
    if allowed:
        low, _, high = allowed.partition("-")
        if not _address(low) <= _address(call.remote) <= _address(high or low):
            raise AzureError("AuthorizationSourceIPMismatch")


def _address(text: str) -> tuple[int, ...]:
    parts = text.split(".")
    return tuple(int(part) for part in parts) if len(parts) == 4 and all(part.isdigit() for part in parts) else ()


def _overrides(query: Mapping[str, str]) -> dict[str, str]:
    return {header: query[name] for name, header in _OVERRIDES.items() if query.get(name)}


def _account_sas(call: Call) -> Grant:
    query = call.query
    fields = [call.account.name, *(query.get(name, "") for name in ("sp", "ss", "srt", "st", "se", "sip", "spr", "sv"))]
    if query["sv"] >= _WITH_SCOPE:
        fields.append(query.get("ses", ""))
    _check_signature(call.account.key, "\n".join(fields) + "\n", query)
    _check_times(call, query.get("st", ""), query.get("se", ""))
    _check_place(call)
    if "b" not in query.get("ss", ""):
        raise AzureError("AuthorizationServiceMismatch")
    return Grant(GrantKind.ACCOUNT_SAS, query.get("sp", ""), resource_types=query.get("srt", ""))


def _resource(call: Call) -> tuple[str, str]:
    """Canonical resource and snapshot time of a service or delegation SAS."""
    resource = call.query.get("sr", "")
    base = f"/blob/{call.account.name}/{call.container_name}"
    match resource:
        case "c":
            return base, ""
        case "b":
            return f"{base}/{call.blob_name}", ""
        case "bs":
            return f"{base}/{call.blob_name}", call.query.get("snapshot", "")
        case _:
            raise not_modelled(f"SAS resource {resource!r}")


def _tail(call: Call, snapshot: str) -> list[str]:
    """The fields from the address on, as the version of the SAS has them."""
    query, version = call.query, call.query["sv"]
    fields = [query.get("sip", ""), query.get("spr", ""), version]
    if version >= _WITH_RESOURCE:
        fields += [query.get("sr", ""), snapshot]
    if version >= _WITH_SCOPE:
        fields.append(query.get("ses", ""))
    return fields


def _service_sas(call: Call) -> Grant:
    query = call.query
    resource, snapshot = _resource(call)
    fields = [query.get(name, "") for name in ("sp", "st", "se")]
    fields += [resource, query.get("si", ""), *_tail(call, snapshot)]
    fields += [query.get(name, "") for name in _OVERRIDES]
    _check_signature(call.account.key, "\n".join(fields), query)
    start, expiry, permissions = query.get("st", ""), query.get("se", ""), query.get("sp", "")
    if identifier := query.get("si"):
        policy = _policy(call.account.containers.get(call.container_name), identifier)
        for own, stored in ((start, policy.start), (expiry, policy.expiry), (permissions, policy.permission)):
            if own and stored:
                raise _refused("A field is specified both in the stored access policy and in the SAS.")
        start, expiry = start or policy.start, expiry or policy.expiry
        permissions = permissions or policy.permission
    _check_times(call, start, expiry)
    _check_place(call)
    return Grant(GrantKind.SERVICE_SAS, permissions, resource=query.get("sr", ""), overrides=_overrides(query))


def _policy(container: Container | None, identifier: str) -> Policy:
    for policy in container.policies if container is not None else ():
        if policy.id == identifier:
            return policy
    raise _refused("SAS identifier cannot be found for specified signed identifier.")


def _delegation_sas(call: Call) -> Grant:
    query = call.query
    resource, snapshot = _resource(call)
    key_fields = [query.get(name, "") for name in ("skoid", "sktid", "skt", "ske", "sks", "skv")]
    fields = [query.get(name, "") for name in ("sp", "st", "se")] + [resource, *key_fields]
    version = query["sv"]
    if version >= _WITH_AGENTS:
        fields += ["", "", ""]
    if version >= _WITH_DELEGATED_USER:
        fields += ["", ""]
    fields += _tail(call, snapshot)
    if version >= _WITH_REQUEST_PARTS:
        fields += ["", ""]
    fields += [query.get(name, "") for name in _OVERRIDES]
    oid, tid, start, expiry, service, key_version = key_fields
    value = delegation_key(
        call.account.delegation_secret,
        oid=oid,
        tid=tid,
        start=start,
        expiry=expiry,
        service=service,
        version=key_version,
    )
    _check_signature(base64.b64decode(value), "\n".join(fields), query)
    if service != "b":
        raise AzureError("AuthorizationServiceMismatch")
    _check_times(call, start, expiry)
    _check_times(call, query.get("st", ""), query.get("se", ""))
    _check_place(call)
    return Grant(
        GrantKind.DELEGATION_SAS, query.get("sp", ""), resource=query.get("sr", ""), overrides=_overrides(query)
    )
