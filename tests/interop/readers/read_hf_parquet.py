"""Loads a folder with a dataset card by Hugging Face's datasets; prints JSON.

Runs in an environment of its own, without shardmill: ``read_hf_parquet.py CACHE FOLDER CONFIG``.
The result is ``{split: {"features": {...}, "rows": [...], "streamed": [...]}}``; in a row,
``image`` is the key, the MD5 of the bytes and [width, height] as decoded, and a mask its size and
mode.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import sys
from typing import Any


def rows(dataset: Any, undecoded: Any) -> list[dict[str, Any]]:
    """Return all rows, their images decoded."""
    stored = [sample["image"] for sample in dataset.cast_column("image", undecoded)]
    found = []
    for row, image in zip(dataset, stored, strict=True):
        content = hashlib.md5(image["bytes"], usedforsecurity=False).hexdigest()
        objects = row.get("objects", {})
        if "mask" in objects:
            objects["mask"] = [[*mask.size, mask.mode] for mask in objects["mask"]]
        found.append({**row, "image": [image["path"], content, list(row["image"].size)]})
    return found


def main() -> None:
    """Decode everything, loaded and streamed."""
    cache, folder, config = sys.argv[1:]
    datasets = importlib.import_module("datasets")
    found = {}
    undecoded = datasets.Image(decode=False)
    for name, dataset in datasets.load_dataset(folder, config, cache_dir=cache).items():
        stream = datasets.load_dataset(folder, config, split=name, streaming=True)
        keys = [sample["image"]["path"] for sample in stream.cast_column("image", undecoded)]
        read = rows(dataset, undecoded)
        found[name] = {"features": dataset.features.to_dict(), "rows": read, "streamed": keys}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
