"""Operations on the account: service properties, account information, user delegation key.

REST: "Get Blob Service Properties", "Set Blob Service Properties" (sections not sent stay as they are), "Get Account
Information", "Get User Delegation Key" (Entra token only; at most seven days).
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

from aiohttp import web

from sandbox.storage.call import Call, reply, xml_reply
from sandbox.storage.errors import AzureError
from sandbox.storage.grants import GrantKind
from sandbox.storage.markup import child_text, element, parsed
from sandbox.storage.model import Account, Container
from sandbox.storage.sas import delegation_key
from sandbox.storage.stamps import iso_second, parse_iso

if TYPE_CHECKING:
    from sandbox.storage.service import BlobService

_OFF = "<Enabled>false</Enabled>"
_METRICS = f"<Version>1.0</Version>{_OFF}<RetentionPolicy>{_OFF}</RetentionPolicy>"
_DEFAULTS = {
    "Logging": "<Logging><Version>1.0</Version><Delete>false</Delete><Read>false</Read><Write>false</Write>"
    f"<RetentionPolicy>{_OFF}</RetentionPolicy></Logging>",
    "HourMetrics": f"<HourMetrics>{_METRICS}</HourMetrics>",
    "MinuteMetrics": f"<MinuteMetrics>{_METRICS}</MinuteMetrics>",
    "Cors": "<Cors />",
    "DefaultServiceVersion": "",
    "DeleteRetentionPolicy": f"<DeleteRetentionPolicy>{_OFF}</DeleteRetentionPolicy>",
    "StaticWebsite": f"<StaticWebsite>{_OFF}</StaticWebsite>",
}
_WEEK = 7 * 24 * 3600


def get_service_properties(service: BlobService, call: Call) -> web.Response:
    sections = "".join(call.account.settings.get(name, _DEFAULTS[name]) for name in Account.SECTIONS)
    return xml_reply(f"<StorageServiceProperties>{sections}</StorageServiceProperties>")


def set_service_properties(service: BlobService, call: Call) -> web.Response:
    document = parsed(call.body, "StorageServiceProperties")
    for section in document:
        if section.tag not in Account.SECTIONS:
            raise AzureError("InvalidXmlDocument")
    for section in document:
        section.tail = None
        call.account.settings[section.tag] = ElementTree.tostring(section, encoding="unicode")
    if child_text(document, "StaticWebsite/Enabled").lower() == "true":
        make_web_container(call.account, call.now)
    return reply(202)


def make_web_container(account: Account, now: float) -> None:
    """Enabling static websites creates `$web`."""
    account.containers.setdefault("$web", Container("$web", now))


def static_website_xml(settings: dict[str, str]) -> str:
    """The StaticWebsite section, enabled, with `IndexDocument` and `ErrorDocument404Path` as given."""
    inner = "".join(element(name, value) for name, value in settings.items())
    return f"<StaticWebsite><Enabled>true</Enabled>{inner}</StaticWebsite>"


def retention_days(account: Account) -> int:
    """Days of soft delete, 0 where it is off."""
    text = account.settings.get("DeleteRetentionPolicy")
    if not text:
        return 0
    section = ElementTree.fromstring(text)
    enabled = child_text(section, "Enabled").lower() == "true"
    return int(child_text(section, "Days") or "7") if enabled else 0


def get_account_information(service: BlobService, call: Call) -> web.Response:
    headers = {
        "x-ms-sku-name": call.account.sku,
        "x-ms-account-kind": call.account.kind,
        "x-ms-is-hns-enabled": "true" if call.account.hierarchical else "false",
    }
    return reply(200, headers)


def get_user_delegation_key(service: BlobService, call: Call) -> web.Response:
    if call.grant.kind is not GrantKind.BEARER:
        raise AzureError(
            "AuthenticationFailed",
            details={"AuthenticationErrorDetail": "Only authentication scheme Bearer is supported."},
        )
    document = parsed(call.body, "KeyInfo")
    if child_text(document, "DelegatedUserTid"):
        raise AzureError("FeatureNotModelled", details={"Feature": "DelegatedUserTid"})
    start_text, expiry_text = child_text(document, "Start"), child_text(document, "Expiry")
    start, expiry = parse_iso(start_text) if start_text else call.now, parse_iso(expiry_text)
    if start is None or expiry is None or expiry <= start or expiry <= call.now or expiry > call.now + _WEEK + 1:
        raise AzureError("InvalidXmlNodeValue", details={"XmlNodeName": "Expiry", "XmlNodeValue": expiry_text})
    claims = call.grant.claims
    fields = {
        "oid": str(claims.get("oid") or claims.get("appid") or ""),
        "tid": str(claims.get("tid") or ""),
        "start": iso_second(start),
        "expiry": iso_second(expiry),
        "service": "b",
        "version": call.version,
    }
    value = delegation_key(call.account.delegation_secret, **fields)
    names = ("SignedOid", "SignedTid", "SignedStart", "SignedExpiry", "SignedService", "SignedVersion")
    inner = "".join(element(name, text) for name, text in zip(names, fields.values(), strict=True))
    return xml_reply(f"<UserDelegationKey>{inner}{element('Value', value)}</UserDelegationKey>")
