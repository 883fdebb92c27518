"""Which artifacts of a job are whole: their marks are this job's, and their files are there.

An artifact is asked for by its own mark and its own files. Only an output of thousands of shards,
and a tree, are asked for by listing their own folders, which is cheaper there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final

from pipeline import digests, manifest, paths, storage
from pipeline.documents.outputs import OutputManifest
from pipeline.documents.products import ProductMark
from pipeline.documents.records import ArchiveMark, JobRecord, WalkedMark
from pipeline.documents.segments import SegmentMark, SegmentRowsMark
from pipeline.documents.shards import GroupMark, ShardMark, ShardTerms
from pipeline.documents.tables import CatalogMark, LabelsMark, PlanMark
from pipeline.errors import ArchiveRefused
from pipeline.job.artifacts import (
    ARCHIVE,
    CATALOG,
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
from pipeline.job.resolve import ResolvedJob
from pipeline.manifest import Kind, Sealed
from pipeline.segments import of_split as segments
from pipeline.segments import places as segment_places
from pipeline.shards import finish as outputs
from pipeline.shards import terms
from pipeline.shards import unverified as unverifiedshards
from pipeline.state import claims, unverified
from pipeline.state import raw_archives as rawarchives


class Inventory:
    """What of a job is whole, each artifact as it was when it was first asked for."""

    def __init__(self, resolved: ResolvedJob) -> None:
        self.resolved = resolved
        self._documents: dict[str, Sealed | None] = {}

    def document(self, name: str) -> Sealed | None:
        """Return the mark of the artifact of a name; None: it is not whole."""
        if name not in self._documents:
            self._documents[name] = self.ask(self.resolved.graph[name])
        return self._documents[name]

    def ask(self, artifact: Artifact) -> Sealed | None:
        """Return the mark of an artifact as it is now; None: it is not whole."""
        if artifact.kind == LINK:
            (output,) = artifact.needs  # a manifest of thousands of files is read once
            return self.document(output) if _points(artifact) else None
        if isinstance(artifact, Product) and artifact.lacks_bad_images:
            return _as_left_out(self.resolved, artifact, self.manifests(artifact.split))
        if isinstance(artifact, Product):
            return claims.finished(self.resolved.out, artifact)
        return _ASKED[artifact.kind](self.resolved, artifact)

    def whole(self, name: str) -> bool:
        """Whether the artifact of a name is whole."""
        return self.document(name) is not None

    def manifest(self, split: str, shard_format: str) -> OutputManifest | None:
        """Return the manifest of a split's output in a format; None: it is not whole."""
        document = self.document(name_of(MANIFEST, split, shard_format))
        return document if isinstance(document, OutputManifest) else None

    def manifests(self, split: str) -> list[OutputManifest | None]:
        """Return the manifests of a split's outputs; None: it is not whole."""
        sets = (output for each, output in self.resolved.outputs if each.name == split)
        return [self.manifest(split, output.format) for output in sets]

    def product(self, product: Product) -> ProductMark | None:
        """Return the mark of a product; None: it is not whole."""
        document = self.document(product.name)
        return document if isinstance(document, ProductMark) else None

    @property
    def complete(self) -> bool:
        """Whether everything that the job asks for is there."""
        return all(map(self.whole, self.resolved.graph.last))

    def pending(self, names: Iterable[str] | None = None) -> tuple[Artifact, ...]:
        """Return what is still to be made, each artifact behind what it needs.

        What nothing needs that is still to be made is not made again, though it were gone.

        Args:
            names: of what is asked for; None: everything that the job is about.
        """
        graph, unfinished = self.resolved.graph, set[str]()
        ahead = list(graph.last if names is None else names)
        while ahead:
            name = ahead.pop()
            if name not in unfinished and not self.whole(name):
                unfinished.add(name)
                ahead += graph[name].needs
        return tuple(artifact for artifact in graph if artifact.name in unfinished)


def complete(resolved: ResolvedJob) -> bool:
    """Return whether everything a job asks for is there: the truth for an exit status."""
    return Inventory(resolved).complete


def document(resolved: ResolvedJob, artifact: Artifact) -> Sealed | None:
    """Return the mark of an artifact of a job, or of its last part; None: it is not whole."""
    return Inventory(resolved).ask(artifact)


def shards(resolved: ResolvedJob, artifact: Artifact, numbers: Iterable[int]) -> ShardMark | None:
    """Return the mark of the last one of some shards in the first format.

    None: a shard lacks a format.
    """
    sets, first = resolved.splits[artifact.split].outputs, None
    numbers = tuple(numbers)
    places = [paths.shard_mark(resolved.out, each.digest, n) for n in numbers for each in sets]
    if any(storage.stat(place) is None for place in places):
        return None
    storage.read_ahead(places)
    for number in numbers:
        marks = [outputs.shard_document(resolved.out, output, number) for output in sets]
        first = marks[0]
        if None in marks:
            return None
        if not resolved.verifies_beside and unverifiedshards.awaits(resolved, filter(None, marks)):
            return None  # what they are made of is to be verified first
    return first


def _inputs(resolved: ResolvedJob, artifact: Artifact) -> JobRecord | None:
    """Return the record of a job, if the archives still look as they did."""
    record = _marked(JobRecord, resolved, artifact)
    return record if record is not None and record.seen == rawarchives.seen(resolved) else None


def _archive(resolved: ResolvedJob, artifact: Artifact) -> ArchiveMark | None:
    """Return the mark of an archive that has not changed since and that the job can do with."""
    archive = resolved.dataset.archive(artifact.variant)
    try:
        rawarchives.check_verified(resolved, (archive,))
    except ArchiveRefused:
        return None
    return rawarchives.verified(resolved, archive)


def _walked(resolved: ResolvedJob, artifact: Artifact) -> ArchiveMark | WalkedMark | None:
    """Return the mark of an archive that was walked, or is verified."""
    return unverified.indexed(resolved, resolved.dataset.archive(artifact.variant))


def _of_indexes(
    kind: type[CatalogMark | PlanMark], resolved: ResolvedJob, artifact: Artifact
) -> CatalogMark | PlanMark | None:
    """Return the mark of a catalog or plan, if it is of the archives as they are known to be."""
    mark = _marked(kind, resolved, artifact)
    return mark if mark is not None and unverified.holds(resolved, mark.indexes) else None


def _marked(kind: type[Kind], resolved: ResolvedJob, artifact: Artifact) -> Kind | None:
    """Return the mark of an artifact whose path carries its digest."""
    if artifact.mark is None:
        raise LookupError(f"{artifact.name} has no mark of its own")
    return manifest.read_complete(artifact.mark, resolved.out, kind)


def _terms(resolved: ResolvedJob, artifact: Artifact) -> ShardTerms | None:
    split = resolved.splits[artifact.split]
    kept = terms.kept(resolved.out, split)
    return kept if kept == terms.of(split) else None


def _segments(resolved: ResolvedJob, artifact: Artifact) -> SegmentMark | None:
    """Return the mark of the last sorted segment, if all are there."""
    last, layout = None, segments.layout_of(resolved, resolved.splits[artifact.split])
    for number in range(layout.segments):
        place = segment_places.mark(resolved.out, artifact.digest, number)
        last = manifest.read_complete(place, resolved.out, SegmentMark)
        if last is None:
            return None
    return last


def _shards(resolved: ResolvedJob, artifact: Artifact) -> ShardMark | None:
    return shards(resolved, artifact, range(resolved.splits[artifact.split].shards))


def _class_groups(resolved: ResolvedJob, artifact: Artifact) -> GroupMark | None:
    counts = resolved.splits[artifact.split].class_counts
    tree = resolved.product(name_of(artifact.variant, artifact.split))
    return claims.last_group(resolved.out, tree, counts)


def _manifest(resolved: ResolvedJob, artifact: Artifact) -> OutputManifest | None:
    return outputs.document(resolved.splits[artifact.split].output(artifact.variant))


def _points(artifact: Artifact) -> bool:
    """Whether a link points to its output."""
    (link,) = artifact.files
    return storage.pointed(link) == artifact.digest


def _as_left_out(
    resolved: ResolvedJob, artifact: Product, made: list[OutputManifest | None]
) -> ProductMark | None:
    """Return the mark of an export that leaves out what the shards lack, by their manifests."""
    mark = claims.finished(resolved.out, artifact)
    if resolved.job.on_bad_image == "skip" and None in made:
        return None  # it is not known yet what they lack
    agrees = mark is not None and mark.left_out == name_of_left_out(_left_out(made))
    return mark if agrees else None


def left_out(resolved: ResolvedJob, split: str) -> frozenset[str]:
    """Return the keys of images that a finished output of a split lacks as bad images."""
    return _left_out(Inventory(resolved).manifests(split))


def name_of_left_out(keys: frozenset[str]) -> str:
    """Return a name for images that are left out; "" for none."""
    return digests.digest({"keys": sorted(keys)}) if keys else ""


def _left_out(manifests: Iterable[OutputManifest | None]) -> frozenset[str]:
    return frozenset(image.key for each in manifests if each for image in each.left_out)


_ASKED: Final[Mapping[str, Callable[[ResolvedJob, Artifact], Sealed | None]]] = {
    INPUTS: _inputs,
    ARCHIVE: _archive,
    WALKED: _walked,
    CATALOG: partial(_of_indexes, CatalogMark),
    LABELS_CHECK: partial(_marked, LabelsMark),
    PLAN: partial(_of_indexes, PlanMark),
    SEGMENT_ROWS: partial(_marked, SegmentRowsMark),
    SEGMENTS: _segments,
    TERMS: _terms,
    SHARDS: _shards,
    MANIFEST: _manifest,
    GROUPS: _class_groups,
}
