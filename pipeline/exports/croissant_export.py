"""The export ``croissant``: one description of all files, with the SHA-256 of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pipeline import digests, paths
from pipeline.catalog import class_table
from pipeline.exports import columns_of_lists, croissant, parquet_export
from pipeline.exports import image_list as imagelist
from pipeline.exports.base import Export, ExportPlan, ExportWork, Need, SetView, What
from pipeline.exports.croissant import DescribedFile, Description
from pipeline.manifest import Document, FileEntry
from pipeline.storage import StagedFile, relative

_NAME = "croissant.json"


class Croissant(Export):
    """What there is, and of what form; file names in it are relative to its folder."""

    name = "croissant"
    implies = ("parquet",)
    of_images = True
    parts = ("images", "boxes", "shards")
    keeps_splits = True

    def files(self, folder: str) -> tuple[str, ...]:
        """Return the description."""
        del folder
        return (_NAME,)

    def plan(self, data: SetView) -> Iterator[ExportPlan]:
        """Yield the description."""
        document = {
            "dataset": data.name,
            "published": dict(data.published),
            "outputs": [split.outputs for split in data.splits.values()],
            "artifacts": [[each.name, each.digest] for each in data.described],
            "version": croissant.VERSION,
        }
        yield ExportPlan(
            kind=self.name,
            files=(data.out / _NAME,),
            digest=digests.digest(document),
            needs=(
                *(Need(What.ARTIFACT, each.name) for each in data.described),
                *(Need(What.OUTPUTS, name) for name in data.splits),
            ),
            made_of={
                "version of its form": str(croissant.VERSION),
                "files": ", ".join(sorted(each.name for each in data.described)),
            },
        )

    def write(self, work: ExportWork, staged: Sequence[StagedFile]) -> Document:
        """Write the description; what was hashed before is hashed again only if it has changed."""
        kept = work.mark.sha256 if work.mark else ()
        known = {FileEntry(each.file, each.bytes, each.xxh3_128): each.sha256 for each in kept}
        entries, hashes, done = work.entries(), dict[FileEntry, str](), 0
        with work.counter(sum(entry.bytes for entry in entries), "bytes") as progress:
            for entry in entries:
                hashes |= croissant.sha256_of(work.data.out, [entry], known)
                done += entry.bytes
                progress(done)
        staged[0].write(croissant.serialise(_description(work.data, hashes)))
        return {"sha256": [{**each.to_json(), "sha256": sha} for each, sha in hashes.items()]}


def _of_classes(data: SetView) -> dict[str, Any]:
    """Return what a description says of classes: of the label table, or of class folders."""
    if data.class_names is None:
        labels = paths.label_table(data.out)
        if not any(labels in each.files for each in data.described):
            return {}
        header = imagelist.labels_bytes(data.table).decode().partition("\n")[0]
        name = relative(labels, data.out)
        return {"classes": name, "class_columns": tuple(header.split("\t"))}
    found: dict[str, Any] = {"class_column": columns_of_lists.CLASS, "image_key": ("split", "id")}
    tables = (paths.class_table(data.out, name) for name in data.splits)
    made = {file for each in data.described for file in each.files}
    table = next((file for file in tables if file in made), None)
    if table is None:
        return found
    name = relative(table, data.out)
    columns = {"classes": name, "class_columns": class_table.COLUMNS, "class_key": "label"}
    return found | columns


def _description(data: SetView, hashes: dict[FileEntry, str]) -> Description:
    splits = data.splits.values()
    images = sum(split.images for split in splits)
    classes = {name for split in splits for name in split.counts if name}
    about = f"{images:,} images" + (f" of {len(classes):,} classes" if classes else "")
    return Description(
        name=data.name,
        about=f"{about}, prepared by shardmill.",
        splits={split.name: split.images for split in splits},
        files=tuple(DescribedFile(e.file, e.bytes, sha) for e, sha in hashes.items()),
        images=parquet_export.IMAGES,
        columns=parquet_export.columns(data),
        **{**data.published, **_of_classes(data)},
    )
