"""What an append comes to: which finished output is appended to, and what becomes of its shards.

``--append`` alone says neither. So when a job that has it is resolved, what is there then decides:
from then on the job names the output that is appended to, its parent, and means the same whatever
is finished meanwhile. Where nothing is new it means what made the output that is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import msgspec

from pipeline import manifest, paths, storage
from pipeline.catalog import generations
from pipeline.catalog.generations import KnownImages
from pipeline.documents.generations import AppendRecord, Generation, counts_of
from pipeline.documents.outputs import OutputManifest
from pipeline.documents.records import JobRecord
from pipeline.errors import OutputConflict, OutputDamaged, ShardmillError
from pipeline.job import append_refusals as refusals
from pipeline.job import finished_outputs, parent_plan
from pipeline.job import split as splitjob
from pipeline.job.append_parent import AppendParent
from pipeline.job.options import Job
from pipeline.job.parent_plan import ANEW
from pipeline.job.split import SplitJob
from pipeline.sources.source import Source
from pipeline.storage import Location


def with_parents(job: Job, sources: Mapping[str, Source]) -> tuple[Job, Mapping[str, AppendRecord]]:
    """Return a job with what it appends to, and what that comes to, by split.

    Where nothing is new, the job has no append. Of splits that nothing is appended to nothing is
    said.

    Args:
        job: it may name what it appends to already.
        sources: of its splits, as they are now.

    Raises:
        UsageError: the options are not those of the output that is there, or labels would move.
        OutputConflict: what is there is not finished.
        OutputDamaged: what is there cannot be read.
    """
    if job.append and not job.appended:
        return _decided(job, sources)
    parents = (each for each in job.appended if each.split in sources)
    return job, {each.split: _record(job, sources[each.split], each) for each in parents}


def _decided(job: Job, sources: Mapping[str, Source]) -> tuple[Job, Mapping[str, AppendRecord]]:
    """Return a job with what it appends to, by what is there now, and what that comes to."""
    parents, shards = list[AppendParent](), dict(job.shards)
    records = dict[str, AppendRecord]()
    for name, source in sources.items():
        choice = _Choice(job, source).made()
        if choice.parent is not None:
            parents.append(choice.parent)
            records[name] = _record(job, source, choice.parent, choice.images)
        elif choice.shards != source.shards:
            shards[name] = choice.shards
    given = tuple((name, shards[name]) for name in sources if name in shards)
    return replace(job, append=bool(parents), appended=tuple(parents), shards=given), records


def without_finished_parents(job: Job) -> Job:
    """Return a recorded job as it was asked for, if what it appends to has been appended to.

    The next append goes to what is there now. Of one that is not finished it stays what it was.
    """
    if job.appended and all(_is_carried_out(job, parent) for parent in job.appended):
        return replace(job, append=True, appended=())
    return job


def _is_carried_out(job: Job, parent: AppendParent) -> bool:
    current = (finished_outputs.current(job.folder, form, parent.split) for form in job.formats)
    return all(
        document is not None
        and [each.family for each in document.generations[-2:-1]] == [parent.family]
        for document in current
    )


def remember(out: Location, split: SplitJob) -> None:
    """Keep what an append comes to, so that the plan that is appended to is not read again."""
    place = paths.append_record(out, split.name, split.shards_digest)
    if split.appended is not None and manifest.read_undamaged(place, AppendRecord) is None:
        manifest.publish_alone(place, msgspec.to_builtins(split.appended))


def images_before(out: Location, split: SplitJob) -> KnownImages | None:
    """Return the images of what a split is appended to; None: it is planned at once."""
    record = split.appended
    return None if record is None else parent_plan.images(out, split.name, record.parent.plan)


def _record(
    job: Job, source: Source, parent: AppendParent, images: KnownImages | None = None
) -> AppendRecord:
    """Return what an append to an output comes to.

    Args:
        job: the job.
        source: the images that there are now.
        parent: the output.
        images: of its plan, if that was read already.
    """
    remembered = _remembered(job, source, parent)
    if remembered is not None:
        return remembered
    before = _generations(job, parent)
    if images is None:
        images = parent_plan.images(job.folder, parent.split, parent.plan)
    found = generations.compare(images, source.rows(job.folder, None))
    counts, sizes = counts_of(before), images.keys.sizes
    first = counts[0] or len(sizes)
    new = generations.shards_of_new(found.new, sum(sizes[:first]), first)
    kept = tuple(size for size in found.sizes if size)
    emptied = generations.emptied(found.sizes, counts)
    return AppendRecord(before, kept, new, found.new, found.vanished, emptied)


def _remembered(job: Job, source: Source, parent: AppendParent) -> AppendRecord | None:
    """Return what was remembered of an append; it has the name of the shards that it makes."""
    made = splitjob.digests_of(job, source, parent.shards, parent.family)
    place = paths.append_record(job.folder, parent.split, made.shards)
    return manifest.read_undamaged(place, AppendRecord)


def _generations(job: Job, parent: AppendParent) -> tuple[Generation, ...]:
    """Return the generations of the output that is appended to.

    Raises:
        OutputDamaged: it is not there any more.
    """
    for shard_format in job.formats:
        for document in finished_outputs.every(job.folder, shard_format, parent.split):
            every = finished_outputs.generations_of(document)
            for number, generation in enumerate(every, start=1):
                if generation.family == parent.family:
                    return every[:number]
    raise OutputDamaged(
        "the output that shards were appended to is not there any more",
        file=str(paths.outputs(job.folder, job.formats[0], parent.split)),
        expected=f"an output of the shards {parent.family}",
        remedy=ANEW,
    )


@dataclass(frozen=True)
class _Chosen:
    """What is appended to in a split.

    Attributes:
        parent: the output; None: nothing is.
        shards: how many shards the first generation has.
        generations: how many are appended to.
        images: those of the parent, if its plan was read.
    """

    parent: AppendParent | None
    shards: int
    generations: int = 0
    images: KnownImages | None = None

    @classmethod
    def appending_to(
        cls, split: str, before: tuple[Generation, ...], images: KnownImages | None = None
    ) -> _Chosen:
        """Return that an output of some generations is appended to."""
        last, shards = before[-1], before[0].shards
        parent = AppendParent(split, last.family, last.plan, shards)
        return cls(parent, shards, len(before), images)


@dataclass(frozen=True)
class _Choice:
    """Which output of a split is appended to.

    Attributes:
        job: what is asked for.
        source: the images of the split, as they are now.
    """

    job: Job
    source: Source

    def made(self) -> _Chosen:
        """Return it.

        Raises:
            ShardmillError: see `with_parents`.
        """
        if not self._current:
            return _Chosen(None, self.source.shards)
        given = dict(self.job.shards).get(self._name)
        # A format that was made at once beside one that was appended to is no reason to undo that.
        for choice in sorted(self._known(), key=lambda known: -known.generations):
            if given in {None, choice.shards} and self._is_there(choice):
                return choice
        return self._next()

    def _next(self) -> _Chosen:
        """Return that what is there is appended to, if that can be."""
        documents = self._documents
        if not documents:
            (form, digest), *_ = self._current.items()
            raise OutputConflict(
                "the output that is there is not finished, so nothing can be appended to it",
                file=str(paths.output(self.job.folder, form, self._name, digest)),
                remedy=f"{ANEW}; or run the command that was making it to its end, of the list or"
                " folder as it was then",
            )
        longest = max(documents.values(), key=lambda each: len(each.generations))
        before = finished_outputs.generations_of(longest)
        forms = {each.format: each for each in splitjob.derive(self.job, self.source).outputs}
        refusals.check_options(self.job, self._name, documents, forms)
        images = parent_plan.images(self.job.folder, self._name, before[-1].plan)
        names = self.source.class_names or ()
        refusals.check_classes(self.job, images.classes, names)
        if bool(images.classes) != bool(names):
            rows = self.source.rows(self.job.folder, None)
            refusals.check_labels(self.job, generations.moved_label(images, rows))
        return _Chosen.appending_to(self._name, before, images)

    @property
    def _name(self) -> str:
        return self.source.split.name

    @cached_property
    def _current(self) -> dict[str, str]:
        """The digests that `current` points to, by format."""
        out, name = self.job.folder, self._name
        digests = {
            form: finished_outputs.current_digest(out, form, name) for form in self.job.formats
        }
        return {form: digest for form, digest in digests.items() if digest is not None}

    @cached_property
    def _documents(self) -> dict[str, OutputManifest]:
        """The manifests of those that are finished, by format."""
        out, name = self.job.folder, self._name
        documents = {form: finished_outputs.current(out, form, name) for form in self._current}
        return {form: document for form, document in documents.items() if document is not None}

    def _known(self) -> Iterator[_Chosen]:
        """Yield what is known to have been made here: what is current may be one of these."""
        yield _Chosen(None, self.source.shards)
        for document in self._documents.values():
            yield _Chosen(None, document.shards_of_first)
            if document.generations:
                yield _Chosen.appending_to(self._name, document.generations[:-1])
        yield from self._recorded()

    def _recorded(self) -> Iterator[_Chosen]:
        """Yield what recorded jobs have appended to, with the images of today.

        A manifest that was withdrawn, since an image was replaced, cannot say it any more.
        """
        for path in storage.documents(paths.jobs(self.job.folder)):
            document = manifest.read_undamaged(path, JobRecord)
            try:
                appended = Job.from_json(document.job, path).appended if document else ()
            except ShardmillError:  # `verify` says what is wrong with it
                continue
            for parent in (each for each in appended if each.split == self._name):
                record = _remembered(self.job, self.source, parent)
                if record is not None:
                    yield _Chosen.appending_to(self._name, record.generations)

    def _is_there(self, choice: _Chosen) -> bool:
        """Whether what a choice comes to, with the images of today, is current in some format."""
        family = choice.parent.family if choice.parent is not None else ""
        shards = splitjob.digests_of(self.job, self.source, choice.shards, family).shards
        outputs = splitjob.outputs_of(self.job, self.source, shards)
        return any(self._current.get(each.format) == each.digest for each in outputs)
