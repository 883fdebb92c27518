"""The label tables of an output folder: classes by name, those without an image, too."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from pipeline import paths, storage
from pipeline.catalog import class_table
from pipeline.errors import ShardmillError
from pipeline.job import exports
from pipeline.job.artifacts import CLASSES, begun
from pipeline.sources import registry as sources
from pipeline.state import status
from pipeline.storage import Location

Classes = Mapping[int, tuple[str, str]]
"""Index of a class -> its id and its words, either of which may be empty."""


def known(out: Location) -> Iterator[Classes]:
    """Yield the label tables that recorded jobs name, and those of class folders in the output.

    A table that cannot be read, as where a configuration is gone, is passed over: nothing that was
    made depends on it any more.
    """
    with contextlib.suppress(ShardmillError):
        for job in status.recorded_jobs(out):
            with contextlib.suppress(ShardmillError):
                if classes := sources.data_set(job, exports.taken_names()).chosen_classes:
                    yield classes
    for product in begun(out):
        path = paths.class_table(out, product.split)
        if product.kind == CLASSES and storage.stat(path) is not None:
            with contextlib.suppress(ShardmillError):
                names = class_table.read(path).names
                yield {index: ("", name) for index, name in enumerate(names)}
