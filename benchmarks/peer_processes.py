"""What the peers that write shards share: the images of a tree, divided among processes.

A peer runs in an environment of its own, and imports nothing of this project but this.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

Image = tuple[Path, int]
"""A file, and the number of its class."""
Write = Callable[[Sequence[Image], Path], None]
"""Writes one shard; the path has no suffix."""


def main(write: Write) -> None:
    """Write all images of a tree: ``python -m PROGRAM TREE OUT SHARDS WORKERS``.

    Prints ``{"images": N, "seconds": S, "cpu_s": C}``; imports and the listing of the tree are
    before the seconds and no part of the processor time.
    """
    tree, out = Path(sys.argv[1]), Path(sys.argv[2])
    shards, workers = int(sys.argv[3]), int(sys.argv[4])
    wnids = sorted(folder.name for folder in tree.iterdir())
    images = [(path, wnids.index(path.parent.name)) for path in sorted(tree.glob("*/*.JPEG"))]
    each = math.ceil(len(images) / shards)
    parts = [
        (images[at : at + each], out / f"train-{at:06d}") for at in range(0, len(images), each)
    ]
    out.mkdir(parents=True)
    fork = multiprocessing.get_context("fork")
    start = time.perf_counter()
    processes = [
        fork.Process(target=_write_all, args=(write, parts[number::workers]))
        for number in range(workers)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    seconds = time.perf_counter() - start
    if any(process.exitcode for process in processes):
        sys.exit("a writer failed")
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = {"images": len(images), "seconds": seconds, "cpu_s": usage.ru_utime + usage.ru_stime}
    sys.stdout.write(json.dumps(said) + "\n")


def _write_all(write: Write, parts: Sequence[tuple[Sequence[Image], Path]]) -> None:
    for images, path in parts:
        write(images, path)
