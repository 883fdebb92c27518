"""Whether what stands at a fixed path only has to follow inputs that have changed.

That is so where a recorded job with the same options made it: what it was made of differs then
because an archive, a list, a folder or a configuration holds something else now.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from pipeline import manifest, paths, storage
from pipeline.documents.records import JobRecord
from pipeline.errors import OutputConflict, ShardmillError
from pipeline.job.artifacts import Product
from pipeline.job.options import Job
from pipeline.state import claims
from pipeline.storage import Location

_OF_THE_PROGRAM: Final = ("version of its form", "version of catalogs", "codec")
"""What of `Product.made_of` says how this program makes it, and nothing of its inputs."""
_REMEDY: Final = (
    "say --update to make anew what follows from changed inputs, --replace to put the new one in"
    " its place whatever differs, or choose another --out"
)


def check(out: Location, product: Product, job: Job) -> None:
    """Look whether something stands in the place of a product that a job may not replace.

    Raises:
        OutputConflict: it does; where `--update` is enough, that says so.
    """
    try:
        claims.check(out, product, replace=may_replace(out, product, job))
    except OutputConflict as error:
        if follows_inputs(out, product, job):
            raise error.altered(remedy=_REMEDY) from None
        raise


def may_replace(out: Location, product: Product, job: Job) -> bool:
    """Whether a job may replace what stands in the place of a product."""
    follows = job.update or job.append
    return job.replace or (follows and follows_inputs(out, product, job))


def follows_inputs(out: Location, product: Product, job: Job) -> bool:
    """Whether what stands in the place of a product differs from it by the inputs of a job alone.

    Args:
        out: the output folder.
        product: what is to be made.
        job: the job that makes it.
    """
    standing = claims.mark(out, product.name)
    if standing is None or not standing.made_of:
        return False
    if any(name.endswith(_OF_THE_PROGRAM) for name in differing(standing.made_of, product.made_of)):
        return False
    return any(_same_options(then, job) for then in _makers(out, product.name, standing.digest))


def images_may_go(out: Location, product: Product, job: Job) -> bool:
    """Whether images go of a tree that a job replaces, where the new one has none of their names.

    Not where a job has moved its images there: they may be the only ones.
    """
    standing = claims.mark(out, product.name) if product.tree else None
    if standing is None:
        return False
    makers = [job, *_makers(out, product.name, standing.digest)]
    return follows_inputs(out, product, job) and all(each.transfer != "move" for each in makers)


def differing(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return the names of what two things were not made of alike, sorted."""
    return sorted(name for name in {*then, *now} if then.get(name) != now.get(name))


def _makers(out: Location, name: str, digest: str) -> Iterator[Job]:
    """Yield the recorded jobs that made a product of this name and digest."""
    for path in storage.documents(paths.jobs(out)):
        record = manifest.read_undamaged(path, JobRecord)
        if record is not None and (name, digest) in (record.products or ()):
            try:
                yield Job.from_json(record.job, path)
            except ShardmillError:  # `verify` says what is wrong with it
                continue


def _same_options(first: Job, second: Job) -> bool:
    """Whether two jobs have the same options, but for those that decide no product of both.

    An append keeps the shards that are there, whether their number is given again or not.
    """
    pair = (replace(each, shards=()) if second.append else each for each in (first, second))
    one, other = map(_decisive, pair)
    return one == other


def _decisive(job: Job) -> Job:
    return replace(
        job,
        out="",
        steps=(),
        exports=(),
        replace=False,
        update=False,
        append=False,
        appended=(),
        on_bad_image="",
        remote=type(job.remote)(),
    )
