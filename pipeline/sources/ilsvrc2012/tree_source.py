"""A split of ILSVRC2012, or of a set of its shape, that is unpacked in a tree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from pipeline import storage
from pipeline.errors import TransientError, TreeRefused
from pipeline.job.options import Job
from pipeline.manifest import Document
from pipeline.quantities import counted
from pipeline.sources.glance import Glance
from pipeline.sources.ilsvrc2012 import snapshot, tree
from pipeline.sources.ilsvrc2012.snapshot import TreeRecord
from pipeline.sources.ilsvrc2012.source import Ilsvrc2012Source
from pipeline.sources.ilsvrc2012.tree_listing import TreeListing
from pipeline.sources.source import IMAGES
from pipeline.storage import Location, clutter
from pipeline.storage.clutter import PassedOver
from pipeline.storage.local.fingerprints import FileStamps

_FILES = "names and sizes of the images"
_PLACES = f"paths, {_FILES}"


@dataclass(frozen=True, eq=False, kw_only=True)
class TreeSource(Ilsvrc2012Source):
    """The files of an unpacked tree.

    Attributes:
        job: the job that reads it.
        listing: its files.
        look: how the folders looked before they were listed; None: that is not known.
        replaces: the archives that it stands for.
        list_again: lists the files.
    """

    job: Job
    listing: TreeListing
    look: Glance | None
    replaces: frozenset[str]
    list_again: Callable[[], TreeListing]

    def _digested(self) -> Document:
        return {"tree": self.listing.digest}

    @property
    def _origin(self) -> str:
        return str(self.root / self.listing.folder)

    def places(self) -> Document:
        """Return the digest of the boxes, and that of the paths of the images."""
        return {**super().places(), "places": self.listing.places}

    def made_of(self) -> dict[str, str]:
        """Return the folder and a digest of its files, and what is chosen."""
        files = {_FILES: self.listing.digest}
        return {IMAGES: f"the folder {self.listing.folder}", **files, **super().made_of()}

    def follows(self) -> frozenset[str]:
        """Return what names files: how many there must be says the configuration."""
        return frozenset({_FILES, _PLACES})

    def made_of_places(self) -> dict[str, str]:
        """Return a digest of the paths of the images."""
        return {_PLACES: self.listing.places}

    def described(self) -> list[Document]:
        """Return the folder and its digest."""
        return [{"folder": self.listing.folder, "digest": self.listing.digest}]

    def _parts(self, out: Location) -> Iterable[pa.Table]:
        solution = (
            tree.read_solution(storage.on_this_machine(self.root)) if self.config.labels else None
        )
        args = (self._listed(out), self.config, self.table, self.expected, solution, self.classes)
        return [tree.rows(*args)]

    def _listed(self, out: Location) -> TreeListing:
        """Return the listing with its files.

        Raises:
            TransientError: they are other files than were found before.
        """
        if not self.listing.known:
            return self.listing
        listing = self.list_again()
        if (listing.digest, listing.places) != (self.listing.digest, self.listing.places):
            storage.remove(out, snapshot.path(self.job, self.config))  # it is to be listed anew
            raise TransientError(
                "the tree was changed meanwhile",
                file=self._origin,
                remedy="leave it alone while a command is at work: it is listed again",
            )
        return listing

    @property
    def glanced_at(self) -> str:
        """What alone was looked at: the folders."""
        return "the folders" if self.listing.known else ""

    def passed_over(self, out: Location) -> PassedOver:
        """Return the clutter in the tree."""
        del out
        return clutter.passed_over(self.listing.ignored)

    def size(self) -> int:
        """Return how many bytes the files have together."""
        return self.listing.bytes

    def stamps(self) -> FileStamps | None:
        """Return how the files looked when they were looked at; None: they are gone.

        Raises:
            LookupError: they were not; see `glanced_at`.
        """
        if self.listing.known:
            raise LookupError(f"nobody has looked at the images in {self._origin}")
        return None if self.listing.gone else self.listing.stamps()

    def closing(self) -> Iterator[str]:
        """Yield what was passed over in the tree."""
        ignored = self.listing.ignored
        if ignored:
            names = counted(len(ignored), "name")  # of folders, too
            shown = ", ".join(ignored[: clutter.EXAMPLES])
            yield f"passed over in the tree: {names}, e.g. {shown}"

    def gone(self) -> TreeRefused | None:
        """Return that the tree is not there any more."""
        if not self.listing.gone:
            return None
        return TreeRefused(
            f"split {self.split.name}: the tree is gone, and not everything is made of it",
            file=self.job.tree,
            expected=f"the folder {self.listing.folder} in it, as it was",
            remedy="bring it back, then run the same command again",
        )

    def remember(self) -> None:
        """Keep what was found in the tree, so that it need not be listed to be known."""
        if self.listing.known or self.listing.gone or not self.listing.digest:
            return
        boxes = self.boxes.digest if self.boxes else None
        annotations = (self.boxes.content if self.boxes else None) or ""
        record = TreeRecord(self.listing, boxes, annotations, self.look)
        snapshot.save(self.job, self.config, self.classes, record)

    @property
    def tree(self) -> Path | None:
        """The split's folder."""
        return storage.on_this_machine(self.root) / self.listing.folder

    @property
    def unpacked(self) -> frozenset[str]:
        """The archives of the images and boxes that lie in the tree."""
        return self.replaces
