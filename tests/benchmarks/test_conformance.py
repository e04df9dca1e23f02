"""What the conformance suite demands of what the benchmarks' service serves: the suite's own tests, run against it.

Left out by name is what the service refuses with 501: append and page blobs, snapshots, leases, conditions on tags,
signatures, soft delete, service properties.
"""

# ruff: noqa: F401 -- what is imported here is collected here

from __future__ import annotations

import pytest

from tests.sandbox.conformance.test_blobs import (
    test_archive,
    test_create_only,
    test_dates,
    test_empty_blob,
    test_if_match,
    test_last_modified_has_a_grain_of_a_second,
    test_metadata_and_headers_move_the_etag,
    test_missing,
    test_names_round_trip,
    test_overwrite_replaces_all,
    test_put_stores_md5_and_headers,
    test_range_past_the_end,
    test_ranges,
    test_tags_and_tier_move_nothing,
    test_wrong_crc64_is_refused,
    test_wrong_md5_is_refused,
)
from tests.sandbox.conformance.test_blocks import (
    test_block_list,
    test_commit_of_committed_blocks,
    test_copy_in_one_account,
    test_put_drops_staged_blocks,
    test_staging_moves_nothing,
)
from tests.sandbox.conformance.test_containers import (
    test_account_information,
    test_bad_container_names,
    test_life_of_a_container,
    test_policies_and_public_access,
)
from tests.sandbox.conformance.test_from_url import TestAcrossClouds as AcrossClouds
from tests.sandbox.conformance.test_from_url import TestRefusedSources as RefusedSources
from tests.sandbox.conformance.test_from_url import (
    TestSourceChecksums,
    test_block_from_url_in_one_instance,
    test_source_headers_have_a_witness,
)
from tests.sandbox.conformance.test_listing import (
    test_containers,
    test_delimiter,
    test_listed_properties,
    test_odd_names,
    test_pages_of_names,
    test_prefix_and_start,
    test_resume_from_marker,
    test_wrong_maxresults,
)

pytestmark = pytest.mark.slow


class TestAcrossClouds:
    """Of the suite's class of that name."""

    test_put_blob_from_url = AcrossClouds.test_put_blob_from_url
    test_own_properties = AcrossClouds.test_own_properties
    test_blocks = AcrossClouds.test_blocks
    test_copy_blob_across_clouds = AcrossClouds.test_copy_blob_across_clouds


class TestRefusedSources:
    """Of the suite's class of that name."""

    refusal = RefusedSources.refusal
    test_no_authorization = RefusedSources.test_no_authorization
    test_expired = RefusedSources.test_expired
    test_wrong_permission = RefusedSources.test_wrong_permission
    test_bound_to_a_client_address = RefusedSources.test_bound_to_a_client_address
    test_missing = RefusedSources.test_missing
    test_unknown_account = RefusedSources.test_unknown_account
    test_archived = RefusedSources.test_archived
