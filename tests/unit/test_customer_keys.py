"""Customer-provided keys: which one the settings name for what, and what a person is told who has not set it."""

from __future__ import annotations

import base64

import pytest
from pydantic import ValidationError

from mappings.errors import FixTheInput
from mappings.settings import Copy, CustomerKey, TargetKey
from tasks.clients.customer_keys import customer_key, key_for, keys_for

KEY = base64.b64encode(b"0123456789abcdef" * 2).decode()


def test_the_first_pattern_that_fits_names_the_key_of_a_container() -> None:
    """Breaks when a pattern is not on account and container of the source, or a later entry goes before."""
    copy = Copy(
        target_keys=(
            TargetKey(container="county/vault", key_env="VAULT"), TargetKey(container="county/*", key_env="REST")
        )
    )  # fmt: skip
    found = [copy.target_key_of(*place) for place in (("county", "vault"), ("county", "files"), ("city", "vault"))]
    assert [one.key_env if one is not None else "" for one in found] == ["VAULT", "REST", ""]


@pytest.mark.parametrize("text", ["", "not Base64", base64.b64encode(b"too short").decode()])
def test_a_key_that_is_not_there_is_told_by_its_variable_and_never_shown(text: str) -> None:
    """Breaks when a wrong key goes to the service, or into the sentence."""
    here, there = CustomerKey(account="county", key_env="HERE"), TargetKey(container="county/*", key_env="THERE")
    for name, get in (
        ("HERE", lambda: keys_for("county", [here], {"HERE": text})),
        ("THERE", lambda: key_for(there, {"THERE": text})),
    ):
        with pytest.raises(FixTheInput, match=name) as told:
            get()
        assert not text or text not in str(told.value) + told.value.next_step
    assert key_for(there, {"THERE": f" {KEY}\n"}) == KEY and keys_for("city", [here], {}) == []
    assert KEY not in repr(customer_key(KEY))


def test_azcopy_writes_under_no_key_so_it_is_refused_beside_one() -> None:
    keys = (TargetKey(container="*", key_env="KEY"),)
    with pytest.raises(ValidationError, match="target_keys need the mover govlift"):
        Copy(mover="azcopy", azcopy_sas_in_argv=True, target_keys=keys)
