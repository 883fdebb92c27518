"""What an append comes to: which finished output is appended to, and what becomes of its shards.

``--append`` alone says neither. So a job that has it is settled when it is resolved, by what is
there then: it names the output that is appended to, and means the same from then on, whatever is
finished meanwhile. Where nothing is new it is settled as the job that made what is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import msgspec

from pipeline import digests, manifest, paths, storage
from pipeline.catalog import generations
from pipeline.catalog.generations import KnownKeys
from pipeline.documents.generations import AppendRecord, Generation, counts_of
from pipeline.documents.outputs import OutputManifest
from pipeline.documents.records import JobRecord
from pipeline.errors import OutputConflict, OutputDamaged, ShardmillError
from pipeline.job import append_refusals as refusals
from pipeline.job.options import Job
from pipeline.job.parent_plan import ANEW, Parent
from pipeline.job.split import SplitJob, derive
from pipeline.sources.source import Source
from pipeline.storage import Location

Pin = tuple[str, str, str]
"""What is appended to: split, family and plan of its last generation."""


def settled(job: Job, sources: Mapping[str, Source]) -> Job:
    """Return a job with what it appends to; without an append where nothing is new.

    Args:
        job: it may be settled already.
        sources: of its splits, as they are now.

    Raises:
        UsageError: the options are not those of the output that is there, or labels would move.
        OutputConflict: what is there is not finished.
        OutputDamaged: what is there cannot be read.
    """
    if not job.append or job.appended:
        return job
    pins, shards = list[Pin](), dict(job.shards)
    for name, source in sources.items():
        choice = _Choice(job, source).made()
        pins += [choice.pin] if choice.pin else []
        if choice.shards != source.shards and not choice.pin:
            shards[name] = choice.shards
    given = tuple((name, shards[name]) for name in sources if name in shards)
    return replace(job, append=bool(pins), appended=tuple(pins), shards=given)


def unsettled(job: Job) -> Job:
    """Return a recorded job as it was asked for, if what it appends to has been appended to.

    The next append goes to what is there now. Of one that is not finished it stays what it was.
    """
    if job.appended and all(_is_carried_out(job, pin) for pin in job.appended):
        return replace(job, append=True, appended=())
    return job


def _is_carried_out(job: Job, pin: Pin) -> bool:
    split, family, _ = pin
    for form in job.formats:
        digest = storage.pointed(paths.current(job.folder, form, split))
        if digest is None or not paths.is_digest(digest):
            return False
        place = paths.manifest(paths.output(job.folder, form, split, digest))
        document = manifest.read_undamaged(place, OutputManifest)
        if document is None or [each.family for each in document.generations[-2:-1]] != [family]:
            return False
    return True


def records(job: Job, sources: Mapping[str, Source]) -> dict[str, AppendRecord]:
    """Return what an append comes to, by split; of splits that nothing is appended to, nothing.

    Raises:
        OutputDamaged: what is appended to cannot be read any more.
    """
    pins = {pin[0]: pin for pin in job.appended}
    return {name: _record(job, sources[name], pin) for name, pin in pins.items() if name in sources}


def remember(out: Location, source: Source, record: AppendRecord) -> None:
    """Keep what an append comes to, so that the plan that is appended to is not read again."""
    place = _place(out, source, record.parent.family)
    if storage.stat(place) is None:
        manifest.publish_alone(place, msgspec.to_builtins(record))


def keys_before(out: Location, split: SplitJob) -> KnownKeys | None:
    """Return the keys of what a split is appended to; None: it is planned at once."""
    record = split.appended
    return None if record is None else Parent(out, split.name, record.parent.plan).keys()


def _record(job: Job, source: Source, pin: Pin) -> AppendRecord:
    name, family, plan_digest = pin
    known = manifest.read_undamaged(_place(job.folder, source, family), AppendRecord)
    if known is not None:
        return known
    parent = Parent(job.folder, name, plan_digest)
    before = _generations(job, name, family)
    rows = (table["key"].to_pylist() for table in source.rows(job.folder, None))
    keys = parent.keys()
    found = generations.compare(keys, rows)
    counts = counts_of(before)
    first = counts[0] or len(keys.sizes)
    new = generations.shards_of_new(found.new, sum(keys.sizes[:first]), first)
    kept = tuple(size for size in found.sizes if size)
    emptied = generations.emptied(found.sizes, counts)
    return AppendRecord(before, kept, new, found.new, found.vanished, emptied)


def _place(out: Location, source: Source, family: str) -> Location:
    named = {**source.identity(), **source.places(), "appended_to": family}
    return paths.append_record(out, source.split.name, digests.digest(named))


def _generations(job: Job, split: str, family: str) -> tuple[Generation, ...]:
    """Return the generations of the output of a family.

    Raises:
        OutputDamaged: none is there any more.
    """
    for shard_format in job.formats:
        for document in finished(job.folder, shard_format, split):
            every = generations_of(document)
            for number, generation in enumerate(every, start=1):
                if generation.family == family:
                    return every[:number]
    raise OutputDamaged(
        "the output that shards were appended to is not there any more",
        file=str(paths.outputs(job.folder, job.formats[0], split)),
        expected=f"an output of the digest {family}",
        remedy=ANEW,
    )


def finished(out: Location, shard_format: str, split: str) -> Iterator[OutputManifest]:
    """Yield the manifests of the finished outputs of a split in a format."""
    for digest in storage.folders(paths.outputs(out, shard_format, split)):
        place = paths.manifest(paths.output(out, shard_format, split, digest))
        document = manifest.read_undamaged(place, OutputManifest)
        if document is not None:
            yield document


def generations_of(document: OutputManifest) -> tuple[Generation, ...]:
    """Return the generations of an output; of one that nothing was appended to, the only one."""
    of = document.digests
    return document.generations or (Generation(len(document.shards), of.family, of.plan),)


@dataclass(frozen=True)
class _Chosen:
    """What is appended to in a split.

    Attributes:
        pin: what it is; None: nothing is.
        shards: how many shards the first generation has.
        generations: those that are appended to, as a manifest names them; empty: none does.
    """

    pin: Pin | None
    shards: int
    generations: tuple[Generation, ...] = ()


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
            ShardmillError: see `settled`.
        """
        if not self._standing:
            return _Chosen(None, self.source.shards)
        given = dict(self.job.shards).get(self._name)
        # A format that was made at once beside one that was appended to is no reason to undo that.
        for choice in sorted(self._known(), key=lambda known: -len(known.generations)):
            if given in {None, choice.shards} and self._is_there(choice):
                return choice
        documents = self._documents
        if not documents:
            (form, digest), *_ = self._standing.items()
            raise OutputConflict(
                "the output that is there is not finished, so nothing can be appended to it",
                file=str(paths.output(self.job.folder, form, self._name, digest)),
                remedy=ANEW,
            )
        longest = max(documents.values(), key=lambda each: len(each.generations))
        last = generations_of(longest)[-1]
        forms = {each.format: each for each in derive(self.job, self.source).outputs}
        refusals.check_options(self.job, self._name, documents, forms)
        parent = Parent(self.job.folder, self._name, last.plan)
        before, names = parent.classes(), self.source.class_names or ()
        refusals.check_classes(self.job, before, names)
        if bool(before) != bool(names):
            rows = self.source.rows(self.job.folder, None)
            moved = generations.moved_label(parent.keys(), parent.labels(), rows)
            refusals.check_labels(self.job, moved)
        return _Chosen((self._name, last.family, last.plan), longest.shards_of_first)

    @property
    def _name(self) -> str:
        return self.source.split.name

    @cached_property
    def _standing(self) -> dict[str, str]:
        """The digests that `current` points to, by format."""
        links = {
            form: storage.pointed(paths.current(self.job.folder, form, self._name))
            for form in self.job.formats
        }
        return {form: to for form, to in links.items() if to is not None and paths.is_digest(to)}

    @cached_property
    def _documents(self) -> dict[str, OutputManifest]:
        """The manifests of those that are finished, by format."""
        places = {
            form: paths.manifest(paths.output(self.job.folder, form, self._name, digest))
            for form, digest in self._standing.items()
        }
        documents = dict[str, OutputManifest]()
        for form, place in places.items():
            document = manifest.read_undamaged(place, OutputManifest)
            if document is not None:
                documents[form] = document
        return documents

    def _known(self) -> Iterator[_Chosen]:
        """Yield what is known to have been made here: what is current may be one of these."""
        yield _Chosen(None, self.source.shards)
        for document in self._documents.values():
            first = document.shards_of_first
            yield _Chosen(None, first)
            if document.generations:
                *before, _ = document.generations
                pin = (self._name, before[-1].family, before[-1].plan)
                yield _Chosen(pin, first, tuple(before))
        yield from self._recorded()

    def _recorded(self) -> Iterator[_Chosen]:
        """Yield what recorded jobs have appended to, with the images of today.

        A manifest that was withdrawn, since an image was replaced, cannot say it any more.
        """
        out = self.job.folder
        for path in storage.documents(paths.jobs(out)):
            document = manifest.read_undamaged(path, JobRecord)
            try:
                appended = Job.from_json(document.job, path).appended if document else ()
            except ShardmillError:  # `verify` says what is wrong with it
                continue
            for pin in appended:
                place = _place(out, self.source, pin[1])
                record = manifest.read_undamaged(place, AppendRecord)
                if record is not None and pin[0] == self._name:
                    yield _Chosen(pin, record.generations[0].shards, record.generations)

    def _is_there(self, choice: _Chosen) -> bool:
        """Whether what a choice comes to, with the images of today, is current in some format."""
        record = AppendRecord(choice.generations, (), 0, 0, 0) if choice.generations else None
        source = self.source if record else replace(self.source, shards=choice.shards)
        outputs = derive(self.job, source, record).outputs
        return any(self._standing.get(each.format) == each.digest for each in outputs)
