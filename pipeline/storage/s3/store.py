"""What a run does in a store: it looks, puts, and takes back; nothing is removed here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import UsageError
from pipeline.storage.location import Remote
from pipeline.storage.s3 import exchange, multipart, upload
from pipeline.storage.s3.client import Client, connect
from pipeline.storage.s3.kept import Listings, can_be_withdrawn, is_withdrawn, listings
from pipeline.storage.s3.listing import Listing, ObjectInfo, read_folder
from pipeline.storage.s3.settings import Settings

if TYPE_CHECKING:
    from pipeline.storage.remote import Piece


class Store:
    """A store, by what this process knows of it.

    Args:
        settings: how it is reached.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def client(self) -> Client:
        """The client of this process."""
        return connect(self._settings)

    @property
    def known(self) -> Listings:
        """What this process knows to lie there."""
        return listings(self._settings)

    def objects(self, folder: Remote) -> dict[str, ObjectInfo]:
        """Return the objects directly in a folder by name, without those that were withdrawn."""
        listed = list(self.listing(folder).objects.items())  # another thread may put some more
        return {name: info for name, info in listed if not is_withdrawn(name, info.size)}

    def folders(self, folder: Remote) -> list[str]:
        """Return the names of the folders directly in a folder, sorted."""
        return sorted(self.listing(folder).folders)

    def kind(self, place: Remote) -> str | None:
        """Return whether there is a ``file`` or a ``folder`` at an address; None: neither."""
        if self.known.stat(place) is not None:
            return "file"
        listed = self.listing(place)
        return "folder" if listed.objects or listed.folders else None

    def listing(self, folder: Remote) -> Listing:
        """Return what a folder holds, with what was withdrawn: if it is not watched, by now."""
        known = self.known
        return known.of(folder) if known.watches(folder) else read_folder(self.client, folder)

    def put_file(self, place: Remote, path: Path, md5: bytes | None) -> None:
        """Put a local file under a key; see `upload.put_file`."""
        self.known.wrote(place, upload.put_file(self.client, place, path, md5))

    def put_bytes(self, place: Remote, content: bytes) -> None:
        """Put a few bytes under a key; see `upload.put_bytes`."""
        self.known.wrote(place, upload.put_bytes(self.client, place, content))

    def exchange(self, place: Remote, seen: bytes, content: bytes) -> bool | None:
        """Put a few bytes in the place of what was seen; see `s3.exchange`.

        Returns:
            Whether nobody else can have put others at the same time; None: others were there.
        """
        put = exchange.exchange(self.client, place, seen, content)
        if put is None:
            return None
        self.known.wrote(place, put.info)
        return put.is_alone

    def small_document(self, place: Remote) -> bytes:
        """Return the content of a document as it is by now; b"": there is none."""
        there = exchange.read(self.client, place)
        return there[0] if there else b""

    def small_documents(self, folder: Remote) -> dict[str, bytes]:
        """Return the contents of the JSON documents of a folder by name, as they are by now."""
        listed = read_folder(self.client, folder).objects.items()
        names = [name for name, info in listed if name.endswith(".json") and info.size]
        read = {name: self.small_document(folder / name) for name in names}
        return {name: content for name, content in read.items() if content}

    def join(self, place: Remote, pieces: Sequence[Piece]) -> bool:
        """Have the store put objects one behind another; false: it cannot, see `multipart.join`."""
        of_store = [(each.place, ObjectInfo.of_file(each.info)) for each in pieces]
        info = multipart.join(self.client, place, of_store)
        if info is not None:
            self.known.wrote(place, info)
        return info is not None

    def withdraw(self, place: Remote) -> None:
        """Have an object count as absent, for all processes, if there is one.

        Raises:
            UsageError: an empty object of that name would not count as absent.
        """
        if not can_be_withdrawn(place.name):
            raise UsageError(
                "an object that a run can not take away",
                file=str(place),
                remedy="remove it with the store's own program",
            )
        if self.known.stat(place) is not None:
            self.put_bytes(place, b"")
