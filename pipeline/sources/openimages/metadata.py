"""Metadata files: had once, and known as long as they look as they did then."""

from __future__ import annotations

from pathlib import Path

from pipeline import manifest, storage
from pipeline.documents.openimages import PublishedMark
from pipeline.errors import NotCollected
from pipeline.sources.openimages import places, published
from pipeline.sources.openimages.file_table import PublishedFile
from pipeline.sources.openimages.published import Say, Tell, VerifiedFile


def md5(file: PublishedFile, out: Path) -> str | None:
    """Return the MD5 of a file: pinned, or of the one that was verified last; None: not known."""
    if file.md5 is not None:
        return file.md5
    mark = manifest.read_undamaged(places.published_mark(out, file.name), PublishedMark)
    return mark.md5 if mark else None


def not_there(file: PublishedFile, raw: Path) -> NotCollected:
    """Return the refusal of what needs a file that is still to be fetched."""
    return NotCollected(
        "a metadata file of Open Images is not there yet",
        file=str(raw / file.name),
        remedy="run the command without --dry-run: it is fetched first",
    )


def known(file: PublishedFile, out: Path, raw: Path) -> VerifiedFile | None:
    """Return what a file is that was verified, and looks as it did then; None: it is not known."""
    mark = manifest.read_undamaged(places.published_mark(out, file.name), PublishedMark)
    path = published.find(file, raw)
    if mark is None or path is None:
        return None
    info = storage.stat(path)
    if info is None or (info.size, info.stamp, str(path)) != (mark.size, mark.stamp, mark.place):
        return None
    is_pinned = file.md5 in {None, mark.md5} and file.bytes in {None, info.size}
    return VerifiedFile(path, info, mark.md5) if is_pinned else None


def ensure(
    file: PublishedFile,
    out: Path,
    raw: Path,
    *,
    offline: bool = False,
    say: Say = lambda _text: None,
    tell: Tell = lambda _done, _total: None,
) -> VerifiedFile:
    """Return a file that is verified, fetched if it is not there; what it is is kept.

    Args:
        file: which.
        out: the output folder.
        raw: see `published.fetch`, as for the rest.
        offline: whether nothing is fetched.
        say: told what a person should know: also the MD5 of a file that is not pinned.
        tell: told how many bytes are there, and of how many.

    Raises:
        ShardmillError: see `published.fetch`.
    """
    if (there := known(file, out, raw)) is not None:
        return there
    before = md5(file, out)
    there = published.fetch(file, raw, offline=offline, say=say, tell=tell)
    if file.md5 is None:
        is_another = before is not None and before != there.md5
        change = f", and was {before}: selections get other digests" if is_another else ""
        say(f"{file.name}: it is not pinned; its MD5 is {there.md5}{change}")
    document = {
        "place": str(there.path),
        "size": there.info.size,
        "stamp": there.info.stamp,
        "md5": there.md5,
    }
    manifest.publish_alone(places.published_mark(out, file.name), document)
    return there
