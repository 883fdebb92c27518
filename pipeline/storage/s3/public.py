"""Addresses of the objects in a public bucket, which anybody may read: no client is needed."""

from __future__ import annotations

import os
from typing import Final
from urllib.parse import quote, urlsplit

from pipeline.storage.http.request import Request
from pipeline.storage.location import Remote
from pipeline.storage.s3.settings import Settings, ca_file, check_endpoint

_ENDPOINTS: Final = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_IGNORED: Final = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"
_UNQUOTED: Final = "/-_.~"


def request_for(root: Remote, settings: Settings, name: str) -> Request:
    """Return an unsigned request for the whole of an object.

    Args:
        root: the address of a bucket, or of some of its objects.
        settings: how the store is reached.
        name: of the object, below the root.

    Raises:
        UsageError: the endpoint that the environment names is no address.
    """
    place = root / name
    return Request(_url(place, settings), str(place), ca_file=ca_file())


def _url(place: Remote, settings: Settings) -> str:
    """Return the address of an object by HTTP, as boto3 would choose it."""
    endpoint = settings.endpoint or _endpoint()
    by_path = settings.addressing == "path" or "." in place.host
    if endpoint:
        by_path = by_path or settings.addressing != "virtual"
    else:
        region = f".{settings.region}" if settings.region else ""
        endpoint = f"https://s3{region}.amazonaws.com"
    key = quote(place.key, safe=_UNQUOTED)
    if by_path:
        return f"{endpoint.rstrip('/')}/{place.host}/{key}"
    parts = urlsplit(endpoint)
    path = parts.path.rstrip("/")
    return f"{parts.scheme}://{place.host}.{parts.netloc}{path}/{key}"


def _endpoint() -> str:
    """Return the endpoint that the environment names; "": none."""
    if os.environ.get(_IGNORED, "").lower() == "true":
        return ""
    for name in _ENDPOINTS:
        if url := os.environ.get(name):
            check_endpoint(url, name)
            return url
    return ""
