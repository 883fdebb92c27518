"""The outputs of a folder that count, and what of them is damaged by names and sizes of files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pipeline import manifest, paths, storage
from pipeline.documents.outputs import OutputManifest
from pipeline.errors import OutputDamaged, ShardmillError
from pipeline.formats.base import ShardFormat
from pipeline.formats.registry import ALL
from pipeline.state import standing
from pipeline.storage import Location


@dataclass(frozen=True)
class Damage:
    """Something that is not as it was written.

    Attributes:
        place: of which file or folder, relative to the output folder.
        what: what is wrong, in a sentence.
    """

    place: str
    what: str


@dataclass(frozen=True)
class CountingOutput:
    """An output that counts: it is `current`, or was begun and is not superseded.

    Attributes:
        out: the output folder of the command that prepared it.
        folder: where its files lie.
        document: its manifest; None: it is absent or damaged.
        damage: what is wrong with it, as far as names and sizes of files tell.
    """

    out: Location
    folder: Location
    document: OutputManifest | None
    damage: tuple[Damage, ...]

    @property
    def format(self) -> str:
        """Its shard format."""
        return self.folder.parent.parent.name

    @property
    def split(self) -> str:
        """Its split."""
        return self.folder.parent.name

    @property
    def digest(self) -> str:
        """Its digest."""
        return self.folder.name

    @property
    def place(self) -> str:
        """Its folder, relative to the output folder."""
        return storage.relative(self.folder, self.out)

    @property
    def shard_format(self) -> ShardFormat:
        """The format itself."""
        return ALL[self.format]

    @property
    def left_out(self) -> int:
        """How many images are in no shard; 0 where there is no manifest."""
        return 0 if self.document is None else self.document.counts.left_out

    @property
    def facts(self) -> Location:
        """The facts of its images."""
        return paths.facts(self.folder)

    @property
    def plan(self) -> Location | None:
        """The plan that it was made by; None: it was not kept, or there is no manifest."""
        if self.document is None:
            return None
        path = paths.plan(self.out, self.split, self.document.digests.plan)
        return None if storage.stat(path) is None else path

    def shard(self, number: int) -> Location | None:
        """Return the file of a shard; None: the format has no shards."""
        if self.document is None:
            return None
        stem = self.document.shard_name(number).stem
        return next(iter(self.shard_format.paths(self.folder, stem)), None)


def outputs_of(out: Location) -> Iterator[CountingOutput]:
    """Yield the outputs that count: those that are `current`, or begun and not superseded."""
    for folder in standing.output_folders(out):
        output = _opened(out, folder)
        whole = output.document is not None
        passed = standing.is_superseded(folder) if whole else standing.is_abandoned(folder, ())
        if not passed:
            yield output


def soundest(outputs: Iterable[CountingOutput]) -> dict[str, CountingOutput]:
    """Return of each split the output that its images are read from: a sound one with shards."""
    best = dict[str, CountingOutput]()
    for output in outputs:
        if output.document is not None:
            known = best.get(output.split)
            if known is None or _rank(output) < _rank(known):
                best[output.split] = output
    return best


def brief(error: ShardmillError, out: Location) -> Damage:
    """Return an error as a page says it: no path of this machine is in it."""
    found = f"; expected {error.expected}, found {error.found}" if error.expected else ""
    at = f"; {error.place}" if error.place else ""
    place, what = (
        text.replace(f"{out}/", "") for text in (error.file or "", f"{error.what}{at}{found}")
    )
    return Damage(place, what)


def _opened(out: Location, folder: Location) -> CountingOutput:
    path = paths.manifest(folder)
    place = storage.relative(path, out)
    if storage.stat(path) is None:
        what = "there is no manifest: the output was not finished, or lost it"
        return CountingOutput(out, folder, None, (Damage(place, what),))
    try:
        document = manifest.read(path, OutputManifest)
    except OutputDamaged as error:
        return CountingOutput(out, folder, None, (Damage(place, brief(error, out).what),))
    missing = manifest.missing_files(document.files, folder)
    damage = [_missing(folder, out, document, name) for name in missing]
    return CountingOutput(out, folder, document, tuple(damage))


def _missing(folder: Location, out: Location, document: OutputManifest, name: str) -> Damage:
    """Return what is wrong with a file that is absent or of another size."""
    place = folder / name
    info = storage.stat(place)
    expected = next(entry.bytes for entry in document.files if entry.file == name)
    found = "it is gone" if info is None else f"it has {info.size:,}"
    what = f"the manifest says {expected:,} bytes, and {found}"
    return Damage(storage.relative(place, out), what)


def _rank(output: CountingOutput) -> tuple[bool, bool, int]:
    """Return what the soundest output of a split with shards has least of."""
    return (
        not output.shard_format.holds_images,
        bool(output.damage),
        list(ALL).index(output.format),
    )
