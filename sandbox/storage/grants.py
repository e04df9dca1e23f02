"""What the credentials of one request allow.

REST: the permission tables of "Create an account SAS" and "Create a service SAS".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class GrantKind(Enum):
    KEY = "shared key"
    BEARER = "Entra token"
    ACCOUNT_SAS = "account SAS"
    SERVICE_SAS = "service SAS"
    DELEGATION_SAS = "user delegation SAS"
    ANONYMOUS = "anonymous"


_OWNERS = frozenset({GrantKind.KEY, GrantKind.BEARER})
_SAS = frozenset({GrantKind.ACCOUNT_SAS, GrantKind.SERVICE_SAS, GrantKind.DELEGATION_SAS})


@dataclass(frozen=True, slots=True)
class Grant:
    """Credentials that were found good. The sandbox has no role assignments: a good token may do all."""

    kind: GrantKind
    permissions: str = ""
    resource: str = ""
    """`sr` of a service or delegation SAS."""
    resource_types: str = ""
    """`srt` of an account SAS."""
    overrides: Mapping[str, str] = field(default_factory=dict)
    """Response headers that the SAS replaces (`rscc` and its kin)."""
    claims: Mapping[str, object] = field(default_factory=dict)

    @property
    def owner(self) -> bool:
        return self.kind in _OWNERS

    @property
    def sas(self) -> bool:
        return self.kind in _SAS

    def may(self, letters: str) -> bool:
        """Whether any of `letters` is granted; an owner has all, an anonymous caller was judged by the container."""
        return not self.sas or any(letter in self.permissions for letter in letters)


OWNER = Grant(GrantKind.KEY)
