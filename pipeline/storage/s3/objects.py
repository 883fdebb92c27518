"""Objects of a store as `pipeline.storage.http` reads them: by signed addresses, with libcurl."""

from __future__ import annotations

from dataclasses import replace
from typing import Final
from urllib.parse import parse_qs, urlsplit

from pipeline.storage.http.objects import RemoteObject
from pipeline.storage.http.request import Request
from pipeline.storage.location import Remote, object_name
from pipeline.storage.s3.client import connect
from pipeline.storage.s3.etags import bare
from pipeline.storage.s3.kept import listings
from pipeline.storage.s3.listing import ObjectInfo, stat
from pipeline.storage.s3.settings import Settings, ca_file

_WHO: Final = ("X-Amz-Credential", "X-Amz-Security-Token")


class S3Objects:
    """The objects below an address in a store.

    Args:
        root: the address.
        settings: how the store is reached.
    """

    def __init__(self, root: Remote, settings: Settings) -> None:
        self.root = root
        self._settings = settings

    def location(self, source: str) -> Remote:
        """Return the address of an object below the root."""
        return self.root / (object_name(source) or source)

    def find(self, source: str, *, again: bool = False) -> RemoteObject | None:
        """Return an object, by a listing if its folder was listed; None if there is none.

        Raises:
            ShardmillError: the store refuses or does not answer.
        """
        place = self.location(source)
        known = listings(self._settings)
        info = stat(connect(self._settings), place) if again else known.stat(place)
        return None if info is None else self._signed(place, info)

    def whole(self, source: str) -> Request:
        """Return a request for the whole of an object that was not looked at."""
        place = self.location(source)
        url = connect(self._settings).sign(place).url
        return Request(url, str(place), ca_file=ca_file())

    def version(self, validator: str) -> str:
        """Return the ETag as a listing has it."""
        return bare(validator)

    def renew(self, source: str, stale: RemoteObject, /) -> RemoteObject:
        """Return the object with an address that was signed by the newest credentials.

        Raises:
            ShardmillError: there are none.
        """
        client, place = connect(self._settings), self.location(source)
        url = client.sign(place).url
        if _who(url) == _who(stale.url):  # boto3 does not know yet that they are refused
            url = client.sign(place, anew=True).url
        return replace(stale, url=url)

    def _signed(self, place: Remote, info: ObjectInfo) -> RemoteObject:
        # No version is asked for, which takes a right of its own: each request carries the ETag.
        url = connect(self._settings).sign(place).url
        return RemoteObject(
            str(place),
            url,
            info.size,
            f'"{info.etag}"' if info.etag else "",
            info.as_file.stamp,
            ca_file=ca_file(),
        )


def _who(url: str) -> list[list[str] | None]:
    """Return what tells by whose credentials an address was signed."""
    query = parse_qs(urlsplit(url).query)
    return [query.get(name) for name in _WHO]
