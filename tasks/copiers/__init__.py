"""The copiers: one entry per data service that can be moved."""

from __future__ import annotations

from tasks.copiers.engine import copy_shard

COPIERS = {"blobs": copy_shard}
"""Service -> the coroutine function that copies one shard of it."""
