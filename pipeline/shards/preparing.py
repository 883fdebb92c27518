"""Prepares the images of a shard in the order of its plan, by this process or by several."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

import pyarrow as pa
import xxhash
from msgspec import Struct
from msgspec.structs import replace

from pipeline import storage
from pipeline.archives import packed_sources
from pipeline.archives.member_hashes import KnownContents
from pipeline.catalog import table as catalog
from pipeline.errors import BadImage, NoPermission
from pipeline.images.annotated_size import check_annotated_size
from pipeline.images.prepare import Preparation, StoredImage
from pipeline.processes.ordered import in_order
from pipeline.shards.object_masks import masks_at_size
from pipeline.shards.read import (
    AHEAD,
    NONE_KNOWN,
    Image,
    LeftOut,
    WhyAbsent,
    check_member,
    no_such_file,
    read_image,
    record_of,
)
from pipeline.storage.local.fingerprints import FingerprintsBuilder

_NAME: Final = "a process that prepares images"


class _Prepared(Struct, frozen=True):
    """What came of the image of one row, in whatever process; a struct, as many are made.

    Attributes:
        stored: the image, or why it cannot be stored; None: there is no file.
        stamp: of a source that is a whole file, if it is asked for; see `Sources.stamp`.
        content: the xxh3-128 of its bytes, if that is asked for.
        masks: of the objects on it, if they are asked for.
    """

    stored: StoredImage | BadImage | None
    stamp: int = storage.ABSENT
    content: bytes | None = None
    masks: tuple[bytes, ...] = ()


@contextlib.contextmanager
def open_images(
    rows: pa.RecordBatch,
    sources: storage.Sources,
    prepares: Preparation,
    *,
    whole_files: bool = False,
    seen: FingerprintsBuilder | None = None,
    members: KnownContents = NONE_KNOWN,
    why_absent: WhyAbsent = no_such_file,
    with_masks: bool = False,
    processes: int = 1,
    opens: Callable[[], storage.Sources] | None = None,
) -> Iterator[Iterator[Image | LeftOut]]:
    """Give the images of a shard, read in order and encoded anew where that is asked for.

    Args:
        rows: the rows of the plan.
        sources: read the images; of this process, another opens its own.
        prepares: makes of an image what is stored.
        whole_files: whether each image is a file by itself, as in a tree.
        seen: takes the fingerprints of the images that are whole files, in their order.
        members: what the images were when they were verified: they are compared with that.
        why_absent: is asked of those of which there is no file.
        with_masks: whether records have the masks of their objects.
        processes: how many prepare images, with this one; one where several would not read as
            well. The images, their order and the errors are the same. How far they are ahead, and
            so their memory, is said in `pipeline.processes.ordered`.
        opens: opens what another process reads them from; None: where their rows say.

    Returns:
        The encoded bytes are a view that the next step of the iteration may overwrite.

    Raises:
        MemberDiffers: by the iterator, see `check_member`.
        InputRefused: likewise, see `read_image` and `check_member`.
        TransientError: likewise, if one of several processes is dead.
    """
    if not storage.many_may_read(sources.root):
        processes = 1
    work = _ImageWork(
        rows=catalog.columns(rows),
        sources=sources,
        prepares=prepares,
        whole_files=whole_files,
        members=members,
        with_fingerprints=seen is not None,
        with_masks=with_masks,
        is_shared=processes > 1,
        opens=opens or partial(packed_sources.open_sources, sources.root, whole_files=whole_files),
    )
    with in_order(work, rows.num_rows, processes, _NAME) as prepared:
        yield _finished(work, prepared, seen, why_absent)


def _finished(
    work: _ImageWork,
    prepared: Iterator[_Prepared],
    seen: FingerprintsBuilder | None,
    why_absent: WhyAbsent,
) -> Iterator[Image | LeftOut]:
    """Yield images as they are written, and note what was read."""
    work.announce_first()
    columns, max_pixels = work.rows, work.prepares.max_pixels
    rows = zip(*columns.values(), strict=True)
    for image, values in zip(prepared, rows, strict=True):
        row = dict(zip(columns, values, strict=True))
        key, source, offset, line = row["key"], row["source"], row["offset"], row["line"]
        if seen is not None:
            seen.add(source, image.stamp, image.content)
        if image.stored is None:
            reason, remedy = why_absent(key)
            yield LeftOut(key, source, offset, reason, line, remedy)
        elif isinstance(image.stored, BadImage):
            yield LeftOut.because(image.stored, key, source, offset, line, max_pixels)
        else:
            record = record_of(row, image.stored, image.masks)
            yield Image(record, image.stored, source, offset, line)


class _ImageWork:
    """Prepares the image of one row of a plan; see `open_images`.

    Images that are announced ahead are read by whichever process takes them: the kernel keeps
    what it has read for all. Of Arrow only what needs none of its threads is used, such as a row
    group of a Parquet file that is decoded by the caller: a fork has not these threads.
    """

    def __init__(
        self,
        *,
        rows: Mapping[str, Sequence[Any]],
        sources: storage.Sources,
        prepares: Preparation,
        whole_files: bool,
        members: KnownContents,
        with_fingerprints: bool,
        with_masks: bool,
        is_shared: bool,
        opens: Callable[[], storage.Sources],
    ) -> None:
        self.rows = rows
        self.prepares = prepares
        self._sources = sources
        self._whole_files = whole_files
        self._with_fingerprints = with_fingerprints
        self._with_masks = with_masks
        self._is_shared = is_shared
        self._opens = opens
        self._places = list(zip(rows["source"], rows["offset"], rows["length"], strict=True))
        self._known = members.at(rows["source"], rows["offset"])

    def forked(self) -> None:
        """Read by descriptors of this process alone."""
        sources = self._sources
        self._sources = self._opens()
        sources.close()

    def announce_first(self) -> None:
        """Say of the first images that they will be read soon."""
        for where in self._places[:AHEAD]:
            self._will_need(where)

    def __call__(self, place: int) -> _Prepared:
        """Return what comes of the image of a row."""
        if place + AHEAD < len(self._places):
            self._will_need(self._places[place + AHEAD])
        where, key, known = self._places[place], self.rows["key"][place], self._known[place]
        source, _, length = where
        if length < 0:
            return _Prepared(None)
        stamp = 0
        if self._with_fingerprints:
            stamp = self._sources.stamp(source)  # first: see `settled_stamp`
        stored, content = self._prepared(place, where)
        if known is not None and content() != known:
            self._sources.not_cached(*where)
            stored, content = self._prepared(place, where)
            whole = self._whole_files
            check_member(self._sources, key, where, content(), known, whole_file=whole)
        digest = content() if self._with_fingerprints else None
        if not isinstance(stored, StoredImage):
            return _Prepared(stored, stamp, digest)
        masks = self._masks(place, stored) if self._with_masks else ()
        if self._is_shared:  # a view cannot be sent, and here the next image overwrites it
            stored = replace(stored, encoded=bytes(stored.encoded))
        return _Prepared(stored, stamp, digest, masks)

    def _masks(self, place: int, stored: StoredImage) -> tuple[bytes, ...]:
        return masks_at_size(self.rows["mask_files"][place], self._sources, stored)

    def _prepared(
        self, place: int, where: tuple[str, int, int]
    ) -> tuple[StoredImage | BadImage, Callable[[], bytes]]:
        """Read an image; return what is stored of it, or why not, and what gives its xxh3-128."""
        key, size = self.rows["key"][place], self.rows["annotated_size"][place]
        data = read_image(self._sources, key, where, whole_file=self._whole_files)
        try:
            stored = self.prepares.prepare(data)
            if size is not None:
                check_annotated_size(data, size)
        except BadImage as error:
            return error, partial(xxhash.xxh3_128_digest, data)
        return stored, partial(_content_hash, data, stored)

    def _will_need(self, where: tuple[str, int, int]) -> None:
        if where[2] >= 0:
            try:  # noqa: SIM105 - for each image, and a context takes four times as long
                self._sources.will_need(*where)
            except NoPermission:  # it is said when it is read
                pass


def _content_hash(data: memoryview, stored: StoredImage) -> bytes:
    """Return the xxh3-128 of a source; of one that is stored as it is, it is known already."""
    if stored.encoded is data:
        return bytes.fromhex(stored.xxh3_128)
    return xxhash.xxh3_128_digest(data)
