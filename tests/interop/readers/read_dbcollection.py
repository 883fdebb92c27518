"""Loads both tasks of ilsvrc2012 with dbcollection from the cache in HOME; prints JSON.

Runs in an environment of its own, without shardmill: ``HOME=DIR read_dbcollection.py``. The result
is, by task, what the loader's methods answer; ``object`` holds the first and the last object of a
set, as row numbers and as texts.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import sys
import warnings
from typing import Any

import h5py

TASKS = ("classification", "raw256")
TEXTS = ("image_filenames", "classes", "labels", "descriptions", "object_fields")
NUMBERS = ("object_ids", "list_image_filenames_per_class")


def dbcollection() -> Any:
    """Return the package; h5py 3 took away a property that it reads datasets by."""
    h5py.Dataset.value = property(lambda dataset: dataset[()])
    warnings.simplefilter("ignore")
    return importlib.import_module("dbcollection")


def text(row: Any) -> Any:
    """Return the text, or the texts, in an array of characters."""
    return importlib.import_module("dbcollection.utils.string_ascii").convert_ascii_to_str(row)


def answers(loader: Any, name: str) -> dict[str, object]:
    """Return what is said of one set."""
    last = loader.size(name)[0] - 1
    return {
        "list": sorted(loader.list(name)),
        "texts": {field: loader.get(name, field, convert_to_str=True) for field in TEXTS},
        "numbers": {field: loader.get(name, field).tolist() for field in NUMBERS},
        "one": {field: loader.get(name, field, 0, convert_to_str=True) for field in TEXTS},
        "some": loader.get(name, "image_filenames", [last, 0, last], convert_to_str=True),
        "object": [
            [
                loader.object(name, index).tolist(),
                [text(value) for value in loader.object(name, index, True)],
            ]
            for index in (0, last)
        ],
        "field_ids": [loader.object_field_id(name, field) for field in TEXTS[:3]],
    }


def main() -> None:
    """Ask for everything."""
    package = dbcollection()
    found = {}
    for task in TASKS:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            loader = package.load(name="ilsvrc2012", task=task, verbose=False)
            loader.info()
        found[task] = {
            "data_dir": loader.data_dir,
            "info": printed.getvalue(),
            "size": {name: list(size) for name, size in loader.size().items()},
            "sets": {name: answers(loader, name) for name in loader.sets},
        }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
