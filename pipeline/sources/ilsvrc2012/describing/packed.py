"""What lies in a packed tar: annotations, a devkit, or images."""

from __future__ import annotations

from typing import Final

from pipeline.annotations.source import is_annotation
from pipeline.archives.compressed import read_members
from pipeline.archives.tar import Member
from pipeline.errors import InputRefused
from pipeline.sources.ilsvrc2012.describing.layouts import BOXES, NotDescribed
from pipeline.sources.ilsvrc2012.devkit import FILES
from pipeline.storage import Location
from pipeline.storage.clutter import in_clutter

DEVKIT: Final = "devkit"
IMAGES: Final = "images"
_OF_IMAGES: Final = (".tar", ".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")


def kind_of(archive: Location) -> str:
    """Return `BOXES`, `DEVKIT` or `IMAGES`; of an archive of images only the beginning is read.

    Args:
        archive: a packed tar.

    Raises:
        NotDescribed: it is none of them.
    """
    annotations, others, devkit = 0, list[str](), set[str]()
    try:
        for member, _ in read_members(archive, largest=0):
            if in_clutter(member.name):
                continue
            if member.name.lower().endswith(_OF_IMAGES):
                return IMAGES
            devkit.update(name for name in FILES if f"/{member.name}".endswith(f"/{name}"))
            annotations += is_annotation(member)
            others += _named(member, others)
    except InputRefused as error:
        raise NotDescribed(f"{error.what}: {error.place or error.found}") from error
    if devkit == {*FILES}:
        return DEVKIT
    if annotations and not others:
        return BOXES
    raise NotDescribed(f"neither images nor annotations: {', '.join(others) or 'no file'}")


def _named(member: Member, others: list[str]) -> list[str]:
    return [] if others or is_annotation(member) else [member.name]
