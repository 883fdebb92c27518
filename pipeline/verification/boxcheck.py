"""Compares bboxes.csv with what is made of the annotations in a tree now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path

from pipeline import paths, storage
from pipeline.annotations import bboxes
from pipeline.errors import ShardmillError
from pipeline.job.options import Job
from pipeline.sources import registry
from pipeline.storage import Location
from pipeline.verification.findings import Finding, Layer, damage, of_error, truncated
from pipeline.verification.productcheck import ProductCheck

"""The kind of product that is checked here."""
_CHANGED = "run the shardmill command again with --replace: boxes and shards are made anew"


def check_boxes(out: Location, split: str, tree: Location, jobs: Iterable[Job]) -> ProductCheck:
    """Compare the boxes of a split with its annotations in a tree.

    Args:
        out: the output folder.
        split: name of the split.
        tree: where the annotations are looked for; without any there is nothing to compare.
        jobs: those that were started here; the last one that read boxes from a tree counts.
    """
    path = paths.bboxes(out, split)
    makers = [job for job in jobs if job.tree and job.boxes and split in (job.splits or (split,))]
    if not makers or storage.stat(path) is None or storage.real_folder(tree) is None:
        return ProductCheck(0, 0, ())
    folder = storage.on_this_machine(tree)
    try:
        return ProductCheck(0, 0, tuple(truncated(_differences(path, split, folder, makers[-1]))))
    except ShardmillError as error:
        return ProductCheck(0, 0, (of_error(Layer.SOURCE, path, error),))


def _differences(path: Location, split: str, tree: Path, job: Job) -> Iterator[Finding]:
    dataset = registry.data_set(job)
    there = dataset.annotations(split, tree)
    if there is None:
        return
    folder, filtered = there
    class_ids = frozenset(dataset.table.class_ids) if filtered else None
    found = b"".join(bboxes.csv_pieces(bboxes.collect(folder, class_filter=class_ids)))
    lines = zip_longest(storage.read_bytes(path).splitlines(), found.splitlines())
    for number, (written, made) in enumerate(lines, start=1):
        if written != made:
            what = f"the boxes are not those of the annotations in {folder}"
            texts = (f"line {number}", _shown(made), _shown(written), _CHANGED)
            yield damage(Layer.SOURCE, path, what, *texts, removable=False)


def _shown(line: bytes | None) -> str:
    return "no line" if line is None else line.decode(errors="replace")
