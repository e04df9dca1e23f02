"""The blob clients of the copy engine: one that can only read the source, one that writes the target."""

from tasks.clients.blobs_source import SourceBlobClient
from tasks.clients.blobs_target import TargetBlobClient

__all__ = ["SourceBlobClient", "TargetBlobClient"]
