"""How many images and rows each class has in a CSV file: one pass, whose result a user keeps."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from pipeline import digests, manifest, storage
from pipeline.annotations.openimages import columns, rows
from pipeline.annotations.openimages.choice import Choice
from pipeline.documents.openimages import ClassCounts
from pipeline.errors import ShardmillError, Vanished
from pipeline.sources.openimages import ids as imageids
from pipeline.sources.openimages.selecting.recipe_files import FirstSeen
from pipeline.storage.local import userfolders

_VERSION: Final = 1


def counts(path: Path, say: Callable[[str], None] = lambda _text: None) -> ClassCounts:
    """Return how often each class stands in a CSV file of boxes or masks.

    The file is read where it was not before, or has changed since.

    Args:
        path: the file.
        say: told that it is read, which may take half a minute.

    Raises:
        BadAnnotation: see `rows.read_boxes`.
        Vanished: there is no such file.
    """
    info = storage.stat(path)
    if info is None:
        raise Vanished("there is no such file", file=str(path))
    known = {"path": str(path), "size": info.size, "stamp": info.stamp}
    kept = userfolders.cache("XDG_CACHE_HOME: a folder for what may be made again") / "classes"
    mark = kept / f"{digests.digest({**known, 'version': _VERSION})}.json"
    document = manifest.read_undamaged(mark, ClassCounts)
    if document is None or document.path != str(path):
        say(f"counting the classes in {path}")
        document = _counted(path, ClassCounts(**known, rows={}, images={}))  # type: ignore[arg-type]
        _keep(mark, document)
    return document


def _counted(path: Path, known: ClassCounts) -> ClassCounts:
    total, images = Counter[str](), defaultdict[str, FirstSeen](FirstSeen)
    for batch in rows.read(path, columns.ROWS, Choice()):
        labels = batch.table["label"].combine_chunks().dictionary_encode()
        numbers = imageids.numbers(batch.table["image_id"])
        codes = labels.indices.to_numpy()
        order = np.argsort(codes, kind="stable")
        ends = np.cumsum(np.bincount(codes))
        for label, some in zip(
            labels.dictionary.to_pylist(), np.split(numbers[order], ends[:-1]), strict=True
        ):
            total[label] += len(some)
            images[label].add(some)
    distinct = {label: len(seen) for label, seen in images.items()}
    return ClassCounts(known.path, known.size, known.stamp, dict(total), distinct)


def _keep(mark: Path, document: ClassCounts) -> None:
    """Write down what was counted, if this user may; it can be counted again."""
    plain = {name: getattr(document, name) for name in ("path", "size", "stamp", "rows", "images")}
    try:
        manifest.publish_alone(mark, plain)
    except ShardmillError:
        return
