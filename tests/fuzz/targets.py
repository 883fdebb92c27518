"""The table of all parsers: where hostile documents begin, how they change, what may be raised."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import documents
import fields
import httpanswers
import luigids
import openimages
import owndata
import parsers
import seals
import shardfiles
import tables
from fields import Field

from pipeline.annotations.openimages import columns
from pipeline.annotations.openimages.rows import (
    read_boxes,
    read_images,
    read_labels,
    read_masks,
)
from pipeline.errors import (
    ArchiveRefused,
    BadAnnotation,
    BadImage,
    ConfigError,
    EnvironmentRefused,
    ObjectRefused,
    OutputDamaged,
    ShardmillError,
    UsageError,
)

_ROOM_OF_PIXELS = 1032 * 8 * 16  # bytes; a byte of deflate can stand for so many of 1 bit
_PACE_OF_PIXELS = 1032 * 8 * 1e-7  # seconds

Parse = Callable[[bytes, Path], None]


@dataclass(frozen=True)
class Target:
    """A parser under test.

    Attributes:
        parse: of `parsers`.
        seeds: valid documents.
        refusal: what it raises of what is not valid.
        fields: where numbers and names stand in a document.
        seal: sets a document's checksums right.
        text: whether it is text, to be changed by words.
        room: bytes of memory that it may take for each byte, beside a fixed amount.
        pace: seconds of the processor's time that it may take for each byte, likewise; many times
            what it takes of a usual document.
    """

    parse: Parse
    seeds: Callable[[], tuple[bytes, ...]]
    refusal: type[ShardmillError]
    fields: Callable[[bytes], Iterator[Field]] = fields.of_text
    seal: Callable[[bytes], bytes] = seals.nothing
    text: bool = False
    room: int = 8
    pace: float = 5e-5


_text = partial(Target, text=True)
_tar = partial(Target, fields=fields.of_tar, seal=seals.tar)
_meta = partial(Target, parsers.try_meta, refusal=ArchiveRefused, fields=fields.of_mat)
_jpeg = partial(Target, seeds=documents.whole_jpegs, refusal=BadImage, fields=fields.of_jpeg)
_png = partial(Target, refusal=BadImage, fields=fields.of_png, seal=seals.png)
_table = partial(Target, refusal=OutputDamaged, fields=fields.of_words)

TARGETS = {
    "tar": _tar(parsers.try_tar, documents.tars, ArchiveRefused),
    "archive": _tar(parsers.try_index, documents.tars, ArchiveRefused),
    "class-members": _tar(parsers.try_class_members, documents.class_archives, ArchiveRefused),
    "gzip": Target(parsers.try_members, documents.packed_tars, ArchiveRefused),
    "tar-gz": Target(
        parsers.try_members, documents.tars, ArchiveRefused, fields.of_tar, seals.tar_gz
    ),
    "voc": _text(parsers.try_voc, documents.annotation_files, BadAnnotation),
    "boxes": _text(parsers.try_boxes, documents.annotation_files, ArchiveRefused),
    "solution": _text(parsers.try_solution, documents.solutions, BadAnnotation),
    "image-list": _text(parsers.try_image_list, documents.image_lists, BadAnnotation),
    "image-list-of-two": _text(
        partial(parsers.try_image_list, width=2), documents.image_lists_of_two, BadAnnotation
    ),
    "class-table": _text(parsers.try_class_table, documents.class_tables, ConfigError),
    "label-table": _text(parsers.try_table, documents.label_tables, ConfigError),
    "counts": _text(parsers.try_counts, documents.counts, ConfigError),
    "label-list": _text(parsers.try_list, documents.label_lists, ConfigError),
    "numbers": _text(parsers.try_numbers, documents.number_lists, ConfigError),
    "classes": _text(parsers.try_classes, documents.class_lists, ConfigError),
    "config": _text(parsers.try_config, documents.configurations, ConfigError),
    "describe": _tar(owndata.try_describe, owndata.archives, ArchiveRefused),
    "describe-names": _text(owndata.try_describe_names, owndata.name_lists, ArchiveRefused),
    "describe-tree": _text(owndata.try_describe_tree, owndata.name_lists, ArchiveRefused),
    "csv-list": _text(
        partial(owndata.try_table_list, suffix=".csv"), owndata.comma_lists, BadAnnotation
    ),
    "tsv-list": _text(
        partial(owndata.try_table_list, suffix=".tsv"), owndata.tab_lists, BadAnnotation
    ),
    "jsonl-list": _text(
        partial(owndata.try_table_list, suffix=".jsonl"), owndata.json_lists, BadAnnotation
    ),
    "coco-list": _text(owndata.try_coco, owndata.coco_files, BadAnnotation),
    "voc-list": _text(owndata.try_voc, owndata.voc_files, BadAnnotation),
    "devkit-meta": _meta(seeds=partial(documents.metas, packed=False)),
    "devkit-packed-meta": _meta(seeds=partial(documents.metas, packed=False), seal=seals.mat),
    "devkit-truth": _text(parsers.try_truth, documents.truths, ArchiveRefused),
    "jpeg": _jpeg(parsers.try_header),
    "png": _png(parsers.try_header, documents.pngs),
    "repair-jpeg": _jpeg(parsers.try_repair, room=_ROOM_OF_PIXELS, pace=_PACE_OF_PIXELS),
    "repair-endless-jpeg": Target(
        parsers.try_repair,
        documents.endless_jpegs,
        BadImage,
        fields.of_jpeg,
        room=_ROOM_OF_PIXELS,
        pace=_PACE_OF_PIXELS,
    ),
    "foreign-image": Target(
        parsers.try_foreign,
        documents.foreign_images,
        BadImage,
        room=_ROOM_OF_PIXELS,
        pace=_PACE_OF_PIXELS,
    ),
    "repair-png": _png(
        parsers.try_repair, documents.pngs, room=_ROOM_OF_PIXELS, pace=_PACE_OF_PIXELS
    ),
    "manifest": _text(
        parsers.try_manifest, documents.manifests, OutputDamaged, seal=seals.manifest_hash
    ),
    "tfrecord": Target(
        parsers.try_tfrecord, documents.shards, OutputDamaged, fields.of_tfrecord, seals.tfrecord
    ),
    "recordio": Target(
        shardfiles.try_recordio, shardfiles.recordio_shards, OutputDamaged, fields.of_recordio
    ),
    "recordio-index": _text(
        shardfiles.try_recordio_index, shardfiles.recordio_indexes, OutputDamaged
    ),
    "image-header": Target(
        shardfiles.try_image_header, shardfiles.image_headers, OutputDamaged, fields.of_image_header
    ),
    "webdataset": Target(
        shardfiles.try_webdataset,
        shardfiles.webdataset_shards,
        OutputDamaged,
        fields.of_tar,
        seals.tar,
    ),
    "catalog": _table(tables.try_catalog, tables.catalogs),
    "plan": _table(tables.try_plan, tables.plans),
    "facts-slice": _table(tables.try_slice, tables.slices),
    "archive-index": _table(tables.try_archive_index, lambda: tables.indexes(documents.tars()[0])),
    "member-hashes": _table(tables.try_member_hashes, tables.member_hashes),
    "http-answer": _text(httpanswers.try_answer, httpanswers.answers, ObjectRefused),
    "luigid": _text(luigids.try_answer, luigids.answers, EnvironmentRefused, room=64),
    **{
        f"openimages-{name}": _text(parse, seeds, BadAnnotation)
        for name, parse, seeds in (
            (
                "boxes",
                partial(openimages.try_rows, read=read_boxes, kind=columns.BOXES),
                openimages.boxes,
            ),
            ("some-boxes", partial(openimages.try_some_rows, read=read_boxes), openimages.boxes),
            (
                "masks",
                partial(openimages.try_rows, read=read_masks, kind=columns.MASKS),
                openimages.masks,
            ),
            ("some-masks", partial(openimages.try_some_rows, read=read_masks), openimages.masks),
            (
                "labels",
                partial(openimages.try_rows, read=read_labels, kind=columns.LABELS),
                openimages.labels,
            ),
            (
                "images",
                partial(openimages.try_rows, read=read_images, kind=columns.IMAGES),
                openimages.images,
            ),
            ("class-names", openimages.try_class_names, openimages.class_names),
            ("mids", openimages.try_mids, openimages.mids),
            ("hierarchy", openimages.try_hierarchy, openimages.hierarchies),
        )
    },
    "openimages-config": _text(openimages.try_config, openimages.configurations, ConfigError),
    "openimages-files": _text(openimages.try_file_table, openimages.file_tables, ConfigError),
    "openimages-image-list": _text(
        openimages.try_image_list, openimages.image_lists, ShardmillError
    ),
    "openimages-class-list": _text(openimages.try_class_list, openimages.class_lists, UsageError),
    "zip": Target(openimages.try_zip, openimages.zips, ArchiveRefused, fields.of_zip),
    "mask": _png(openimages.try_mask, openimages.mask_images),
    "example": Target(parsers.try_example, documents.examples, OutputDamaged, fields.of_wire),
}
"""Name -> target."""
