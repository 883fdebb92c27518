"""What this process knows to lie in a store: one listing answers for all objects in it.

Nothing here asks for objects one by one, but `stat` of an object outside of all watched folders,
such as an archive.

A run has no right to remove an object. It takes a document, a table or a pointer away by putting
one without a byte in its place. None of these is ever empty, so such an object counts as absent.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from itertools import islice
from pathlib import PurePosixPath
from typing import Final

from pipeline.storage.location import Remote
from pipeline.storage.s3.client import connect
from pipeline.storage.s3.listing import Listing, ObjectInfo, find, read_folder, stat, walk
from pipeline.storage.s3.settings import Settings

AT_ONCE: Final = 10_000
"""Objects below a watched folder up to which one walk through them is kept."""

_NEVER_EMPTY: Final = frozenset({".json", ".arrow", ".parquet", ""})


def is_withdrawn(name: str, size: int) -> bool:
    """Whether an object was put in the place of one that was to go; see `Store.withdraw`."""
    return size == 0 and can_be_withdrawn(name)


def can_be_withdrawn(name: str) -> bool:
    """Whether an object of this name is never empty, so that an empty one counts as absent."""
    return PurePosixPath(name).suffix in _NEVER_EMPTY


class Listings:
    """The listings of one store that this process keeps.

    They are as old as the first question after `renew`, but for what this process itself has
    written and removed since, which it must say. A thread may do that while another one asks:
    see `pipeline.shards.publisher`.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._kept: dict[Remote, Listing] = {}
        self._watched: dict[Remote, bool] = {}  # whether one walk is enough for all below it
        self._walked: set[Remote] = set()
        self._lock = threading.RLock()  # held while the store is asked, too: what is put then
        # may be missing in its answer, and is taken in after that

    def watch(self, folder: Remote) -> None:
        """Answer for everything below a folder from listings, and for no object of it alone."""
        self._watched.setdefault(folder, True)

    def watches(self, folder: Remote) -> bool:
        """Whether it answers for a folder from listings."""
        return self._root_of(folder / "any") is not None

    def renew(self) -> None:
        """Have every folder listed again when it is next asked for: others may have written."""
        with self._lock:
            self._kept.clear()
            self._walked.clear()

    def renew_one(self, place: Remote) -> None:
        """Ask for one object anew, by one request, where its folder was listed before."""
        with self._lock:
            root = self._root_of(place)
            if place.parent not in self._kept and root not in self._walked:
                return  # it is listed when it is asked for
            objects = self._kept.setdefault(place.parent, Listing()).objects
            info = find(connect(self._settings), place)
            if info is None:
                objects.pop(place.name, None)
            else:
                self.wrote(place, info)

    def of(self, folder: Remote) -> Listing:
        """Return what a folder holds, which is nothing where there is no such folder.

        Raises:
            ShardmillError: the store refuses or does not answer.
        """
        with self._lock:
            if (listing := self._kept.get(folder)) is not None:
                return listing
            root = self._root_of(folder / "any")
            if root is not None and root not in self._walked and self._watched[root]:
                self._walk(root)
            if root in self._walked:
                return self._kept.get(folder) or Listing()
            listing = self._kept[folder] = read_folder(connect(self._settings), folder)
            return listing

    def stat(self, place: Remote) -> ObjectInfo | None:
        """Return what is known of an object; None if there is none, or it was withdrawn.

        Raises:
            ShardmillError: the store refuses or does not answer.
        """
        folder = place.parent
        if folder in self._kept or self._root_of(place) is not None:
            info = self.of(folder).objects.get(place.name)
        else:
            info = stat(connect(self._settings), place)
        return None if info is None or is_withdrawn(place.name, info.size) else info

    def wrote(self, place: Remote, info: ObjectInfo) -> None:
        """Take in that this process has put an object."""
        with self._lock:
            walked = self._root_of(place) in self._walked
            folder = place.parent
            if walked:
                self._kept.setdefault(folder, Listing())
            if listing := self._kept.get(folder):
                listing.objects[place.name] = info
            while folder.key:
                if walked and self._root_of(folder) is not None:
                    self._kept.setdefault(folder.parent, Listing())
                if listing := self._kept.get(folder.parent):
                    listing.folders.add(folder.name)
                folder = folder.parent

    def removed(self, place: Remote) -> None:
        """Take in that this process has removed an object.

        A folder that is empty now stays listed until `renew`, as one on a disk would.
        """
        with self._lock:
            if listing := self._kept.get(place.parent):
                listing.objects.pop(place.name, None)

    def _root_of(self, place: Remote) -> Remote | None:
        """Return the watched folder that an object lies below, if it does."""
        while place.key:
            place = place.parent
            if place in self._watched:
                return place
        return None

    def _walk(self, root: Remote) -> None:
        """List all that lies below a watched folder, unless that is too much to be kept."""
        objects = list(islice(walk(connect(self._settings), root), AT_ONCE + 1))
        if len(objects) > AT_ONCE:
            self._watched[root] = False  # each of its folders is listed when it is asked for
            return
        self._kept.update(by_folder(root, objects))
        self._walked.add(root)


def by_folder(root: Remote, objects: Iterable[tuple[str, ObjectInfo]]) -> dict[Remote, Listing]:
    """Return what each folder holds, of the objects below a root by their names in it."""
    listings = {"": Listing()}
    for name, info in objects:
        folder, _, last = name.rpartition("/")
        inner = folder
        while inner not in listings:
            listings[inner] = Listing()
            inner = inner.rpartition("/")[0]
        listings[folder].objects[last] = info
    for folder in filter(None, listings):
        outer, _, last = folder.rpartition("/")
        listings[outer].folders.add(last)
    return {root / name if name else root: each for name, each in listings.items()}


_listings: dict[Settings, Listings] = {}


def listings(settings: Settings) -> Listings:
    """Return the listings of a store that this process keeps."""
    return _listings.setdefault(settings, Listings(settings))
