"""Files that a source is read from: archives that are pinned, and annotations of boxes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Protocol

from pipeline import storage
from pipeline.annotations.contents import AnnotationContents
from pipeline.storage.location import Location

NO_MD5: Final = ""
"""The MD5 of an archive that nobody has said: it is not known before it was read."""
PLAIN: Final = (".tar", storage.TAR_FOLDER)
"""What names of archives end in whose members are indexed, and read where they lie."""


@dataclass(frozen=True)
class Archive:
    """One archive as it is published: file name, where to get it, bytes (if known), MD5.

    The MD5 is `NO_MD5` where the configuration does not say it. Of an archive that is packed as a
    whole, `packed` is its file name, and `file` that of the plain tar that is unpacked from it;
    MD5 and bytes are those of the packed file. One that `is_shard` has the MD5 that it had when it
    was read for its images, which no one has published, and tars in it are files like others.
    """

    name: str
    file: str
    url: str
    md5: str
    bytes: int | None
    packed: str = ""
    is_shard: bool = False

    @property
    def published(self) -> str:
        """The file name under which it is published."""
        return self.packed or self.file

    @property
    def address(self) -> str:
        """Where to get it; empty where nobody knows, for which configurations have a -."""
        return "" if self.url == "-" else self.url

    def as_published(self) -> Archive:
        """Return it as a file of its own, whatever is packed in it."""
        return replace(self, file=self.published, packed="")

    @property
    def is_plain(self) -> bool:
        """Whether its members are indexed: it is a tar, or a folder of tars that is read as one."""
        return self.file.endswith(PLAIN)

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder of tars."""
        return self.file.endswith(storage.TAR_FOLDER)


@dataclass(frozen=True)
class BoxSource:
    """Where the bounding boxes of a split come from.

    Attributes:
        path: the archive or folder of annotations.
        archive: what it should be; None: a folder in a tree.
        filtered: whether boxes of other classes are left out; the rule goes by class folders,
            so it means nothing for a flat split.
        by_class: whether annotations lie in the folders of their classes.
        digest: of its content and of the filter.
        content: digest of the annotations in a tree; None: an archive, or a tree that is gone.
        contents: of these annotations, if they were looked at.
    """

    path: Location
    archive: Archive | None
    filtered: bool
    by_class: bool
    digest: str
    content: str | None = None
    contents: AnnotationContents | None = None


class LabelCheck(Protocol):
    """Compares the labels of a split with what an archive says of them."""

    @property
    def archive(self) -> Archive:
        """The archive."""

    @property
    def digest(self) -> str:
        """A digest of the labels and of the archive."""

    def run(self, file: Location) -> int:
        """Compare them with the archive in a file, image by image; return how many it knows.

        Raises:
            ArchiveRefused: they do not agree.
        """
