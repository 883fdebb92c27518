"""Where a file is fetched from, and the requests for it: a web server, or a store of S3."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from pipeline.storage.http.fetch.addresses import Address
from pipeline.storage.http.refusals import missing
from pipeline.storage.http.request import Request
from pipeline.storage.http.ticket import Renew
from pipeline.storage.location import Remote

if TYPE_CHECKING:  # libcurl: only where a transfer is made
    from pipeline.storage.http.objects import Objects, RemoteObject


class Place(Protocol):
    """One of the addresses that a file may be fetched from."""

    @property
    def name(self) -> str:
        """What people and the sidecar are told: nothing in it is secret."""

    @property
    def renew(self) -> Renew | None:
        """What signs a request anew; None: nothing is signed."""

    def find(self) -> None:
        """Ask whoever keeps the file whether there is one, and which, before it is asked for.

        Raises:
            ShardmillError: there is none, or it is not given out.
        """

    def request(self, offset: int = 0, length: int | None = None, rate: int = 0) -> Request:
        """Return a request for some bytes of it; of the version that `find` has seen, if any."""


@dataclass(frozen=True)
class WebPlace:
    """A file of a web server.

    Attributes:
        base: a request for all of it.
    """

    base: Request = field(repr=False)
    renew: Renew | None = None

    @property
    def name(self) -> str:
        """See `Place`."""
        return self.base.shown

    def find(self) -> None:
        """Ask nothing: the first answer to a request says all."""

    def request(self, offset: int = 0, length: int | None = None, rate: int = 0) -> Request:
        """See `Place`."""
        return replace(self.base, offset=offset, length=length, rate=rate)


class StoredPlace:
    """An object of a store.

    The store is asked for it by boto3, whose words say why it is not given out: a web server's
    answer would not tell a missing bucket from a missing object, nor wrong keys from few rights.

    Args:
        remote: its address.
        objects: what is in the folder that it lies in.
    """

    def __init__(self, remote: Remote, objects: Objects) -> None:
        self.name = str(remote)
        self._remote = remote
        self._objects = objects
        self._known: RemoteObject | None = None

    def find(self) -> None:
        """See `Place`.

        Raises:
            NoSuchBucket: there is no such bucket.
            CredentialsRefused: there are no keys, or the store does not take them.
            ObjectMissing: there is no such object.
            ShardmillError: the store refuses for another reason, or does not answer.
        """
        self._known = self._objects.find(self._remote.name, again=True)
        if self._known is None:
            raise missing(self._remote)

    def request(self, offset: int = 0, length: int | None = None, rate: int = 0) -> Request:
        """See `Place`."""
        request = self._object().request(offset, length or 0)
        return replace(request, length=length, rate=rate)

    def renew(self, request: Request) -> Request:
        """Return a refused request, signed anew; those that were refused together share it."""
        known = self._object()
        if known.url == request.url:
            known = self._known = self._objects.renew(self._remote.name, known)
        return replace(request, url=known.url, headers=known.headers)

    def _object(self) -> RemoteObject:
        if self._known is None:
            raise RuntimeError("the store was not asked for the object")
        return self._known


def place_of(address: Address, objects: Objects | None, *, netrc: bool) -> Place:
    """Return the place that an address names.

    Args:
        address: of a file or object.
        objects: what is in the folder of an object; None: the address is of a web server.
        netrc: whether names and passwords for web servers are looked up in ``.netrc``.
    """
    if address.object is not None and objects is not None:
        return StoredPlace(address.object, objects)
    return WebPlace(Request(address.url or "", address.name, headers=address.headers, netrc=netrc))
