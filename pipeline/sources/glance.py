"""Whether a source was changed since it was read, told without a look at its images.

Of a list its stamp is asked for, and where that differs or proves nothing, its content. Of a folder
the stamps of all folders in it are asked for: a file that is added, removed or renamed changes that
of its folder. A file that is written over changes neither: only a look at each image sees it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from pipeline import digests, manifest, storage
from pipeline.documents.decoding import fitted
from pipeline.documents.sources import RecordedLook
from pipeline.errors import OutputDamaged, ShardmillError
from pipeline.manifest import Document, Kind, Sealed
from pipeline.storage import Location

VERSION: Final = 1
"""Of what is kept of a source: what another version has kept is not used."""
MOST_FOLDERS: Final = 50_000
"""Folders whose stamps are kept, at most: a source of more is read anew by every command."""


@dataclass(frozen=True)
class Glance:
    """How the list or the folders of a source looked before they were read.

    Attributes:
        stamps: of each, by its path; see `pipeline.storage.local.stamps`.
        content: of a list, the xxh3-128 of its content; None: these are folders.
    """

    stamps: dict[str, int]
    content: str | None = None

    @staticmethod
    def of_list(path: Location) -> Glance:
        """Look at a list."""
        stamp, content = storage.read_stamped(path)
        return Glance({str(path): stamp}, content.hex())

    @staticmethod
    def recorded(look: RecordedLook) -> Glance:
        """Return what a document says."""
        stamps = {path: int(stamp, 16) for path, stamp in look.stamps.items()}
        return Glance(stamps, look.content)

    def to_json(self, asked: str) -> Document:
        """Return it as plain data; `asked` is a digest of how the source was read."""
        stamps = {path: f"{stamp:016x}" for path, stamp in self.stamps.items()}
        return {"asked": asked, "stamps": stamps, "content": self.content}

    def holds(self) -> bool:
        """Whether nothing was changed since, as far as can be seen."""
        unsettled = storage.UNSETTLED in self.stamps.values()
        if unsettled and self.content is None:  # as folders of a store are, whatever their names
            return False
        places = [storage.parse(text) for text in self.stamps]
        same = [storage.settled(place) == self.stamps[str(place)] for place in places]
        if all(same) and not unsettled:
            return True
        return self.content is not None and all(
            storage.stat(place) is not None and storage.read_stamped(place)[1].hex() == self.content
            for place in places
        )


@dataclass
class Folders:
    """Collects the stamps of folders, each before it is listed."""

    stamps: dict[str, int] = field(default_factory=dict)

    def note(self, folder: Location) -> None:
        """Note how a folder looks now."""
        if len(self.stamps) <= MOST_FOLDERS:
            self.stamps[str(folder)] = storage.settled(folder)

    def glance(self) -> Glance | None:
        """Return how they looked; None: there are too many to be kept."""
        return Glance(self.stamps) if len(self.stamps) <= MOST_FOLDERS else None


Note: TypeAlias = Callable[[Location], None]
"""What is called with each folder of a source before it is listed."""


def no_note(folder: Location) -> None:
    """Note nothing, for those who read a folder once."""
    del folder


def record(out: Location, path: Location, document: Document, kind: type[Sealed]) -> None:
    """Publish what is known of a source, unless that is there already.

    What no document of the kind can hold, such as a name that is no UTF-8 or a longer one than
    any, is not kept: then the source is read anew by every command.
    """
    try:
        known = fitted({**document, "files": []}, kind, path)
        if recall(path, kind) != known:
            manifest.publish_alone(path, document)
    except (UnicodeEncodeError, OutputDamaged):
        storage.remove(out, path)
    info = storage.stat(path)
    if info is not None and info.size > manifest.MOST_BYTES:
        storage.remove(out, path)


def recall(path: Location, kind: type[Kind]) -> Kind | None:
    """Return what is known of a source; None: nothing, or it cannot be read."""
    try:
        return manifest.read_undamaged(path, kind)
    except ShardmillError:  # such as one that another user has made
        return None


def asked(options: Document) -> str:
    """Return a digest of the options that decide how a source is read."""
    return digests.digest({**options, "version": VERSION})
