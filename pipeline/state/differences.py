"""What differs between a job and what the job that was recorded last has made, in words."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, Final

from pipeline import manifest, paths
from pipeline.documents.outputs import Input, OutputManifest
from pipeline.errors import ShardmillError
from pipeline.job.artifacts import Product
from pipeline.job.options import Job
from pipeline.job.resolve import ResolvedJob
from pipeline.job.split import SplitJob
from pipeline.job.table.option import LIST, OPEN, RESHARD, SET, Option
from pipeline.job.table.options import options_of
from pipeline.shards import finish
from pipeline.shards.output import Output
from pipeline.state import claims, status, updates

_NOTHING: Final = "nothing"
_NEW: Final = "that one made none"


class Differences:
    """Says of outputs and products of a job what differs since the job that was recorded last.

    It says nothing where no job is recorded, or one whose options cannot be understood.
    """

    def __init__(self, resolved: ResolvedJob) -> None:
        self._resolved = resolved
        self._record = status.last_record(resolved.out)

    @cached_property
    def _before(self) -> Job | None:
        try:
            return Job.from_json(self._record.job) if self._record else None
        except ShardmillError:
            return None

    def of_output(self, split: SplitJob, output: Output) -> tuple[str, ...]:
        """Return what differs for the shards of a split in a format, a phrase each."""
        made = None if self._record is None else self._record.outputs
        if self._before is None or made is None:
            return ()
        digests = [digest for each in made for *of, digest in (each,) if of == _of(split, output)]
        if not digests:
            return (_NEW,)
        if output.digest in digests:
            return ()
        found = (*self._of_inputs(split, output, digests[0]), *self._of_options(self._before))
        return found or ("the configuration, or what writes the shards",)

    def of_product(self, product: Product) -> tuple[str, ...]:
        """Return what differs for what has a path without a digest, a phrase each."""
        standing = claims.mark(self._resolved.out, product.name)
        if self._before is None or (standing is not None and standing.digest == product.digest):
            return ()
        if standing is None:
            return (_NEW,)
        then, now = standing.made_of, product.made_of
        names = updates.differing(then, now) if then else []
        return tuple(_changed(name, then.get(name), now.get(name)) for name in names)

    def _of_inputs(self, split: SplitJob, output: Output, digest: str) -> Iterator[str]:
        folder = paths.output(self._resolved.out, output.format, split.name, digest)
        document = manifest.read_undamaged(paths.manifest(folder), OutputManifest)
        if document is None:
            return
        then = {_name_of(each): _content_of(each) for each in document.inputs}
        inputs = [Input(**each) for each in finish.inputs(split)]
        now = {_name_of(each): _content_of(each) for each in inputs}
        for name in updates.differing(then, now):
            yield _changed(name, then.get(name), now.get(name))
        if document.counts.images != split.expected.images:
            counts = (f"{each:,}" for each in (document.counts.images, split.expected.images))
            yield _changed("images", *counts)

    def _of_options(self, before: Job) -> Iterator[str]:
        job = self._resolved.job
        listed = RESHARD if job.packed else LIST
        command = listed if job.is_listed else OPEN if job.openimages.is_given else SET
        for option in options_of(command):
            if option.digests and option.field:
                then, now = option.value_in(before), option.value_in(job)
                if then != now:
                    yield _changed(option.flag, _shown(option, then), _shown(option, now))


def _of(split: SplitJob, output: Output) -> list[str]:
    return [output.format, split.name]


def _name_of(given: Input) -> str:
    return given.list or given.file or given.annotations or given.folder or "selection"


def _content_of(given: Input) -> str:
    return f"MD5 {given.md5}" if given.md5 else given.digest or given.selection


def _changed(name: str, then: str | None, now: str | None) -> str:
    return f"{name} was {then or _NOTHING}, is {now or _NOTHING}"


def _shown(option: Option, value: Any) -> str | None:
    """Return the value of an option as it is given; None: it is not."""
    if isinstance(value, bool):
        return "given" if value else None
    if isinstance(value, tuple):
        return option.joined("=".join(map(str, _flat(each))) for each in value) or None
    return None if value is None else str(value)


def _flat(value: object) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else (value,)
