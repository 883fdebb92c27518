"""Ranges as large as an image, read in random order: ``range_reads.py HOW ENDPOINT PLACE COUNT``.

HOW is ``shardmill`` (PLACE is a file or an object, read as shards are written of it) or ``boto3``
(`get_object` in threads). Prints ``{"seconds": S, "cpu_s": C, "xxh3": H}``: time and processor time
of the reads alone, and a hash of all that was read.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeAlias

import xxhash

from pipeline import storage
from pipeline.storage import RemoteOptions
from pipeline.storage.location import Location, Remote

LENGTH: Final = 110_000
IN_FLIGHT: Final = 16
_AHEAD: Final = 64

Take: TypeAlias = Callable[[memoryview | bytes], object]


def main() -> None:
    """Read the ranges, and say what it took."""
    how, endpoint, text, count = sys.argv[1:]
    storage.use(RemoteOptions(s3_endpoint=endpoint, in_flight=IN_FLIGHT))
    place = storage.parse(text)
    info = storage.stat(place)
    assert info is not None, f"there is no {place}"
    chance = random.Random(0)
    offsets = [chance.randrange(info.size - LENGTH) for _ in range(int(count))]
    digest = xxhash.xxh3_64()
    reads = _by_boto3 if how == "boto3" else _by_shardmill
    reads(place, endpoint, offsets[:_AHEAD], lambda _: None)  # connections, and what is read once
    start, cpu = time.perf_counter(), time.process_time()
    reads(place, endpoint, offsets, digest.update)
    took = {"seconds": time.perf_counter() - start, "cpu_s": time.process_time() - cpu}
    print(json.dumps(took | {"xxh3": digest.hexdigest()}))


def _by_shardmill(place: Location, endpoint: str, offsets: list[int], take: Take) -> None:
    del endpoint
    with storage.open_sources(place.parent) as sources:
        for offset in offsets[:_AHEAD]:
            sources.will_need(place.name, offset, LENGTH)
        for number, offset in enumerate(offsets):
            if number + _AHEAD < len(offsets):
                sources.will_need(place.name, offsets[number + _AHEAD], LENGTH)
            take(sources.read(place.name, offset, LENGTH))


def _by_boto3(place: Location, endpoint: str, offsets: list[int], take: Take) -> None:
    import boto3  # noqa: PLC0415 - its time is no part of the others'
    from botocore.config import Config  # noqa: PLC0415

    assert isinstance(place, Remote)
    config = Config(
        response_checksum_validation="when_required",
        max_pool_connections=IN_FLIGHT,
        s3={"addressing_style": "path"},
    )
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", config=config)

    def read(offset: int) -> bytes:
        bounds = f"bytes={offset}-{offset + LENGTH - 1}"
        answer = client.get_object(Bucket=place.host, Key=place.key, Range=bounds)
        body: bytes = answer["Body"].read()
        return body

    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        for body in _in_order(pool, read, offsets):
            take(body)


def _in_order(
    pool: ThreadPoolExecutor, read: Callable[[int], bytes], offsets: list[int]
) -> Iterator[bytes]:
    """Yield what is read, in order, a few dozen reads ahead."""
    ahead = deque[Future[bytes]]()
    for offset in offsets:
        ahead.append(pool.submit(read, offset))
        if len(ahead) > _AHEAD:
            yield ahead.popleft().result()
    while ahead:
        yield ahead.popleft().result()


if __name__ == "__main__":
    main()
