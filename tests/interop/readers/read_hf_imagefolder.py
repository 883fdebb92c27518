"""Loads images with Hugging Face's ``imagefolder``; prints JSON.

Runs in an environment of its own, without shardmill: ``read_hf_imagefolder.py CACHE OPTIONS``,
OPTIONS being those of ``load_dataset`` as JSON. The result is ``{split: {"classes": {column:
[...]}, "rows": [...]}}``; in a row, ``image`` is the path and [width, height] as decoded, which
is as its EXIF orientation says.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any


def rows(dataset: Any, undecoded: Any) -> list[dict[str, Any]]:
    """Return all rows, their images decoded."""
    files = [sample["path"] for sample in dataset.cast_column("image", undecoded)["image"]]
    pairs = zip(dataset, files, strict=True)
    return [{**row, "image": [file, list(row["image"].size)]} for row, file in pairs]


def main() -> None:
    """Decode everything."""
    cache, options = sys.argv[1], json.loads(sys.argv[2])
    datasets = importlib.import_module("datasets")
    found = {}
    splits = datasets.load_dataset("imagefolder", cache_dir=cache, **options)
    for name, dataset in splits.items():
        kinds = dataset.features.items()
        classes = {column: kind.names for column, kind in kinds if hasattr(kind, "names")}
        undecoded = datasets.Image(decode=False)
        found[name] = {"classes": classes, "rows": rows(dataset, undecoded)}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
