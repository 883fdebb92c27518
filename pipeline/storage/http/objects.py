"""Which object a name stands for, where it is read, and how it is told from another one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Protocol

from pipeline.errors import ObjectRefused
from pipeline.storage.fileinfo import FileInfo
from pipeline.storage.http import refusals
from pipeline.storage.http.look import look
from pipeline.storage.http.request import Request, origin
from pipeline.storage.http.transfer import Transfer
from pipeline.storage.location import Remote, object_name


@dataclass(frozen=True)
class RemoteObject:
    """An object as it was when it was looked at.

    Attributes:
        name: what errors call it: its address without anything secret.
        url: where its bytes are asked for; it may hold a signature.
        size: in bytes.
        validator: strong ETag with its quotes, or date of the last modification; empty: unknown.
        stamp: what `FileInfo` has of it; empty: the validator.
        headers: of the user, for this host alone.
        netrc: whether the user's ``.netrc`` is looked into.
        ca_file: PEM file of the certificates that are trusted; empty: those of the system.
        md5: of its bytes, in hex, as whoever keeps it tells; empty: nobody has asked or told.
    """

    name: str
    url: str = field(repr=False)
    size: int
    validator: str = ""
    stamp: str = ""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    netrc: bool = False
    ca_file: str = ""
    md5: str = ""

    @property
    def info(self) -> FileInfo:
        """Size, and what tells it from another one."""
        return FileInfo(self.size, self.stamp or self.validator)

    @property
    def number(self) -> int:
        """The same as a number, as it is recorded of images that are files of their own."""
        return self.info.number

    def request(self, offset: int, length: int) -> Request:
        """Return what asks for a range of this very object."""
        return Request(
            self.url,
            self.name,
            offset,
            length,
            self.size,
            self.validator,
            self.headers,
            netrc=self.netrc,
            ca_file=self.ca_file,
        )


class Objects(Protocol):
    """What a reader is told of the objects below an address."""

    def location(self, source: str) -> Remote:
        """Return the address of a source, a name below the root."""

    def find(self, source: str, *, again: bool = False) -> RemoteObject | None:
        """Return the object, or None if there is none.

        Args:
            source: a name below the root.
            again: whether it was seen to be another than what was returned before.
        """

    def renew(self, source: str, stale: RemoteObject, /) -> RemoteObject:
        """Return the same object with an address that was signed anew, or has to be asked again.

        Raises:
            ShardmillError: there are no credentials any more.
        """


class WholeObjects(Objects, Protocol):
    """What a reader of whole objects is told of those below an address."""

    def whole(self, source: str) -> Request:
        """Return a request for the whole of an object that was not looked at."""

    def version(self, validator: str) -> str:
        """Return, of the validator of an answer, what a listing says of the same version."""


@dataclass(frozen=True)
class Access:
    """What a user gives a web server to be let in; nothing of it is shown.

    Attributes:
        headers: names and values, as of ``--header``.
        netrc: whether names and passwords are looked up in ``.netrc``.
        ca_file: PEM file of the certificates that are trusted; empty: those of the system.
    """

    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    netrc: bool = False
    ca_file: str = ""


class WebObjects:
    """Files of a web server, each looked at once.

    Args:
        root: the address of a folder.
        transfer: asks the server.
        access: what lets the user in.
    """

    def __init__(self, root: Remote, transfer: Transfer, access: Access | None = None) -> None:
        self.root = root
        self._transfer = transfer
        self._access = access or Access()

    def location(self, source: str) -> Remote:
        """Return the address of a file below the root."""
        return self.root / (object_name(source) or source)

    def find(self, source: str, *, again: bool = False) -> RemoteObject | None:  # noqa: ARG002
        """Ask the server for a file, each time; None if there is none.

        Raises:
            ObjectRefused: it does not give it out, or does not say how large it is.
            NoRanges: it sends nothing but the whole of it.
        """
        name = str(self.location(source))
        access, request = self._access, self.whole(source)
        seen = look(self._transfer, request)
        if seen is None:
            return None
        if not seen.has_ranges:
            raise seen.no_ranges(request)
        if seen.size is None:
            raise ObjectRefused(
                "the server does not say how large the file is",
                file=name,
                remedy=refusals.fetch_first(name),
            )
        is_moved = origin(seen.url) != origin(name)
        headers = () if is_moved else access.headers
        md5 = seen.answer.md5
        found = RemoteObject(name, seen.url, seen.size, seen.validator, md5=md5)
        return replace(found, headers=headers, netrc=access.netrc, ca_file=access.ca_file)

    def whole(self, source: str) -> Request:
        """Return a request for the whole of a file that was not looked at."""
        name, access = str(self.location(source)), self._access
        return Request(
            name, name, headers=access.headers, netrc=access.netrc, ca_file=access.ca_file
        )

    def version(self, validator: str) -> str:
        """Return what is kept of a validator."""
        return validator

    def renew(self, _source: str, stale: RemoteObject, /) -> RemoteObject:
        """Return the file at its own address: a redirect may have led to one that has expired."""
        return replace(stale, url=stale.name, headers=self._access.headers)


def renewed(objects: Objects, source: str, request: Request) -> Request:
    """Return a refused request for the whole of an object, signed by the newest credentials.

    Raises:
        ShardmillError: there are none any more.
    """
    stale = RemoteObject(request.name, request.url, request.size or 0)
    return replace(request, url=objects.renew(source, stale).url)
