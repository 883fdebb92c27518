"""The step that makes files of a whole data set: the same for every export."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, Final

import luigi

from pipeline import manifest, paths, storage
from pipeline.documents.outputs import OutputManifest
from pipeline.documents.products import ProductMark
from pipeline.errors import OutputDamaged
from pipeline.exports import registry
from pipeline.exports.base import ExportPlan, ExportWork, What
from pipeline.job import set_view
from pipeline.job.artifacts import CATALOG, EXPORT, MANIFEST, Artifact
from pipeline.manifest import FileEntry
from pipeline.sources.inputs import Archive
from pipeline.state import inventory, withdrawal
from pipeline.storage import Location
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
        plan = self.product.plan
        if plan is None:
            raise LookupError(f"no export makes {self.name}")
        return plan

    def make(self) -> Volume:
        """Write its files."""
        before = manifest.read_undamaged(self.mark(), ProductMark)
        self.claim()
        made_of = self._standing()
        self._check_needs()
        left_out = self._left_out()
        # An export that leaves nothing out says so, too; of others the mark says nothing.
        lacking = {} if left_out is None else {"left_out": inventory.name_of_left_out(left_out)}
        work = ExportWork(
            plan=self.plan,
            data=set_view.view_of(self.resolved),
            digest=self.product.digest,
            mark=before,
            entries=self._entries,
            left_out=left_out or frozenset(),
            class_texts=self._class_texts,
            sources=lambda: storage.open_sources(self.resolved.root),
            counter=self.counter,
        )
        with contextlib.ExitStack() as stack:
            files = (storage.StagedFile(path) for path in self.product.files)
            staged = [stack.enter_context(file) for file in files]
            said = registry.every()[self.product.export].write(work, staged)
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
                self._check_facts(source)

    def _check_facts(self, source: WriteManifest) -> None:
        """Check the bytes of an output's facts; damaged, its manifest is made anew with them."""
        path = paths.facts(source.product.folder)
        with self.invalidating(source):
            named = manifest.read(source.mark(), OutputManifest).files
            wanted = {entry.xxh3_128 for entry in named if entry.file == path.name}
            if wanted != {manifest.hash_file(path)}:
                raise OutputDamaged("the facts are not as they were written", file=str(path))

    def _standing(self) -> dict[Location, str]:
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
