"""webdataset's `ShardWriter` in several processes: ``peer_webdataset.py TREE OUT SHARDS WORKERS``.

Runs in the peers' environment. `TREE` is ``<wnid>/<name>.JPEG``, extracted for free. Prints
``{"images": N, "seconds": S}``; imports and the listing of the tree are before the seconds.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import webdataset


def main() -> None:
    """Write all images of the tree, each process its share of them."""
    tree, out = Path(sys.argv[1]), Path(sys.argv[2])
    shards, workers = int(sys.argv[3]), int(sys.argv[4])
    wnids = sorted(folder.name for folder in tree.iterdir())
    images = [(path, wnids.index(path.parent.name)) for path in sorted(tree.glob("*/*.JPEG"))]
    per_shard = math.ceil(len(images) / shards)
    per_worker = math.ceil(len(images) / workers)
    out.mkdir(parents=True)
    fork = multiprocessing.get_context("fork")
    start = time.perf_counter()
    processes = [
        fork.Process(target=write, args=(share, f"{out}/train-{number}-%05d.tar", per_shard))
        for number in range(workers)
        if (share := images[number * per_worker : (number + 1) * per_worker])
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    seconds = time.perf_counter() - start
    if any(process.exitcode for process in processes):
        sys.exit("a writer failed")
    sys.stdout.write(json.dumps({"images": len(images), "seconds": seconds}) + "\n")


def write(images: Sequence[tuple[Path, int]], pattern: str, per_shard: int) -> None:
    """Write images and labels in the order given."""
    with webdataset.ShardWriter(pattern, maxcount=per_shard, verbose=0) as writer:
        for path, label in images:
            writer.write({"__key__": path.stem, "jpg": path.read_bytes(), "cls": label})


if __name__ == "__main__":
    main()
