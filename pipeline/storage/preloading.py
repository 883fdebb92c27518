"""What remote places need, imported and read before it is needed: once for all forked processes."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Final

from pipeline.storage.location import S3, Location, Remote
from pipeline.storage.remote_options import RemoteOptions

_ALL: Final = ("http.contents", "http.process", "http.sequential")  # of every remote place
_OF_S3: Final = ("s3.objects", "s3.store")


def preload(options: RemoteOptions, places: Iterable[Location]) -> None:
    """Import and read what reaches places, as far as they are remote.

    No connection is made, and no key is read.

    Raises:
        UsageError: boto3 cannot work as it is configured.
    """
    schemes = {place.scheme for place in places if isinstance(place, Remote)}
    wanted = (*(_ALL if schemes else ()), *(_OF_S3 if S3 in schemes else ()))
    for name in wanted:
        import_module(f"pipeline.storage.{name}")
    if S3 in schemes:
        from pipeline.storage.s3 import client  # noqa: PLC0415  (boto3: only for S3)

        client.preload(options.s3)
