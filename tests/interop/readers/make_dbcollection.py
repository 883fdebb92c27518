"""Lets dbcollection itself make the file of a task, from a folder of images; prints its path.

Runs in an environment of its own, without shardmill: ``HOME=DIR make_dbcollection.py DATA TASK``.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from pathlib import Path

import h5py
from PIL import Image


def main() -> None:
    """Make and load the file."""
    data, task = sys.argv[1:]
    # Names that h5py 3 and Pillow 10 took away.
    h5py.Dataset.value = property(lambda dataset: dataset[()])
    Image.ANTIALIAS = Image.LANCZOS  # type: ignore[attr-defined]
    warnings.simplefilter("ignore")
    package = importlib.import_module("dbcollection")
    package.load(name="ilsvrc2012", task=task, data_dir=data, verbose=False)
    cache = importlib.import_module("dbcollection.core.manager").CacheManager()
    print(Path(cache.task.get("ilsvrc2012", task)["filename"]))  # noqa: T201


if __name__ == "__main__":
    main()
