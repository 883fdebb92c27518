"""The steps that make what dbcollection loads, of catalogs."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline import paths, storage
from pipeline.catalog import table as catalog
from pipeline.errors import InputRefused
from pipeline.job import exports as exportjob
from pipeline.sources.inputs import Archive
from tasks.archives import VerifyArchive, verification
from tasks.base import Volume
from tasks.exports import ExportTask
from tasks.lists import BuildCatalog
from tasks.trees import ExtractTree, ShrinkTree, tree_of


class DbcollectionTask(ExportTask):
    """One file of dbcollection; `kind` names its task, and may end in ``.strict``."""

    @property
    def devkit(self) -> Archive | None:
        """The archive that says what classes mean, if it is to be used."""
        return self.resolved.dataset.class_texts

    def trees(self) -> list[ExtractTree]:
        """Return the tasks that make the trees in which the images lie."""
        raise TypeError(f"{type(self).__name__} has no trees")

    def requires(self) -> list[BuildCatalog | VerifyArchive | ExtractTree]:
        """Return the catalogs, the devkit's verification, and the trees."""
        splits = exportjob.with_classes(self.resolved.splits).values()
        verified = [verification(self, self.devkit)] if self.devkit else []
        return [*(self.catalog_of(split) for split in splits), *verified, *self.trees()]

    def make(self) -> Volume:
        """Write the file."""
        from pipeline.exports.dbcollection import file as dbcollection  # noqa: PLC0415  (HDF5)
        from pipeline.exports.dbcollection import strict as dbcollection_strict  # noqa: PLC0415  (HDF5)
        from pipeline.exports.dbcollection.split import arrange  # noqa: PLC0415

        self.claim()
        _, task, *strict = self.kind.split(".")
        splits, texts, folder = [], {}, self.folder
        for split in exportjob.with_classes(self.resolved.splits).values():
            self.check(self.catalog_of(split))
            rows = catalog.read(paths.catalog(folder, split.name, split.catalog_digest))
            at, counts = exportjob.image_folder(self.job, split), split.expected.counts
            name = split.split.folder
            splits.append(arrange(name, counts, rows, folder=at.folder, flat=at.flat))
        for wnid, (words, gloss) in self._texts({w for s in splits for w in s.classes}).items():
            texts[wnid] = dbcollection.ClassText(words, gloss)
        conventions = dbcollection_strict.STRICT if strict else dbcollection.USABLE
        with storage.StagedFile(self.product.files[0]) as staged:
            dbcollection.write(
                staged,
                task,
                splits,
                texts,
                exportjob.data_folder(self.job),
                conventions=conventions,
                provenance={
                    "dataset": self.resolved.dataset.name,
                    "digest": self.product.digest,
                    "program": "shardmill",
                },
            )
            closing = list(self._closing(task))
            return Volume(size=self.publish_files([staged], closing=closing))

    def _closing(self, task: str) -> Iterator[str]:
        """Yield what is to be said of the file."""
        if not self.devkit:
            yield f"{task}: descriptions are empty: --with devkit has them"
        if self.job.data_dir:
            folders = {"classification": "train and val", "raw256": "train256 and val256"}
            yield f"{task}: names pictures in {self.job.data_dir}, in {folders[task]}"

    def _texts(self, wnids: set[str]) -> dict[str, tuple[str, str]]:
        """Return words and gloss of classes; without a devkit nobody knows the latter."""
        table, source = self.resolved.table, self.devkit
        words = {wnid: table.words[table.index[wnid]] for wnid in wnids}
        if source is None:
            return {wnid: (text, "") for wnid, text in words.items()}
        path = self.resolved.raw_file(source)
        known = self.resolved.dataset.read_class_texts(path)
        for wnid in sorted(wnids - known.keys()):
            raise InputRefused(
                "the devkit does not say what a class means",
                file=str(path),
                expected=f"a synset {wnid}",
                remedy="leave --with devkit out, or name the devkit of these classes",
            )
        return {wnid: (text, known[wnid][1]) for wnid, text in words.items()}


class WriteClassification(DbcollectionTask):
    """The file of the task ``classification``."""

    kind = "dbcollection.classification"

    def trees(self) -> list[ExtractTree]:
        """Return those of all pictures, unless they lie elsewhere."""
        if self.job.data_dir:
            return []
        splits = exportjob.with_classes(self.resolved.splits)
        return [tree_of(self, ExtractTree, name) for name in splits]


class WriteStrictClassification(WriteClassification):
    """The same as dbcollection itself makes it."""

    kind = "dbcollection.classification.strict"


class WriteRaw256(DbcollectionTask):
    """The file of the task ``raw256``."""

    kind = "dbcollection.raw256"

    def trees(self) -> list[ExtractTree]:
        """Return those of the smaller pictures."""
        splits = exportjob.with_classes(self.resolved.splits)
        return [tree_of(self, ShrinkTree, name) for name in splits]


class WriteStrictRaw256(WriteRaw256):
    """The same as dbcollection itself makes it."""

    kind = "dbcollection.raw256.strict"


DBCOLLECTION = (WriteClassification, WriteStrictClassification, WriteRaw256, WriteStrictRaw256)
"""Every step that makes a file of dbcollection."""
