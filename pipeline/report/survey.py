"""What there is to show of an output folder, and what of it is damaged."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from importlib import metadata

from pipeline import digests, manifest, paths, storage
from pipeline.documents.products import ProductMark
from pipeline.documents.shards import LeftOutImage
from pipeline.errors import UsageError
from pipeline.finished.outputs import CountingOutput, Damage, outputs_of, soundest
from pipeline.images import codec
from pipeline.job.artifacts import begun
from pipeline.report import makers
from pipeline.state import label_tables, withdrawal
from pipeline.state.label_tables import Classes
from pipeline.storage import Location


@dataclass(frozen=True)
class Survey:
    """What there is to show.

    Attributes:
        out: the output folder.
        outputs: those that count, by split and format.
        products: of what has a path without a digest, what it is and its digest, finished ones.
        damage: what is wrong beside the outputs themselves.
        label_tables: each index -> id and words of a class, as far as they are known.
    """

    out: Location
    outputs: tuple[CountingOutput, ...]
    products: tuple[tuple[str, ProductMark], ...]
    damage: tuple[Damage, ...]
    label_tables: tuple[Classes, ...] = ()

    @cached_property
    def splits(self) -> dict[str, CountingOutput]:
        """The output of each split that its images are shown from: the soundest one with shards."""
        return soundest(self.outputs)

    @property
    def all_damage(self) -> tuple[Damage, ...]:
        """What is wrong, the outputs included."""
        return (*self.damage, *(each for output in self.outputs for each in output.damage))

    @cached_property
    def digest(self) -> str:
        """The digest of everything that decides the bytes of the page."""
        return digests.digest(
            {
                "makers": makers.of_this_page(),
                "writers": _writers(),
                "outputs": [
                    [*_shown(each), [image.key for image in _left_out(each)]]
                    for each in self.outputs
                ],
                "classes": [sorted(each.items()) for each in self.label_tables],
                "products": [[name, mark.digest] for name, mark in self.products],
                "damage": [[each.place, each.what] for each in self.damage],
            }
        )

    @cached_property
    def sheets(self) -> dict[str, str]:
        """Split -> the digest of its sheets: of one output alone, whatever stands beside it."""
        return {
            name: digests.digest(
                {
                    "makers": makers.of_sheets(),
                    "decoder": codec.identity(),
                    "output": _shown(output),
                }
            )
            for name, output in self.splits.items()
        }

    def duplicates_digest(self, distance: int) -> str:
        """Return the digest of the page of duplicates: of the outputs that images are shown from.

        Args:
            distance: of the hashes of images that look alike, at most, in bits.
        """
        return digests.digest(
            {
                "makers": makers.of_this_page(),
                "writers": _writers(),
                "outputs": {name: _shown(output) for name, output in self.splits.items()},
                "distance": distance,
            }
        )


def survey(out: Location) -> Survey:
    """Return what there is to show of an output folder, by its manifests and listings.

    Raises:
        UsageError: there is nothing: no command has begun an output here.
    """
    outputs = tuple(outputs_of(out))
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
    tables = tuple(label_tables.known(out))
    return Survey(out, outputs, tuple(products), tuple(damage), tables)


def _writers() -> list[str]:
    return [codec.identity(), f"jinja2 {metadata.version('jinja2')}"]


def _shown(output: CountingOutput) -> list[object]:
    """Return what decides what is shown of the images of an output: its shards follow from it."""
    document = output.document
    files = document.files if document else ()
    facts = [each.xxh3_128 for each in files if each.file == output.facts.name]
    damage = [[each.place, each.what] for each in output.damage]
    return [output.place, facts, output.plan is not None, damage]


def _left_out(output: CountingOutput) -> tuple[LeftOutImage, ...]:
    return output.document.left_out if output.document else ()
