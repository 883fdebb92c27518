"""What there is to show of an output folder, and what of it is damaged."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from importlib import metadata

from pipeline import digests, manifest, paths, storage
from pipeline.documents.products import ProductMark
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
        outputs = [[each.place, _content(each), each.plan is not None] for each in self.outputs]
        return digests.digest(
            {
                "makers": makers.of_this_page(),
                "writers": [codec.identity(), f"jinja2 {metadata.version('jinja2')}"],
                "outputs": outputs,
                "classes": [sorted(each.items()) for each in self.label_tables],
                "products": [[name, mark.digest] for name, mark in self.products],
                "damage": [[each.place, each.what] for each in self.all_damage],
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


def _content(output: CountingOutput) -> list[str]:
    """Return the hashes of the files of an output that its other files follow from."""
    document = output.document
    if document is None:
        return []
    facts = [each.xxh3_128 for each in document.files if each.file == output.facts.name]
    return [*facts, *(image.key for image in document.left_out)]
