"""Resizes images with img2dataset's own resizer, in processes: the part of it that is ours, too.

python peer_img2dataset.py LIST ROOT FOLDER WORKERS writes FOLDER/<line>.jpg and prints the seconds.
Imports and the start of the processes are not counted.
"""

from __future__ import annotations

import io
import multiprocessing
import sys
import time
from pathlib import Path

from img2dataset.resizer import Resizer


def main() -> None:
    """Resize what a list names."""
    listing, root, folder, workers = sys.argv[1:]
    lines = Path(listing).read_text(encoding="utf-8").splitlines()
    names = [line.split("\t")[-1] for line in lines]
    jobs = [(Path(root) / name, Path(folder) / f"{at}.jpg") for at, name in enumerate(names)]
    with multiprocessing.get_context("fork").Pool(int(workers)) as pool:
        pool.map(begin, range(int(workers)), chunksize=1)
        start = time.perf_counter()
        pool.starmap(resize, jobs, chunksize=16)
        print(time.perf_counter() - start)


def begin(_: int) -> None:
    """Make the processes start."""
    time.sleep(0.2)


def resize(source: Path, target: Path) -> None:
    """Resize one image: shorter edge 256, quality 95."""
    resizer = Resizer(256, "keep_ratio", resize_only_if_bigger=False, encode_quality=95)
    encoded, *_, error = resizer(io.BytesIO(source.read_bytes()))
    if error is not None:
        raise ValueError(f"{source}: {error}")
    target.write_bytes(encoded)


if __name__ == "__main__":
    main()
