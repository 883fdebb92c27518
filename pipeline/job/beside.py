"""What earlier commands have finished in an output folder, of splits that a job is not about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pipeline import manifest
from pipeline.catalog.classes import LabelTable
from pipeline.documents.products import FORM, ProductMark
from pipeline.job import provenance
from pipeline.job.artifacts import Begun, begun
from pipeline.sources.data_set import DataSet


def finished(dataset: DataSet, names: Iterable[str]) -> Iterator[tuple[Begun, ProductMark]]:
    """Yield the finished products of the other splits of a data set, with their marks.

    Args:
        dataset: the data set of the job.
        names: of the splits that the job is about.
    """
    others = dataset.splits.keys() - set(names)
    if not others:
        return
    for product in begun(dataset.job.folder):
        if product.split in others:
            mark = manifest.read_undamaged(product.mark, ProductMark)
            if mark is not None and mark.finished:
                yield product, mark


def with_classes(
    dataset: DataSet, table: LabelTable, names: Iterable[str], kind: str, form: str
) -> list[str]:
    """Return some splits and the others of which a product is finished, in the set's own order.

    Args:
        dataset: the data set of the job.
        table: its label table: classes of the others must have the same numbers.
        names: of the splits that the job is about.
        kind: of the product.
        form: of the product, as its mark says; "": it says none.
    """
    given = list(names)
    alike = {
        product.split
        for product, mark in finished(dataset, given)
        if product.kind == kind and mark.made_of.get(FORM, "") == form
        if provenance.has_classes_of(mark.made_of, table)
    }
    return [name for name in dataset.splits if name in alike or name in given]


def of_other_classes(
    dataset: DataSet, table: LabelTable, names: Iterable[str]
) -> dict[str, list[str]]:
    """Return of each other split what was made with other classes, by the files' names."""
    differing: dict[str, list[str]] = {}
    for product, mark in finished(dataset, names):
        if mark.made_of and not provenance.has_classes_of(mark.made_of, table):
            files = [entry.file for entry in mark.files] or [product.name]
            differing.setdefault(product.split, []).append(files[0])
    return differing
