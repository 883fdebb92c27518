"""The images in a zip archive, as a competition hands it out: read by ranges, never unpacked."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline import storage
from pipeline.archives import packed_sources
from pipeline.archives.tar import Member
from pipeline.shards.foreign import FoundImage, Note
from pipeline.sources.shardset import tar_images
from pipeline.storage import Location
from pipeline.storage.clutter import in_clutter


def images(root: Location, name: str, note: Note) -> Iterator[FoundImage]:
    """Yield the images of an archive in its order, stored or deflated; each CRC-32 is checked.

    Args:
        root: folder that the name is relative to.
        name: of the archive.
        note: is told of samples without an image, and of files that are no part of one.

    Raises:
        ArchiveRefused: it is cut short or damaged, or no zip archive.
        InputRefused: a label or JSON in it cannot be understood.
    """

    def files() -> Iterator[tuple[Member, bytes]]:
        with storage.open_sources(root) as sources:
            for member, content in packed_sources.members(sources, name):
                if in_clutter(member.name):
                    note("a hidden or system name", member.name)
                else:
                    place = packed_sources.place_of(member)
                    yield Member("", member.name, place, member.size, "file"), content

    yield from tar_images.samples(root / name, files(), note)
