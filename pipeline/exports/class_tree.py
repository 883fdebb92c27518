"""Turns catalog rows into a classic tree: a folder for each class, a file for each image.

A class folder is complete or absent, whenever the process is killed. A group of classes is made
at once: its images are read in the order in which they lie, and its folders are synced together.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import xxhash

from pipeline import paths, storage
from pipeline.archives.member_hashes import KnownContents
from pipeline.documents.tree_listing import LISTING_SCHEMA
from pipeline.errors import (
    BadImage,
    OutputConflict,
    TransientError,
    TreeRefused,
    UsageError,
    Vanished,
)
from pipeline.exports.class_folder import ClassFolder, ImageRow
from pipeline.exports.tree import TRANSFERS, ClassGroup
from pipeline.shards.read import NONE_KNOWN, read_member
from pipeline.storage import clutter
from pipeline.storage.local.fingerprints import FingerprintsBuilder

Change = Callable[[memoryview], bytes]
"""Makes another image of one."""

_GROUP_IMAGES = 8192  # some 900 MB: a kill costs little, a sync less
_GROUP_CLASSES = 256  # folders that are open at a time
_AHEAD = 64  # images that the kernel is asked for before they are read


def groups(counts: Mapping[str, int]) -> tuple[ClassGroup, ...]:
    """Divide classes into groups: in order, each closed at 8,192 images or 256 classes.

    Args:
        counts: images of each class folder.
    """
    closed: list[ClassGroup] = []
    classes: list[str] = []
    images = 0
    names = sorted(counts)
    for name in names:
        classes.append(name)
        images += counts[name]
        full = images >= _GROUP_IMAGES or len(classes) == _GROUP_CLASSES
        if full or name == names[-1]:
            closed.append(ClassGroup(len(closed), tuple(classes), images))
            classes, images = [], 0
    return tuple(closed)


def extract_group(
    root: Path,
    rows: pa.Table,
    sources: storage.Sources,
    *,
    transfer: str = "copy",
    whole_files: bool = False,
    change: Change | None = None,
    progress: Callable[[int], None] | None = None,
    seen: FingerprintsBuilder | None = None,
    members: KnownContents = NONE_KNOWN,
) -> pa.Table:
    """Make the folders of some classes; what is there already is checked and mended.

    A file that is there with the right content is kept, and so is a link to its source; one that
    is missing or differs is made anew. Hidden names are left alone.

    Args:
        root: the folder of the class folders.
        rows: the images, in any order: columns folder (of the class), name (of the file), source,
            offset, length (bytes).
        sources: reads them.
        transfer: how an image gets there, of `TRANSFERS`: read and written; given one more
            name; given a symbolic link; or linked, else copied, and then taken away from where
            it was. All but ``copy`` need files that are one image each.
        whole_files: whether each source is one image; else they are archives.
        change: what each image becomes, the same whenever it is asked; only of those that are
            read and written. None: it stays as it is.
        progress: called with the images done so far, every 64.
        seen: takes the fingerprints of the sources that are whole files.
        members: what the images were when their archives were verified.

    Returns:
        A row per image, of `LISTING_SCHEMA`, sorted by file.

    Raises:
        UsageError: there is no such transfer, or not from archives.
        InputRefused: no file may have the name of a class or of an image.
        ArchiveRefused: a source ends before an image that should be there.
        TreeRefused: an image is neither where it was nor where it is moved to, or has changed.
        TransientError: a source has vanished.
        MemberDiffers: an image is not what it was when its archive was verified.
        OutputConflict: a file or folder stands there that does not belong there.
        EnvironmentRefused: there can be no hard links.
        BadImage: an image cannot be changed.
    """
    columns = [rows[name].to_pylist() for name in ImageRow._fields]
    images = sorted(map(ImageRow._make, zip(*columns, strict=True)))
    known = TRANSFERS if whole_files else ("copy",)
    if transfer not in known:
        where = "files of their own" if whole_files else "archives"
        raise UsageError(
            f"--transfer {transfer}: images in {where} go otherwise",
            expected=", ".join(known),
            found=transfer,
        )
    for image in images:
        storage.check_file_name(image.folder, root)
        storage.check_file_name(image.name, root / image.folder)
    places = [(image.source, image.offset) for image in images]
    of_members = members.at([source for source, _ in places], [offset for _, offset in places])
    hashes = {place: known for place, known in zip(places, of_members, strict=True) if known}
    work = _Work(root, images, sources, transfer, whole_files, change, progress, seen, hashes)
    try:
        listing = work.extract()
    except OutputConflict:
        # Another process may have made a folder meanwhile: what is there is looked at once more.
        listing = work.extract()
        storage.sync_file_system(root)
    if transfer == "move":
        _remove_sources(root, images, sources, work.stamps)
    return listing


def check_root(root: Path, class_names: Container[str], *, flat_files: bool) -> None:
    """Check that nothing stands beside the class folders that would pass for one of them.

    Args:
        root: the folder of the class folders; it may be absent.
        class_names: the classes that belong there.
        flat_files: whether files may stand there too: images that are still to be moved.

    Raises:
        OutputConflict: something does.
    """
    for entry in storage.entries(root):
        known = entry.name in class_names if entry.kind == "folder" else flat_files
        known = known or entry.name == paths.METADATA
        if not known and not clutter.is_clutter(entry.name):
            raise OutputConflict(
                "something that does not belong there stands in the tree",
                file=str(root / entry.name),
                expected="folders of the chosen classes, no others",
                found=f"a {entry.kind}",
                remedy="move it away, or choose another --out",
            )


@dataclass(frozen=True)
class _Work:
    """What `extract_group` was asked for."""

    root: Path
    images: Sequence[ImageRow]
    sources: storage.Sources
    transfer: str
    whole_files: bool
    change: Change | None
    progress: Callable[[int], None] | None
    seen: FingerprintsBuilder | None
    known: Mapping[tuple[str, int], bytes]
    """Hashes of verified members, by source and offset."""
    stamps: dict[str, int] = field(default_factory=dict)
    """Of what is to be moved: source -> its stamp from before it was read."""

    def extract(self) -> pa.Table:
        """Make the folders and publish them."""
        if self.seen is not None:
            self.seen.clear()
        # In this order: an image that another process moves meanwhile is seen.
        images = [self._found(image) for image in self.images]
        rows = []
        with ExitStack() as stack:
            wanted: dict[str, set[str]] = {}
            for image in images:
                wanted.setdefault(image.folder, set()).add(image.name)
            folders = {
                class_name: ClassFolder(
                    self.root / class_name, names, self.sources, self.transfer, stack
                )
                for class_name, names in wanted.items()
            }
            for done, image in enumerate(images, start=1):
                self._announce(images, done - 1)
                data, content = self._read(image)
                folders[image.folder].take(image, data)
                rows.append((f"{image.folder}/{image.name}", len(data), content.hex()))
                if self.progress is not None and done % _AHEAD == 0:
                    self.progress(done)
            made = [folder.staged for folder in folders.values() if folder.staged is not None]
            storage.publish_folders(*made)
        rows.sort()
        listed = list(zip(*rows, strict=True)) or [()] * len(LISTING_SCHEMA)
        return pa.table([pa.array(column) for column in listed], LISTING_SCHEMA)

    def _found(self, image: ImageRow) -> ImageRow:
        """Return an image that was moved before as one that lies where it goes."""
        if self.transfer != "move":
            return image
        source = storage.on_this_machine(self.sources.path(image.source))
        ((size, stamp),) = storage.file_stamps(source.parent, [source.name])
        if size >= 0:
            self.stamps[image.source] = stamp
            return image
        self.stamps.pop(image.source, None)
        target = (self.root / image.folder / image.name).absolute()
        there = storage.stat(target)
        if there is None or there.size != image.length:
            raise TreeRefused(
                "an image is neither where it was nor where it is moved to",
                file=str(self.sources.path(image.source)),
                expected=f"{image.length} bytes there, or as {target}",
                found=f"{there.size} bytes there" if there else "no file",
                remedy="bring it back, then run the same command again",
            )
        return image._replace(source=str(target))

    def _announce(self, images: Sequence[ImageRow], place: int) -> None:
        first = 0 if place == 0 else place + _AHEAD
        for image in images[first : place + _AHEAD + 1]:
            self.sources.will_need(image.source, image.offset, image.length)

    def _read(self, image: ImageRow) -> tuple[memoryview, bytes]:
        """Return what is written of an image, and its xxh3-128."""
        where = (image.source, image.offset, image.length)
        key = f"{image.folder}/{image.name}"
        stamp = self.sources.stamp(image.source) if self.seen is not None else 0
        known = self.known.get((image.source, image.offset))
        data, content = read_member(self.sources, key, where, known, whole_file=self.whole_files)
        if self.seen is not None:
            self.seen.add(image.source, stamp, content)
        if self.change is None:
            return data, content
        try:
            changed = self.change(data)
            return memoryview(changed), xxhash.xxh3_128_digest(changed)
        except BadImage as error:
            raise BadImage(
                error.what,
                file=str(self.sources.path(image.source)),
                place=f"{key}, offset {image.offset}",
                expected=error.expected,
                found=error.found,
                remedy="get an intact copy of it: no image of a tree can be left out",
            ) from error


def _remove_sources(
    root: Path,
    images: Sequence[ImageRow],
    sources: storage.Sources,
    stamps: Mapping[str, int],
) -> None:
    """Remove images from where they were read, and class folders that are empty then.

    Raises:
        TransientError: one was replaced after it was read; it stays.
        Vanished: one is not where it was moved to.
    """
    moved: dict[tuple[Path, str], list[ImageRow]] = {}
    for image in images:
        folder = storage.on_this_machine(sources.path(image.source)).parent
        moved.setdefault((folder, image.folder), []).append(image)
    # What an earlier run has published may not be durable yet.
    storage.sync_file_system(root)
    for (folder, class_name), members in moved.items():
        if storage.same_folder(folder, root / class_name):
            continue  # they are where they go
        standing = storage.sizes(root / class_name)
        for image in members:
            if standing.get(image.name) != image.length:
                raise Vanished(
                    "an image that was moved there is gone",
                    file=str(root / class_name / image.name),
                    remedy="leave the tree alone while a command is at work, then run it again",
                )
        names = {
            sources.path(image.source).name: stamps[image.source]
            for image in members
            if image.source in stamps
        }
        for name in storage.remove_read(folder, names):
            raise TransientError(
                "an image was replaced while it was moved, and stays where it is",
                file=str(folder / name),
                remedy="leave the tree alone while a command is at work, then run it again",
            )
        if folder.name == class_name:
            storage.remove_empty(folder)
