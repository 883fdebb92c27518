"""Images of a public bucket, fetched: ``image_fetching.py HOW ADDRESS COUNT FOLDER``.

HOW is ``shardmill`` (verified, recorded, 64 at a time in two processes), ``official`` (the official
downloader's way: boto3's `download_file` in 5 threads) or ``get_object`` (boto3's, in 64 threads).
Prints ``{"seconds": S, "cpu_s": C}`` of the fetching alone.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeAlias

AT_ONCE: Final = 64
_WORKERS: Final = 2
_OFFICIAL: Final = 5
_BUCKET: Final = "open-images-dataset"

Fetch: TypeAlias = Callable[[str, list[str], Path], float]
"""Fetches images, and returns the seconds of processor time of other processes."""


def main() -> None:
    """Fetch the images, and say what it took."""
    how, address, count, folder = sys.argv[1:]
    ids = [f"{number:016x}" for number in range(int(count))]
    with ProcessPoolExecutor(_WORKERS) as pool:
        run = _shardmill(pool) if how == "shardmill" else _boto3(how)
        run(address, ids[:AT_ONCE], Path(folder) / "warm")  # what is imported and connected once
        start, cpu = time.perf_counter(), time.process_time()
        more = run(address, ids, Path(folder) / "cold")
        cpu = time.process_time() - cpu + more
        took = {"seconds": time.perf_counter() - start, "cpu_s": cpu}
    assert len(list((Path(folder) / "cold").glob("*.jpg"))) == len(ids)
    print(json.dumps(took))


def _shardmill(pool: ProcessPoolExecutor) -> Fetch:
    def fetch(address: str, ids: list[str], folder: Path) -> float:
        parts = [pool.submit(_collect, address, ids[each::2], folder) for each in range(_WORKERS)]
        return sum(part.result() for part in parts)

    return fetch


def _collect(address: str, ids: list[str], folder: Path) -> float:
    """Fetch images in a process of its own; return its seconds of processor time."""
    from pipeline import storage  # noqa: PLC0415 - its time is no part of the others'
    from pipeline.sources.openimages.images.download import Download, download  # noqa: PLC0415

    cpu = time.process_time()
    bucket = storage.parse(address, whole_bucket=True)
    keys, each = {"train": "train/{id}.jpg"}, AT_ONCE // _WORKERS
    download(Download({"train": ids}, folder, bucket, keys, each, 8), lambda *_: None)
    return time.process_time() - cpu


def _boto3(how: str) -> Fetch:
    import boto3  # noqa: PLC0415 - its time is no part of the others'
    from botocore import UNSIGNED  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    threads = _OFFICIAL if how == "official" else AT_ONCE
    words: dict[str, Any] = {"signature_version": UNSIGNED, "s3": {"addressing_style": "path"}}
    if how != "official":
        words |= {"max_pool_connections": threads, "response_checksum_validation": "when_required"}

    def fetch(address: str, ids: list[str], folder: Path) -> float:
        folder.mkdir(parents=True, exist_ok=True)
        where: dict[str, Any] = {"endpoint_url": address, "region_name": "us-east-1"}
        bucket = boto3.resource("s3", **where, config=Config(**words)).Bucket(_BUCKET)
        client = bucket.meta.client

        def one(image_id: str) -> None:
            key, path = f"train/{image_id}.jpg", folder / f"{image_id}.jpg"
            if how == "official":
                bucket.download_file(key, str(path))
            else:
                path.write_bytes(client.get_object(Bucket=_BUCKET, Key=key)["Body"].read())

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(one, ids))
        return 0.0

    return fetch


if __name__ == "__main__":
    main()
