"""The steps that make whole-dataset files of catalogs and facts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from pipeline import manifest, paths, storage
from pipeline.catalog import table as catalog
from pipeline.documents.outputs import OutputManifest
from pipeline.documents.products import ProductMark
from pipeline.errors import OutputDamaged
from pipeline.exports import croissant, imagefolder, parquet
from pipeline.exports import image_list as imagelist
from pipeline.exports.croissant import DescribedFile, Description
from pipeline.exports.parquet import ExportedSplit
from pipeline.job.split import SplitJob
from pipeline.manifest import FileEntry
from pipeline.shards.output import Output
from pipeline.state import withdrawal
from tasks.annotations import WriteBoxes
from tasks.base import ShardmillTask, Volume
from tasks.image_list import WriteList
from tasks.joined import JoinShards
from tasks.label_tables import WriteLabels
from tasks.lists import BuildCatalog, WriteUnmatched
from tasks.shards import WriteManifest
from tasks.splits import ProductTask
from tasks.trees import ExtractTree, tree_of


class ExportTask(ProductTask):
    """A step that makes one file, of catalogs and facts."""

    step = "exports"

    def catalog_of(self, split: SplitJob) -> BuildCatalog:
        """Return the task that makes the catalog of a split."""
        digest = split.catalog_digest
        return BuildCatalog(out=self.out, split=split.name, digest=digest, job=self.job)

    def manifest_of(self, split: SplitJob, output: Output) -> WriteManifest:
        """Return the task that finishes an output."""
        return WriteManifest(
            out=self.out,
            split=split.name,
            digest=output.digest,
            format=output.format,
            on_bad_image=self.job.on_bad_image,
            job=self.job,
        )

    def manifests(self) -> list[WriteManifest]:
        """Return the tasks that finish the outputs of all splits."""
        splits = self.resolved.splits.values()
        return [self.manifest_of(split, output) for split in splits for output in split.outputs]

    def standing(self) -> dict[Path, str]:
        """Return the manifests, as they are now, of outputs whose images may be replaced."""
        splits = (split for split in self.resolved.splits.values() if split.source.whole_files)
        folders = [output.folder for split in splits for output in split.outputs]
        return withdrawal.standing(map(paths.manifest, folders))


class WriteImageFolder(ExportTask):
    """What imagefolder reads beside the class folders of a split."""

    kind = "imagefolder"

    def requires(self) -> list[BuildCatalog | ExtractTree]:
        """Return the catalog, and the tree that the file lies in."""
        return [self.catalog_of(self.split_job), tree_of(self, ExtractTree, self.split)]

    def make(self) -> Volume:
        """Write it."""
        self.claim()
        self.check(self.catalog_of(self.split_job))
        listed = paths.catalog(self.folder, self.split, self.split_job.catalog_digest)
        with storage.StagedFile(self.product.files[0]) as staged:
            imagefolder.write(staged, catalog.read(listed), self.resolved.table)
            return Volume(size=self.publish_files([staged]))


class WriteParquet(ExportTask):
    """A row per image of all splits."""

    kind = "parquet"

    def requires(self) -> list[BuildCatalog | WriteManifest]:
        """Return the catalogs and the outputs, of whose facts it is made."""
        catalogs = [self.catalog_of(split) for split in self.resolved.splits.values()]
        return [*catalogs, *self.manifests()]

    def make(self) -> Volume:
        """Write it."""
        self.claim()
        made_of = self.standing()
        for source in self.requires():
            if isinstance(source, WriteManifest):
                self._check_facts(source)
            else:
                self.check(source)
        splits = [self._exported(split) for split in self.resolved.splits.values()]
        with storage.StagedFile(self.product.files[0]) as staged:
            rows = parquet.write(staged, splits, self.resolved.table)
            return Volume(size=self.publish_files([staged], made_of, rows=rows))

    def _exported(self, split: SplitJob) -> ExportedSplit:
        listed = paths.catalog(self.folder, split.name, split.catalog_digest)
        facts = {
            output.exported_as: parquet.read_facts(paths.facts(output.folder))
            for output in split.outputs
        }
        return ExportedSplit(
            split.name,
            lambda: catalog.read(listed),
            facts,
            split.split.folder,
            {output.exported_as: output.form.picture for output in split.outputs},
        )

    def _check_facts(self, source: WriteManifest) -> None:
        """Check the bytes of an output's facts; damaged, its manifest is made anew with them."""
        path = paths.facts(source.product.folder)
        with self.forgetting(source):
            named = manifest.read(source.mark(), OutputManifest).files
            wanted = {entry.xxh3_128 for entry in named if entry.file == path.name}
            if wanted != {manifest.hash_file(path)}:
                raise OutputDamaged("the facts are not as they were written", file=str(path))


class WriteCroissant(ExportTask):
    """The description of all files, with the SHA-256 of each: made once, and kept in the mark."""

    kind = "croissant"
    described: ClassVar[dict[str, type[ProductTask]]] = {
        maker.kind: maker
        for maker in (WriteBoxes, WriteUnmatched, WriteList, WriteLabels, WriteParquet, JoinShards)
    }

    def requires(self) -> list[ShardmillTask]:
        """Return everything whose files are described."""
        made = [
            self.described[each.kind](
                out=self.out, split=each.split, digest=each.digest, job=self.job
            )
            for each in self.resolved.products
            if each.described
        ]
        return [*made, *self.manifests()]

    def make(self) -> Volume:
        """Write it."""
        known = self._known()
        self.claim()
        made_of = self.standing()
        entries = list(self._entries())
        hashes: dict[FileEntry, str] = {}
        with self.counter(sum(entry.bytes for entry in entries), "bytes") as progress:
            done = 0
            for entry in entries:
                hashes |= croissant.sha256_of(self.folder, [entry], known)
                done += entry.bytes
                progress(done)
        content = croissant.serialise(self._description(hashes))
        with storage.StagedFile(self.product.files[0]) as staged:
            staged.write(content)
            kept = [{**entry.to_json(), "sha256": sha} for entry, sha in hashes.items()]
            return Volume(size=self.publish_files([staged], made_of, sha256=kept))

    def _known(self) -> dict[FileEntry, str]:
        """Return what was found before: of files that are as they were it need not be made."""
        mark = manifest.read_undamaged(self.mark(), ProductMark)
        kept = mark.sha256 if mark else ()
        return {FileEntry(each.file, each.bytes, each.xxh3_128): each.sha256 for each in kept}

    def _entries(self) -> Iterator[FileEntry]:
        """Yield the files that are described, as paths in the output: none of the state's own."""
        for source in self.requires():
            base = self.folder
            if isinstance(source, WriteManifest):
                base = source.product.folder
            for entry in manifest.read(source.mark(), source.document_kind).files:
                path = base / entry.file
                if not path.is_relative_to(paths.state(self.folder)):
                    yield entry.named(str(path.relative_to(self.folder)))

    def _description(self, hashes: dict[FileEntry, str]) -> Description:
        resolved, out = self.resolved, self.folder
        table, splits = resolved.table, resolved.splits.values()
        formats = dict.fromkeys(output.exported_as for split in splits for output in split.outputs)
        images = sum(split.expected.images for split in splits)
        classes = {wnid for split in splits for wnid in split.expected.counts if wnid}
        labels = paths.label_table(out)
        has_labels = any(labels in product.files for product in resolved.products)
        header = imagelist.labels_bytes(table).decode().partition("\n")[0]
        return Description(
            name=resolved.dataset.name,
            about=f"{images:,} images of {len(classes):,} classes, prepared by shardmill.",
            splits={split.name: split.expected.images for split in splits},
            files=tuple(DescribedFile(e.file, e.bytes, sha) for e, sha in hashes.items()),
            images=str(paths.images_table(out).relative_to(out)),
            columns=parquet.schema(formats, table.wnids),
            classes=str(labels.relative_to(out)) if has_labels else "",
            class_columns=tuple(header.split("\t")) if has_labels else (),
            **resolved.dataset.published,
        )
