"""What every tree of class folders offers to those who plan, make and look at it.

An export whose plan has a `TreeOfImages` fills a folder with a folder for each class, each image in
that of its class. A tree is made in groups of classes, and each group is complete or absent.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from pipeline.archives.member_hashes import KnownContents
from pipeline.storage import Sources
from pipeline.storage.local.fingerprints import FingerprintsBuilder

TRANSFERS: Final = ("copy", "link", "symlink", "move")
"""How images of a tree can get into another one."""


@dataclass(frozen=True)
class ClassGroup:
    """Classes whose folders are made together.

    Attributes:
        index: 0-based number of the group.
        classes: names of the class folders, sorted.
        images: how many they hold together.
    """

    index: int
    classes: tuple[str, ...]
    images: int


@dataclass(frozen=True, eq=False)
class ChangedImages:
    """How an export changes the images of a tree.

    Attributes:
        codec: returns the codec that is installed; raises `EnvironmentRefused`.
        digest: returns the digest of the tree that a codec makes.
        change: returns the changed image, by its bytes and the most pixels it may have.
        image_bytes: about how large a changed image is.
    """

    codec: Callable[[], str]
    digest: Callable[[str], str]
    change: Callable[[memoryview, int], bytes]
    image_bytes: int


@dataclass(frozen=True, eq=False, kw_only=True)
class GroupWork:
    """What a tree is given when the folders of a group of classes are made.

    Attributes:
        root: the folder of the class folders.
        rows: the images of the group, rows of the catalog.
        sources: reads the images.
        transfer: how the images get there, of `base.TRANSFERS`; "copy" where they are changed.
        whole_files: whether each image is a file of its own; else they lie in archives.
        max_pixels: how many pixels an image may have that is changed.
        progress: is called with the number of images done so far.
        seen: takes the fingerprints of the files that are read; None: none are kept.
        members: what the images were when their archives were verified.
    """

    root: Path
    rows: pa.Table
    sources: Sources
    transfer: str
    whole_files: bool
    max_pixels: int
    progress: Callable[[int], None]
    seen: FingerprintsBuilder | None
    members: KnownContents


class TreeOfImages(ABC):
    """A tree of class folders that an export makes, see `base.ExportPlan.tree`.

    Args:
        step: what the making of it is called in reports.
        changed: how its images are changed; None: they stay as they are, and may be links.
    """

    def __init__(self, step: str, changed: ChangedImages | None = None) -> None:
        self.step = step
        self.changed = changed

    @abstractmethod
    def groups(self, counts: Mapping[str, int]) -> tuple[ClassGroup, ...]:
        """Return the groups of classes that it is made in, always the same for the same counts.

        Args:
            counts: class folder -> images.
        """

    @abstractmethod
    def check_root(self, root: Path, counts: Mapping[str, int], *, flat_files: bool) -> None:
        """Check that nothing stands in the tree that does not belong there.

        Args:
            root: the folder of the class folders; it may be absent.
            counts: class folder -> images.
            flat_files: whether files may lie beside the class folders, as images that are still to
                be moved do.

        Raises:
            OutputConflict: something does.
        """

    @abstractmethod
    def write(self, work: GroupWork) -> pa.Table:
        """Make the folders of a group; return the listing, see `documents.tree_listing`.

        What is there already and is as it should be is kept. The same images give the same bytes.

        Raises:
            ShardmillError: an image cannot be read, changed or put there, or something else is
                in its place.
        """
