"""The step that makes files of a whole data set: the same for every export."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import luigi

from pipeline import manifest, paths, storage
from pipeline.documents.outputs import OutputManifest
from pipeline.documents.products import ProductMark
from pipeline.errors import OutputDamaged
from pipeline.exports.base import ExportPlan, ExportWork, Need, What
from pipeline.exports.registry import EXPORTS
from pipeline.job import exports as exportjob
from pipeline.job.artifacts import Product
from pipeline.job.resolve import ResolvedJob
from pipeline.job.split import SplitJob
from pipeline.manifest import FileEntry
from pipeline.shards.output import Output
from pipeline.sources.inputs import Archive
from pipeline.state import withdrawal
from tasks.annotations import WriteBoxes
from tasks.archives import verification
from tasks.base import ShardmillTask, Volume
from tasks.image_list import WriteList
from tasks.joined import JoinShards
from tasks.label_tables import WriteClasses, WriteLabels
from tasks.lists import BuildCatalog, WriteUnmatched
from tasks.shards import WriteManifest
from tasks.splits import ProductTask
from tasks.trees import ChangeTree, ExtractTree

_MAKERS: Final[Mapping[str, type[ProductTask]]] = {
    maker.kind: maker
    for maker in (
        *(WriteBoxes, WriteUnmatched, WriteList, WriteLabels, WriteClasses),
        *(ExtractTree, JoinShards),
    )
}
_OF_IMAGES: Final = {What.FACTS, What.OUTPUTS}


class WriteExport(ProductTask):
    """Files that an export makes; `name` is that of their mark."""

    name: luigi.Parameter[str] = luigi.Parameter(description="name of the artifact")
    step = "exports"

    @property
    def product(self) -> Product:
        """The product."""
        return self.resolved.product(str(self.name))

    @property
    def plan(self) -> ExportPlan:
        """What the export says of it."""
        plan = self.product.plan
        if plan is None:
            raise LookupError(f"no export makes {self.name}")
        return plan

    def requires(self) -> list[ShardmillTask]:
        """Return what makes the things that it needs."""
        return [task for need in self.plan.needs for task in self._makers(need)]

    def make(self) -> Volume:
        """Write its files."""
        before = manifest.read_undamaged(self.mark(), ProductMark)
        self.claim()
        made_of = self._standing()
        for need in self.plan.needs:
            self._check(need)
        work = ExportWork(
            plan=self.plan,
            data=exportjob.view_of(self.resolved),
            digest=self.product.digest,
            mark=before,
            entries=self._entries,
            class_texts=self._class_texts,
            counter=self.counter,
        )
        with contextlib.ExitStack() as stack:
            files = map(storage.StagedFile, self.product.files)
            staged = [stack.enter_context(file) for file in files]
            said = EXPORTS[self.product.export].write(work, staged)
            return Volume(size=self.publish_files(staged, made_of, **said))

    def _makers(self, need: Need) -> list[ShardmillTask]:
        """Return the tasks that make something that it needs."""
        if need.what is What.CATALOG:
            return [self._catalog_of(self.resolved.splits[need.name])]
        if need.what in _OF_IMAGES:
            split = self.resolved.splits[need.name]
            return [self._manifest_of(split, output) for output in split.outputs]
        if need.what is What.CLASS_TEXTS:
            return [verification(self, self._texts)]
        return [maker(self.resolved, self.resolved.product(need.name))]

    def _check(self, need: Need) -> None:
        """Check the bytes of what it reads; damaged, that is made anew."""
        if need.what is What.CATALOG:
            self.check(self._catalog_of(self.resolved.splits[need.name]))
        elif need.what is What.FACTS:
            split = self.resolved.splits[need.name]
            for output in split.outputs:
                self._check_facts(self._manifest_of(split, output))

    def _check_facts(self, source: WriteManifest) -> None:
        """Check the bytes of an output's facts; damaged, its manifest is made anew with them."""
        path = paths.facts(source.product.folder)
        with self.forgetting(source):
            named = manifest.read(source.mark(), OutputManifest).files
            wanted = {entry.xxh3_128 for entry in named if entry.file == path.name}
            if wanted != {manifest.hash_file(path)}:
                raise OutputDamaged("the facts are not as they were written", file=str(path))

    def _standing(self) -> dict[Path, str]:
        """Return the manifests that it is made of, of outputs whose images may be replaced."""
        names = dict.fromkeys(need.name for need in self.plan.needs if need.what in _OF_IMAGES)
        splits = [self.resolved.splits[name] for name in names]
        folders = [o.folder for s in splits if s.source.whole_files for o in s.outputs]
        return withdrawal.standing(map(paths.manifest, folders))

    def _entries(self) -> list[FileEntry]:
        """Return the files that it needs, as paths in the output: none of the state's own."""
        found = []
        for task in self.requires():
            base = task.product.folder if isinstance(task, WriteManifest) else self.folder
            for entry in manifest.read(task.mark(), task.document_kind).files:
                path = base / entry.file
                if not path.is_relative_to(paths.state(self.folder)):
                    found.append(entry.named(str(path.relative_to(self.folder))))
        return found

    @property
    def _texts(self) -> Archive:
        """The archive that says what classes mean."""
        archive = self.resolved.dataset.class_texts
        if archive is None:
            raise LookupError(f"nobody says what the classes of {self.resolved.dataset.name} mean")
        return archive

    def _class_texts(self) -> tuple[Path, Mapping[str, tuple[str, str]]]:
        path = self.resolved.raw_file(self._texts)
        return path, self.resolved.dataset.read_class_texts(path)

    def _catalog_of(self, split: SplitJob) -> BuildCatalog:
        digest = split.catalog_digest
        return BuildCatalog(out=self.out, split=split.name, digest=digest, job=self.job)

    def _manifest_of(self, split: SplitJob, output: Output) -> WriteManifest:
        return WriteManifest(
            out=self.out,
            split=split.name,
            digest=output.digest,
            format=output.format,
            on_bad_image=self.job.on_bad_image,
            job=self.job,
        )


def maker(resolved: ResolvedJob, product: Product) -> ProductTask:
    """Return the last task of a product."""
    named = {"out": resolved.job.out, "split": product.split, "digest": product.digest}
    if not product.export:
        return _MAKERS[product.kind](**named, job=resolved.job)
    if product.tree:
        return ChangeTree(**named, job=resolved.job)
    return WriteExport(**named, name=product.name, job=resolved.job)
