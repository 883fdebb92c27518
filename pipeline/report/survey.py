"""What there is to show of an output folder, and what of it is damaged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata

from pipeline import digests, manifest, paths, storage
from pipeline.documents.outputs import OutputManifest
from pipeline.documents.products import ProductMark
from pipeline.errors import OutputDamaged, ShardmillError, UsageError, abbreviate
from pipeline.formats.base import ShardFormat
from pipeline.formats.registry import ALL
from pipeline.images import codec
from pipeline.job.artifacts import begun
from pipeline.report import makers
from pipeline.state import standing, withdrawal
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
class ReportedOutput:
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


@dataclass(frozen=True)
class Survey:
    """What there is to show.

    Attributes:
        out: the output folder.
        outputs: those that count, by split and format.
        products: of what has a path without a digest, what it is and its digest, finished ones.
        damage: what is wrong beside the outputs themselves.
    """

    out: Location
    outputs: tuple[ReportedOutput, ...]
    products: tuple[tuple[str, ProductMark], ...]
    damage: tuple[Damage, ...]

    @cached_property
    def splits(self) -> dict[str, ReportedOutput]:
        """The output of each split that its images are shown from: the soundest one with shards."""
        best = dict[str, ReportedOutput]()
        for output in self.outputs:
            if output.document is not None:
                known = best.get(output.split)
                if known is None or _rank(output) < _rank(known):
                    best[output.split] = output
        return best

    @property
    def all_damage(self) -> tuple[Damage, ...]:
        """What is wrong, the outputs included."""
        return (*self.damage, *(each for output in self.outputs for each in output.damage))

    @cached_property
    def digest(self) -> str:
        """The digest of everything that decides the bytes of the page."""
        outputs = [[each.place, _content(each), each.plan is not None] for each in self.outputs]
        return digests.digest(
            {
                "makers": makers.of_this_page(),
                "writers": [codec.identity(), f"jinja2 {metadata.version('jinja2')}"],
                "outputs": outputs,
                "products": [[name, mark.digest] for name, mark in self.products],
                "damage": [[each.place, each.what] for each in self.all_damage],
            }
        )


def survey(out: Location) -> Survey:
    """Return what there is to show of an output folder, by its manifests and listings.

    Raises:
        UsageError: there is nothing: no command has begun an output here.
    """
    outputs = tuple(_outputs(out))
    if not outputs:
        raise UsageError(
            "there is no output here that a page could show",
            file=str(out),
            expected="the OUT of a command that prepares, with shards or --format none",
            remedy="name the output folder of shardmill imagenet, imagelist or openimages",
        )
    damage = list[Damage]()
    if withdrawal.pending(out):
        what = "outputs are being withdrawn because an image was replaced: run the command again"
        damage.append(Damage(storage.relative(paths.withdrawal(out), out), what))
    products = list[tuple[str, ProductMark]]()
    for product in begun(out):
        mark = manifest.read_undamaged(product.mark, ProductMark)
        place = storage.relative(product.mark, out)
        if mark is None:
            damage.append(Damage(place, "the mark of a product is not as it was written"))
        elif mark.finished:
            products.append((product.name, mark))
            missing = manifest.missing_files(mark.files, out)
            damage += [Damage(each, "the file is gone or of another size") for each in missing]
    return Survey(out, outputs, tuple(products), tuple(damage))


def _outputs(out: Location) -> Iterator[ReportedOutput]:
    for folder in standing.output_folders(out):
        output = _opened(out, folder)
        whole = output.document is not None
        passed = standing.is_superseded(folder) if whole else standing.is_abandoned(folder, ())
        if not passed:
            yield output


def _opened(out: Location, folder: Location) -> ReportedOutput:
    path = paths.manifest(folder)
    place = storage.relative(path, out)
    if storage.stat(path) is None:
        what = "there is no manifest: the output was not finished, or lost it"
        return ReportedOutput(out, folder, None, (Damage(place, what),))
    try:
        document = manifest.read(path, OutputManifest)
    except OutputDamaged as error:
        return ReportedOutput(out, folder, None, (Damage(place, error.brief),))
    missing = manifest.missing_files(document.files, folder)
    damage = [_missing(folder, out, document, name) for name in missing]
    return ReportedOutput(out, folder, document, tuple(damage))


def _missing(folder: Location, out: Location, document: OutputManifest, name: str) -> Damage:
    """Return what is wrong with a file that is absent or of another size."""
    place = folder / name
    info = storage.stat(place)
    expected = next(entry.bytes for entry in document.files if entry.file == name)
    found = "it is gone" if info is None else f"it has {info.size:,}"
    what = f"the manifest says {expected:,} bytes, and {found}"
    return Damage(storage.relative(place, out), what)


def _rank(output: ReportedOutput) -> tuple[bool, bool, int]:
    """Return what the soundest output of a split with shards has least of."""
    return (
        not output.shard_format.holds_images,
        bool(output.damage),
        list(ALL).index(output.format),
    )


def _content(output: ReportedOutput) -> list[str]:
    """Return the hashes of the files of an output that its other files follow from."""
    document = output.document
    if document is None:
        return []
    facts = [each.xxh3_128 for each in document.files if each.file == output.facts.name]
    return [*facts, *(image.key for image in document.left_out)]


def brief(error: ShardmillError, out: Location) -> Damage:
    """Return an error as a page says it: no path of this machine is in it."""
    place = str(error.file or "").removeprefix(f"{out}/")
    found = f"; expected {error.expected}, found {error.found}" if error.expected else ""
    at = f"; {error.place}" if error.place else ""
    return Damage(place, f"{error.what}{at}{found}")


def named(damage: Iterable[Damage]) -> str:
    """Return the places of some damage, for a message."""
    return abbreviate(dict.fromkeys(each.place for each in damage), 3)
