"""Everything that a job makes, each behind what it needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipeline import paths
from pipeline.job.artifacts import (
    ARCHIVE,
    BOXES,
    CATALOG,
    CHANGED_GROUPS,
    GROUPS,
    INPUTS,
    LABELS_CHECK,
    LINK,
    MANIFEST,
    PLAN,
    SEGMENT_ROWS,
    SEGMENTS,
    SHARDS,
    TERMS,
    WALKED,
    Artifact,
    Product,
    name_of,
)
from pipeline.segments import of_split as segments
from pipeline.segments import places as segment_places
from pipeline.shards import terms
from pipeline.sources.inputs import Archive

if TYPE_CHECKING:
    from pipeline.job.resolve import ResolvedJob
    from pipeline.job.split import SplitJob
    from pipeline.shards.output import Output
    from pipeline.sources.inputs import LabelCheck


@dataclass(frozen=True)
class Graph:
    """The artifacts of a job.

    Attributes:
        artifacts: by name, each behind what it needs.
        last: names of those that the job is about: nothing else that it makes is asked for.
    """

    artifacts: Mapping[str, Artifact]
    last: tuple[str, ...]

    def __iter__(self) -> Iterator[Artifact]:
        """Return the artifacts, each behind what it needs."""
        return iter(self.artifacts.values())

    def __getitem__(self, name: str) -> Artifact:
        """Return the artifact of a name."""
        return self.artifacts[name]

    def of_kind(self, kind: str) -> list[Artifact]:
        """Return the artifacts of a kind, in order."""
        return [artifact for artifact in self if artifact.kind == kind]


def derive(resolved: ResolvedJob) -> Graph:
    """Return the artifacts of a job."""
    every: dict[str, Artifact] = {artifact.name: artifact for artifact in _every(resolved)}
    if resolved.verifies_beside:
        every = {name: _verified(resolved, artifact) for name, artifact in every.items()}
    last = tuple(_last(resolved))
    ordered: dict[str, Artifact] = {}
    for name in last:
        _add(name, every, ordered)
    return Graph(ordered, last)


def _verified(resolved: ResolvedJob, artifact: Artifact) -> Artifact:
    """Return an artifact behind the verified archives of the catalogs that it is made of.

    Of archives that are not verified yet only the catalog itself, its plan and its shards are made.
    What is whole is not looked behind, so a manifest says for itself that it needs them.
    """
    if artifact.kind == PLAN:
        return artifact
    ours = [artifact.split] if artifact.kind == MANIFEST else []
    catalogs = [name for name in resolved.splits if name_of(CATALOG, name) in artifact.needs]
    inputs = (each for name in (*catalogs, *ours) for each in resolved.splits[name].source.inputs)
    return replace(artifact, needs=tuple(dict.fromkeys((*artifact.needs, *_names(inputs)))))


def _add(name: str, every: Mapping[str, Artifact], ordered: dict[str, Artifact]) -> None:
    """Add an artifact behind everything that it needs."""
    if name not in ordered:
        for need in every[name].needs:
            _add(need, every, ordered)
        ordered[name] = every[name]


def _last(resolved: ResolvedJob) -> Iterator[str]:
    yield from (product.name for product in resolved.products)
    if resolved.job.wants("shards"):
        for name, split in sorted(resolved.splits.items(), reverse=True):
            yield from (name_of(LINK, name, output.format) for output in split.outputs)
    yield from (name_of(TERMS, name) for name in resolved.planned)
    for name, split in resolved.splits.items():
        if split.source.labels is not None:
            yield name_of(LABELS_CHECK, name)
    verified = resolved.archives if resolved.job.wants("verify") else resolved.extras
    yield from (_archive_name(archive) for archive in verified)


def _every(resolved: ResolvedJob) -> Iterator[Artifact]:
    """Yield what a job can be made of, whether it needs it or not."""
    digest = resolved.digest
    yield Artifact(
        kind=INPUTS, digest=digest, mark=paths.job(resolved.out, digest), step="check inputs"
    )
    yield from (_archive(resolved, archive) for archive in resolved.archives)
    for split in resolved.splits.values():
        yield from (_archive(resolved, archive) for archive in split.archives)
        yield from (_walked(resolved, archive) for archive in split.source.inputs)
        yield from _of_split(resolved, split)
    for product in resolved.products:
        if product.tree:
            yield _classes(resolved, product)
        yield product


def _archive(resolved: ResolvedJob, archive: Archive) -> Artifact:
    return Artifact(
        kind=ARCHIVE,
        variant=archive.file,
        digest=archive.md5,
        files=(paths.archive_index(resolved.out, archive.file),) if archive.is_plain else (),
        needs=(INPUTS,),
        step="verify",
        versioned=False,
    )


def _walked(resolved: ResolvedJob, archive: Archive) -> Artifact:
    return Artifact(
        kind=WALKED,
        variant=archive.file,
        digest=archive.md5,
        files=(paths.walked_index(resolved.out, archive.file),),
        needs=(INPUTS,),
        step="index",
        versioned=False,
    )


def _of_split(resolved: ResolvedJob, split: SplitJob) -> Iterator[Artifact]:
    yield _catalog(resolved, split)
    if split.source.labels is not None:
        yield _labels_check(resolved, split, split.source.labels)
    yield Artifact(
        kind=PLAN,
        split=split.name,
        digest=split.plan_digest,
        files=(paths.plan(resolved.out, split.name, split.plan_digest),),
        mark=paths.plan_mark(resolved.out, split.name, split.plan_digest),
        needs=(name_of(CATALOG, split.name),),
        step="plan",
    )
    yield Artifact(
        kind=TERMS,
        split=split.name,
        digest=terms.digest(split),
        mark=terms.place(resolved.out, split),
        needs=(name_of(PLAN, split.name), *_images(split)),
        step="plan",
    )
    if segments.is_sorted(resolved, split):
        yield from _segments(resolved, split)
    yield Artifact(
        kind=SHARDS,
        split=split.name,
        digest=split.plan_digest,
        files=tuple(output.folder for output in split.outputs),
        needs=(
            name_of(PLAN, split.name),
            *((INPUTS,) if resolved.verifies_beside else _images(split)),
            *((name_of(SEGMENTS, split.name),) if segments.is_sorted(resolved, split) else ()),
        ),
        step="shards",
    )
    for output in split.outputs:
        yield from _of_output(resolved, split, output)


def _segments(resolved: ResolvedJob, split: SplitJob) -> Iterator[Artifact]:
    digest = segments.digest(resolved, split)
    yield Artifact(
        kind=SEGMENT_ROWS,
        split=split.name,
        digest=digest,
        files=(segment_places.rows(resolved.out, digest),),
        mark=segment_places.rows_mark(resolved.out, digest),
        needs=(name_of(PLAN, split.name), *_images(split)),
        step="sort",
    )
    yield Artifact(
        kind=SEGMENTS,
        split=split.name,
        digest=digest,
        files=(segment_places.folder(resolved.out, digest),),
        needs=(name_of(SEGMENT_ROWS, split.name), *_images(split)),
        step="sort",
    )


def _catalog(resolved: ResolvedJob, split: SplitJob) -> Artifact:
    place = resolved.out, split.name, split.catalog_digest
    beside = resolved.verifies_beside
    inputs = (_names_of_walked if beside else _names)(split.source.inputs)
    boxes = [name_of(BOXES, split.name)] if split.boxes is not None else []
    return Artifact(
        kind=CATALOG,
        split=split.name,
        digest=split.catalog_digest,
        files=(paths.catalog(*place), *([paths.catalog_unmatched(*place)] if boxes else [])),
        mark=paths.catalog_mark(*place),
        needs=(*inputs, *boxes, *(() if inputs else (INPUTS,))),
        step="catalog",
    )


def _labels_check(resolved: ResolvedJob, split: SplitJob, labels: LabelCheck) -> Artifact:
    return Artifact(
        kind=LABELS_CHECK,
        split=split.name,
        digest=labels.digest,
        mark=paths.labels_mark(resolved.out, split.name, labels.digest),
        needs=(_archive_name(labels.archive),),
        step="check labels",
    )


def _of_output(resolved: ResolvedJob, split: SplitJob, output: Output) -> Iterator[Artifact]:
    yield Artifact(
        kind=MANIFEST,
        split=split.name,
        variant=output.format,
        digest=output.digest,
        files=(output.folder,),
        mark=paths.manifest(output.folder),
        needs=(name_of(SHARDS, split.name),),
        step="manifest",
    )
    link = paths.current(resolved.out, output.format, split.name)
    yield Artifact(
        kind=LINK,
        split=split.name,
        variant=output.format,
        digest=output.digest,
        files=(link,),
        mark=link,
        needs=(name_of(MANIFEST, split.name, output.format),),
        step="current",
        versioned=False,
    )


def _classes(resolved: ResolvedJob, tree: Product) -> Artifact:
    """Return the groups of classes that a tree is made in."""
    split = resolved.splits[tree.split]
    return Artifact(
        kind=GROUPS,
        split=tree.split,
        variant=tree.kind,
        digest=tree.digest,
        files=tree.files,
        needs=(name_of(CATALOG, tree.split), *_images(split)),
        maker=CHANGED_GROUPS if tree.tree and tree.tree.changed else "",
        step=tree.step,
    )


def _images(split: SplitJob) -> tuple[str, ...]:
    """Return what looks at the images of a split: a changed archive is verified again."""
    return (INPUTS, *_names(split.source.inputs))


def _names(archives: Iterable[Archive]) -> tuple[str, ...]:
    return tuple(map(_archive_name, archives))


def _names_of_walked(archives: Iterable[Archive]) -> tuple[str, ...]:
    return tuple(name_of(WALKED, variant=archive.file) for archive in archives)


def _archive_name(archive: Archive) -> str:
    return name_of(ARCHIVE, variant=archive.file)
