"""The step that makes files of a whole data set: the same for every export."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from typing import Any, Final

import luigi

from pipeline import manifest, paths, storage
from pipeline.archives import packed_sources
from pipeline.documents.outputs import OutputManifest
from pipeline.documents.products import ProductMark
from pipeline.errors import OutputDamaged, abbreviate
from pipeline.exports import registry
from pipeline.exports.base import Export, ExportPlan, ExportWork, What
from pipeline.job import set_view
from pipeline.job.artifacts import CATALOG, EXPORT, MANIFEST, Artifact, Product
from pipeline.job.resolve import ResolvedJob
from pipeline.manifest import FileEntry
from pipeline.sources.inputs import Archive
from pipeline.state import inventory, whole_set, withdrawal
from pipeline.storage import Location
from tasks.artifact_tasks import tasks_of
from tasks.base import Volume
from tasks.shards import WriteManifest
from tasks.splits import ProductTask

_OF_IMAGES: Final = {What.FACTS, What.OUTPUTS}


class WriteExport(ProductTask):
    """Files that an export makes; `name` is that of their mark."""

    name: luigi.Parameter[str] = luigi.Parameter(description="name of the artifact")
    makes = EXPORT

    @classmethod
    def named(cls, artifact: Artifact) -> dict[str, Any]:
        """Return the parameters that name what an export makes."""
        return {**super().named(artifact), "name": artifact.name}

    @property
    def artifact_name(self) -> str:
        """The name of what it makes, in its job."""
        return str(self.name)

    @property
    def plan(self) -> ExportPlan:
        """What the export says of it."""
        return _plan(self.product)

    def make(self) -> Volume:
        """Write its files."""
        before = manifest.read_undamaged(self.mark(), ProductMark)
        self.claim()
        whole = self._whole_set()
        made_of = self._standing(whole)
        self._check_needs()
        self._check_others(whole)
        left_out = self._left_out()
        # An export that leaves nothing out says so, too; of others the mark says nothing.
        lacking = {} if left_out is None else {"left_out": inventory.name_of_left_out(left_out)}
        work = ExportWork(
            plan=_plan(whole.product(self.artifact_name)),
            data=set_view.view_of(whole),
            digest=self.product.digest,
            mark=before,
            entries=lambda: self._entries(whole),
            left_out=left_out or frozenset(),
            class_texts=self._class_texts,
            sources=lambda: packed_sources.open_sources(self.resolved.root),
            counter=self.counter,
        )
        with contextlib.ExitStack() as stack:
            files = (storage.StagedFile(path) for path in self.product.files)
            staged = [stack.enter_context(file) for file in files]
            said = self._export.write(work, staged)
            said = {**said, **self._without(whole)}
            size = self.publish_files(staged, made_of, **said, **lacking)
        images = 0 if left_out is None else self.split_job.expected.images - len(left_out)
        return Volume(images=images, size=size)

    def _left_out(self) -> frozenset[str] | None:
        """Return which images it lacks as the shards do; None: it takes no notice of these."""
        if not self.product.lacks_bad_images:
            return None
        return inventory.left_out(self.resolved, self.product.split)

    def _check_needs(self) -> None:
        """Check the bytes of what it reads; damaged, that is made anew."""
        self.check(*self.needed(CATALOG))
        of_facts = {need.name for need in self.plan.needs if need.what is What.FACTS}
        for source in self.needed(MANIFEST):
            if isinstance(source, WriteManifest) and source.split in of_facts:
                # Damaged, its manifest is made anew with them.
                with self.invalidating(source):
                    _check_facts(source)

    @property
    def _export(self) -> Export:
        """The export that makes it."""
        return registry.every()[self.product.export]

    def _whole_set(self) -> ResolvedJob:
        """Return the job, with the splits that earlier commands have finished if it keeps these."""
        if self.product.split or not self._export.keeps_splits:
            return self.resolved
        return whole_set.extended(self.resolved, self.artifact_name)

    def _without(self, whole: ResolvedJob) -> dict[str, Any]:
        """Return for the mark which splits of earlier commands it does not keep."""
        keeps = not self.product.split and self._export.keeps_splits
        lacking = whole_set.left_out(self.resolved, whole) if keeps else []
        if not lacking:
            return {}
        made = f"{abbreviate(lacking)}, made by other options or not whole"
        return {"closing": [f"{self.product.files[0].name}: without {made}."]}

    def _check_others(self, whole: ResolvedJob) -> None:
        """Check the bytes of what it reads of splits that are not this job's.

        Raises:
            OutputDamaged: some are not as they were written; the command that made them mends it.
        """
        others = whole.splits.keys() - self.resolved.splits.keys()
        for source in tasks_of(whole, _names(whole, self.artifact_name, others, CATALOG)):
            manifest.read_checked(source.mark(), self.folder, source.document_kind)
        for source in tasks_of(whole, _names(whole, self.artifact_name, others, MANIFEST)):
            if isinstance(source, WriteManifest):
                _check_facts(source)

    def _standing(self, whole: ResolvedJob) -> dict[Location, str]:
        """Return the manifests that it is made of, of outputs whose images may be replaced."""
        needs = _plan(whole.product(self.artifact_name)).needs
        names = dict.fromkeys(need.name for need in needs if need.what in _OF_IMAGES)
        splits = [whole.splits[name] for name in names]
        folders = [o.folder for s in splits if s.source.whole_files for o in s.outputs]
        return withdrawal.standing(map(paths.manifest, folders))

    def _entries(self, whole: ResolvedJob) -> list[FileEntry]:
        """Return the files that it needs, as paths in the output: none of the state's own."""
        found = []
        for task in tasks_of(whole, whole.graph[self.artifact_name].needs):
            base = task.product.folder if isinstance(task, WriteManifest) else self.folder
            for entry in manifest.read(task.mark(), task.document_kind).files:
                path = base / entry.file
                if not storage.is_below(path, paths.state(self.folder)):
                    found.append(entry.named(storage.relative(path, self.folder)))
        return found

    @property
    def _texts(self) -> Archive:
        """The archive that says what classes mean."""
        archive = self.resolved.dataset.class_texts
        if archive is None:
            raise LookupError(f"nobody says what the classes of {self.resolved.dataset.name} mean")
        return archive

    def _class_texts(self) -> tuple[Location, Mapping[str, tuple[str, str]]]:
        path = self.resolved.raw_file(self._texts)
        return path, self.resolved.dataset.read_class_texts(path)


def _plan(product: Product) -> ExportPlan:
    """Return what an export says of one of its products."""
    if product.plan is None:
        raise LookupError(f"no export makes {product.name}")
    return product.plan


def _names(resolved: ResolvedJob, product: str, splits: Collection[str], kind: str) -> list[str]:
    """Return the names of what a product needs of some splits, of one kind."""
    needs = whole_set.needs_of(resolved, product, splits)
    return [need.name for need in needs if need.kind == kind]


def _check_facts(source: WriteManifest) -> None:
    """Check the bytes of an output's facts.

    Raises:
        OutputDamaged: they are not as they were written.
    """
    path = paths.facts(source.product.folder)
    named = manifest.read(source.mark(), OutputManifest).files
    wanted = {entry.xxh3_128 for entry in named if entry.file == path.name}
    if wanted != {manifest.hash_file(path)}:
        raise OutputDamaged("the facts are not as they were written", file=str(path))
