"""What there is in a store: one listing of a folder answers for all objects in it.

A folder is all keys that begin with its own and a slash. Nothing here asks for objects one by one,
but `stat` of an object whose folder was never listed, such as an archive.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Self

from pipeline.errors import ObjectMissing, RemoteUnavailable
from pipeline.storage.fileinfo import FileInfo
from pipeline.storage.location import Remote
from pipeline.storage.s3.client import Answer, Client, connect
from pipeline.storage.s3.etags import bare
from pipeline.storage.s3.listpage import PAGE, Page
from pipeline.storage.s3.settings import Settings

_EMPTY_PAGES: Final = 100  # in a row: a store may have looked at so many removed objects

_UNEXPLAINED: Final = frozenset({"301", "307", "400", "401", "403", "404"})  # answers to HEAD


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What is known of an object without reading it.

    Attributes:
        size: in bytes.
        etag: what identifies its content to the store, without quotes; empty where the store gives
            none. It is not always an MD5.
        version: where the bucket keeps versions and the answer names them.
    """

    size: int
    etag: str
    version: str | None = None

    @classmethod
    def of(cls, answer: Answer, size: int) -> Self:
        """Return what an answer about one object says of it."""
        version = answer.get("VersionId")
        is_kept = version not in {None, "null"}
        return cls(size, bare(answer.get("ETag")), str(version) if is_kept else None)

    @property
    def as_file(self) -> FileInfo:
        """Size and stamp, as every store has them; a listing knows of no version."""
        stamp = self.etag if self.version is None else f"{self.etag} {self.version}"
        return FileInfo(self.size, stamp)


@dataclass
class Listing:
    """What a folder holds, by name.

    Attributes:
        objects: directly in it.
        folders: names of those directly in it.
    """

    objects: dict[str, ObjectInfo] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)


class Listings:
    """The listings of one store that this process keeps.

    They are as old as the first question after `renew`, but for what this process itself has
    written and removed since, which it must say.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._kept: dict[Remote, Listing] = {}
        self._watched: set[Remote] = set()

    def watch(self, folder: Remote) -> None:
        """Answer for everything below a folder from listings, and for no object of it alone."""
        self._watched.add(folder)

    def renew(self) -> None:
        """Have every folder listed again when it is next asked for: others may have written."""
        self._kept.clear()

    def of(self, folder: Remote) -> Listing:
        """Return what a folder holds, which is nothing where there is no such folder.

        Raises:
            ShardmillError: the store refuses or does not answer.
        """
        listing = self._kept.get(folder)
        if listing is None:
            listing = self._kept[folder] = read_folder(connect(self._settings), folder)
        return listing

    def sizes(self, folder: Remote) -> dict[str, int]:
        """Return name -> size in bytes of the objects in a folder."""
        return {name: info.size for name, info in self.of(folder).objects.items()}

    def documents(self, folder: Remote) -> list[Remote]:
        """Return the addresses of the JSON documents in a folder, sorted; no hidden ones."""
        names = sorted(self.of(folder).objects)
        return [folder / name for name in names if name.endswith(".json") and name[0] != "."]

    def folders(self, folder: Remote) -> list[str]:
        """Return the names of the folders in a folder, sorted."""
        return sorted(self.of(folder).folders)

    def stat(self, place: Remote) -> ObjectInfo | None:
        """Return what is known of an object, or None if there is none.

        Raises:
            ShardmillError: the store refuses or does not answer.
        """
        folder = place.parent
        if folder in self._kept or self._is_watched(place):
            return self.of(folder).objects.get(place.name)
        return stat(connect(self._settings), place)

    def _is_watched(self, place: Remote) -> bool:
        while place.key:
            place = place.parent
            if place in self._watched:
                return True
        return False

    def wrote(self, place: Remote, info: ObjectInfo) -> None:
        """Take in that this process has put an object."""
        if listing := self._kept.get(place.parent):
            listing.objects[place.name] = info
        folder = place.parent
        while folder.key:
            if listing := self._kept.get(folder.parent):
                listing.folders.add(folder.name)
            folder = folder.parent

    def removed(self, place: Remote) -> None:
        """Take in that this process has removed an object.

        A folder that is empty now stays listed until `renew`, as one on a disk would.
        """
        if listing := self._kept.get(place.parent):
            listing.objects.pop(place.name, None)


_listings: dict[Settings, Listings] = {}


def listings(settings: Settings) -> Listings:
    """Return the listings of a store that this process keeps."""
    return _listings.setdefault(settings, Listings(settings))


def read_folder(client: Client, folder: Remote) -> Listing:
    """Return what a folder holds, without what the folders in it hold."""
    listing = Listing()
    prefix = f"{folder.key}/" if folder.key else ""
    for page in _pages(client, folder, Prefix=prefix, Delimiter="/"):
        for key, size, etag in page.objects:
            if name := key.removeprefix(prefix):  # some programs make an object for the folder
                listing.objects[name] = ObjectInfo(size, etag)
        names = (each.removeprefix(prefix).rstrip("/") for each in page.prefixes)
        listing.folders.update(name for name in names if name)
    return listing


def walk(client: Client, folder: Remote) -> Iterator[tuple[str, ObjectInfo]]:
    """Yield name and info of every object below a folder, in the order of their keys.

    Names are relative to the folder, joined by slashes. What is yielded is not kept: there may be
    millions.
    """
    prefix = f"{folder.key}/" if folder.key else ""
    for page in _pages(client, folder, Prefix=prefix):
        for key, size, etag in page.objects:
            name = key.removeprefix(prefix)
            if name and not name.endswith("/"):
                yield name, ObjectInfo(size, etag)


def _pages(client: Client, folder: Remote, **parameters: object) -> Iterator[Page]:
    """Yield the pages of a listing, and raise where it would never end."""
    tokens, empty = set[str](), 0
    while True:
        page: Page = client.request("ListObjectsV2", folder, **parameters)[PAGE]
        yield page
        if page.token is None:
            return
        empty = 0 if page.objects or page.prefixes else empty + 1
        if page.token in tokens or empty > _EMPTY_PAGES:
            raise RemoteUnavailable(
                "the store answers with a listing without end", file=str(folder)
            )
        tokens.add(page.token)
        parameters["ContinuationToken"] = page.token


def stat(client: Client, place: Remote) -> ObjectInfo | None:
    """Return what one request says of an object, or None if there is none.

    Raises:
        NoSuchBucket: there is no bucket.
        ObjectRefused: the store does not let the object be looked at.
        ShardmillError: it refuses for another reason, or does not answer.
    """
    answer = client.request_unless(_UNEXPLAINED, "HeadObject", place, Key=place.key)
    if isinstance(answer, str):
        return _explained(client, place)
    return _info(answer, answer.get("ContentLength"), place)


def _explained(client: Client, place: Remote) -> ObjectInfo | None:
    """Return what there is where HEAD was refused, or raise why it was.

    An answer to HEAD has no body, and so no reason: 404 is of a missing object and of a missing
    bucket, 403 of missing rights, unknown keys and a wrong clock. A GET of one byte says which.
    """
    try:
        answer = client.request("GetObject", place, Key=place.key, Range="bytes=0-0")
    except ObjectMissing:
        return None
    answer["Body"].close()
    total = str(answer.get("ContentRange", "")).rpartition("/")[2]
    return _info(answer, int(total) if total.isdecimal() else None, place)


def _info(answer: Answer, size: object, place: Remote) -> ObjectInfo:
    """Return what an answer says of an object; one of a proxy has no ETag."""
    info = ObjectInfo.of(answer, size if isinstance(size, int) else -1)
    if not info.etag or info.size < 0:
        raise RemoteUnavailable(
            "something answers that is not the store",
            file=str(place),
            expected="an answer with an ETag and a length",
            remedy="check --s3-endpoint and the proxies between",
        )
    return info
