"""Why nothing can be appended to a finished output, and what to do then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pipeline.catalog import generations
from pipeline.documents import first_words
from pipeline.documents.outputs import OutputManifest
from pipeline.errors import UsageError
from pipeline.job.options import Job
from pipeline.shards import earlier_outputs
from pipeline.shards.output import Output, RecordForm

_ANEW: Final = "or leave out --append: another output is made beside it, of all images"
_SAME: Final = f"give the options that it was made with, {_ANEW}"


def check_options(
    job: Job, split: str, standing: Mapping[str, OutputManifest], wanted: Mapping[str, Output]
) -> None:
    """Check that the options are those of the finished outputs that are appended to.

    Args:
        job: what is asked for.
        split: name of the split.
        standing: the manifests of the finished outputs, by format.
        wanted: what would be made from nothing, by format.

    Raises:
        UsageError: they are not; each that differs is named.
    """
    for name, document in standing.items():
        differing = list(_differing(job, split, document, wanted[name]))
        if differing:
            raise UsageError(
                f"{split} in the format {name} was made with other options, so nothing can be"
                " appended to it",
                file=str(wanted[name].folder.parent),
                found="; ".join(differing),
                remedy=_SAME,
            )


def check_classes(job: Job, before: Mapping[str, int], names: Sequence[str]) -> None:
    """Check that every class keeps its index.

    Args:
        job: what is asked for.
        before: the index of each class of the output that is appended to.
        names: of the classes that there are now, by index.

    Raises:
        UsageError: a class has another one.
    """
    now = {name: index for index, name in enumerate(names)}
    moved = generations.moved_class(before, now)
    if moved is not None:
        raise UsageError(
            "labels of images that are there would move, so nothing can be appended",
            file=job.images,
            expected=f"{moved!r} as class {before[moved]}",
            found=f"class {now[moved]}",
            remedy="name all classes in a file, those that are there first and in their order, and"
            f" say --classes FILE; {_ANEW}",
        )


def check_labels(job: Job, moved: tuple[str, int, int] | None) -> None:
    """Check that labels that were numbers, and are texts now, have the indexes that they had.

    Args:
        job: what is asked for.
        moved: key of an image, the index that its class had, and the one that it has; None: no
            image has another one.

    Raises:
        UsageError: an image has.
    """
    if moved is not None:
        key, then, now = moved
        raise UsageError(
            "labels were numbers and are texts now, or the other way round, and labels of images"
            " that are there would move, so nothing can be appended",
            file=job.images,
            place=key,
            expected=f"class {then}",
            found=f"class {now}",
            remedy="label them as they were, or name all classes in a file, in the order of their"
            f" numbers, and say --classes FILE; {_ANEW}",
        )


def _differing(job: Job, split: str, document: OutputManifest, wanted: Output) -> Iterator[str]:
    """Yield what differs between a finished output and the options, a phrase each."""
    parameters, first = document.parameters, document.shards_of_first
    if parameters.order and parameters.order != job.order:
        yield _was("--order", parameters.order, job.order)
    elif job.order == "hash" and parameters.seed != (job.seed or 0):
        yield _was("--seed", parameters.seed, job.seed or 0)
    shards = dict(job.shards).get(split, first)
    if shards != first:
        yield _was("--shards", first, shards)
    then = _flat(RecordForm.recorded(document.format, parameters))
    now = _flat(wanted.form)
    differing = [name for name in {**now, **then} if then.get(name) != now.get(name)]
    yield from (_was(_called(name), then.get(name), now.get(name)) for name in differing)
    if not differing and earlier_outputs.names_are_cut(document) is None:
        yield "the version of what writes the shards"


def _flat(form: RecordForm) -> dict[str, Any]:
    """Return what decides records, by name; the options of images among them."""
    said = form.to_json()
    return {**said.pop(first_words.IMAGE_OPTIONS), **said}


def _called(name: str) -> str:
    """Return what a person calls what decides records: an option, if there is one."""
    own = {"suffix": "the suffix of keys", "codec": "the codec", "repairs": "what is repaired"}
    named = {"multi_hot": "the number of classes"}
    return (own | named).get(name, f"--{name.replace('_', '-')}")


def _was(name: str, then: object, now: object) -> str:
    return f"{name} was {_shown(then)}, is {_shown(now)}"


def _shown(value: object) -> str:
    return "not given" if value in (None, "") else str(value)
