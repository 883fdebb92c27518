"""Simulates preparations by many hosts: ``python -m benchmarks.many_hosts``.

Nothing is prepared. What one core, one archive and one store do was measured, here and in
docs/performance.md; the simulation hands shards out to workers, one by one, loses a host in the
middle, and adds up time, requests and money. Figures that nobody measured are marked as assumed.
"""

from __future__ import annotations

import argparse
import heapq
import math
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

GB: Final = 1e9
MD5_S: Final = 1 / 0.632
"""Seconds for a GB of one archive, MD5 and index; no archive is divided."""
PLAN_S: Final = (2.48 + 2.71) / 1_331_167
"""Seconds for an image in catalog and plan, which one process makes."""
PLAN_BYTES: Final = 100
"""Bytes of an image in a plan."""
KNOWN_BYTES: Final = 24
"""Bytes of an image in the hashes of archive members, which each worker reads once."""
MANIFEST_BYTES: Final = 305
"""Bytes of a shard in the manifest of an output."""
STORE_S: Final = 2 / 18_357
"""Seconds of a core for an image that is stored as it is."""
RESIZE_S: Final = 2 / 697
"""Seconds of a core for an image that is resized to 256 pixels."""
RANGE_S: Final = 0.35e-3
"""Seconds of a core for an image that is read by its range from a store, beyond a local read."""
PUT_S: Final = 3.0
"""Seconds of a core for a GB that is put into a store."""
OBJECT_REQUESTS: Final = 5_500.0
"""Requests that one object, or what has its prefix, answers in a second."""
SPREAD: Final = 0.15
"""By how much the same work differs from time to time."""
TAKEOVER_S: Final = 97.0
"""Seconds after which the work of a killed host was taken over, with the shipped settings."""
SHARD_BYTES: Final = 140e6
RESIZED: Final = 0.41
"""The share of an image's bytes that is left when it is resized."""
FILES_OF_A_SHARD: Final = 4  # shard, index, facts and mark
HOSTS: Final = (1, 3, 10, 100)
CORES: Final = 8  # of a host; assumed
NETWORK: Final = 1.5 * GB  # bytes a second of a host, both ways together; assumed
HOST_HOUR, GETS, PUTS = 0.34, 0.4e-6, 5e-6
"""Dollars for an hour of a host, and for a request of each kind; assumed."""


@dataclass(frozen=True)
class ImageSet:
    """A set of images in archives of one size.

    Attributes:
        name: of the set.
        bytes: of all archives.
        images: how many there are.
        archives: how many there are.
    """

    name: str
    bytes: float
    images: int
    archives: int

    @property
    def shards(self) -> int:
        """How many shards of the usual size there are, of images as they are."""
        return math.ceil(self.bytes / SHARD_BYTES)


@dataclass(frozen=True)
class Outcome:
    """What a simulated preparation takes.

    Attributes:
        verify_s: until the archives are verified, by all hosts.
        plan_s: until the shards are planned.
        shards_s: until the last shard is there.
        requests: to the store.
        dollars: for hosts and requests.
    """

    verify_s: float
    plan_s: float
    shards_s: float
    requests: int
    dollars: float

    @property
    def total_s(self) -> float:
        """From the beginning to the end."""
        return self.verify_s + self.plan_s + self.shards_s


SETS: Final = (
    ImageSet("ILSVRC2012", 148e9, 1_281_167, 1),
    ImageSet("ImageNet-21k", 1.3e12, 14_197_122, 1),
    ImageSet("100 TB", 100e12, 912_000_000, 1_000),
)


def simulate(
    data: ImageSet, hosts: int, *, resized: bool, loses_one: bool, seed: int = 0
) -> Outcome:
    """Return what it takes to prepare a set from a store into a store.

    Args:
        data: the set.
        hosts: how many work.
        resized: whether images are resized, and else stored as they are.
        loses_one: whether a host is killed in the middle of the shards.
        seed: of what differs by chance.
    """
    archive = data.bytes / data.archives
    at_once = min(data.archives, hosts * CORES)
    rounds = math.ceil(data.archives / at_once)
    verify = max(rounds * archive / GB * MD5_S, data.bytes / (hosts * NETWORK))
    shards = _shards_s(data, hosts, resized=resized, loses_one=loses_one, seed=seed)
    plan = data.images * PLAN_S
    gets = data.images + math.ceil(data.bytes / (64 << 20))
    puts = data.shards * FILES_OF_A_SHARD
    hours = (verify + shards) * hosts / 3600 + plan / 3600
    dollars = hours * HOST_HOUR + gets * GETS + puts * PUTS
    return Outcome(verify, plan, shards, gets + puts, dollars)


def _shards_s(data: ImageSet, hosts: int, *, resized: bool, loses_one: bool, seed: int) -> float:
    """Hand the shards out to whoever is free; return when the last one is there."""
    images, size = data.images / data.shards, data.bytes / data.shards
    written = size * (RESIZED if resized else 1)
    core_s = images * (RANGE_S + (RESIZE_S if resized else STORE_S)) + written / GB * PUT_S
    workers = min(hosts * CORES, data.shards)
    network_s = (size + written) * min(CORES, workers) / NETWORK

    def shard_s(alive: int) -> float:
        """Return the seconds of a shard while so many workers share what the archives answer."""
        return max(core_s, network_s, images * alive / (OBJECT_REQUESTS * data.archives))

    each, after = shard_s(workers), shard_s(max(1, workers - CORES))
    chance = random.Random(seed)
    free = [(0.0, worker) for worker in range(workers)]
    heapq.heapify(free)
    dies_at = each * data.shards / workers / 2 if loses_one and hosts > 1 else math.inf
    left, late, end = data.shards, 0, 0.0
    while left or late:
        now, worker = heapq.heappop(free)
        if worker < CORES and now >= dies_at:  # what it had at work is written later
            continue
        if left:
            left -= 1
        else:
            late, now = late - 1, max(now, dies_at + TAKEOVER_S)
        own = each if now < dies_at else after
        done = now + own * max(0.5, chance.gauss(1, SPREAD))
        if worker < CORES and done > dies_at:
            late += 1
            continue
        heapq.heappush(free, (done, worker))
        end = max(end, done)
    return end


def floors(data: ImageSet) -> tuple[float, float]:
    """Return the seconds that no number of hosts makes less: MD5 of an archive, requests to all."""
    return (
        data.bytes / data.archives / GB * MD5_S,
        data.images / (OBJECT_REQUESTS * data.archives),
    )


def sizes(data: ImageSet) -> tuple[float, float, float]:
    """Return GB of a plan and of what a worker knows of images, and MiB of a manifest."""
    return (
        data.images * PLAN_BYTES / GB,
        data.images * KNOWN_BYTES / GB,
        data.shards * MANIFEST_BYTES / (1 << 20),
    )


def times(sets: Iterable[ImageSet], hosts: Iterable[int]) -> Iterator[str]:
    """Yield the lines of a table: what preparations take."""
    yield "| | hosts | verify | plan | shards | all | with a host lost | requests | $ |"
    yield "|---|---|---|---|---|---|---|---|---|"
    every = (
        (data, resized, count) for data in sets for resized in (False, True) for count in hosts
    )
    for data, resized, count in every:
        one = simulate(data, count, resized=resized, loses_one=False)
        lost = simulate(data, count, resized=resized, loses_one=True).total_s if count > 1 else None
        seconds = (one.verify_s, one.plan_s, one.shards_s, one.total_s, lost)
        cells = (
            f"{data.name}, {'resized' if resized else 'as they are'}",
            str(count),
            *(duration(each) if each is not None else "" for each in seconds),
            f"{one.requests / 1e6:,.1f} M",
            f"{one.dollars:,.2f}",
        )
        yield f"| {' | '.join(cells)} |"


def limits(sets: Iterable[ImageSet]) -> Iterator[str]:
    """Yield the lines of a table: what no number of hosts changes."""
    yield "| | MD5 of an archive | requests to the archives | plan | kept by a worker | manifest |"
    yield "|---|---|---|---|---|---|"
    for data in sets:
        md5, asked = map(duration, floors(data))
        plan, known, manifest = sizes(data)
        shown = f"{plan:,.2f} GB | {known:,.2f} GB | {manifest:,.1f} MiB"
        yield f"| {data.name} | {md5} | {asked} | {shown} |"


def duration(seconds: float) -> str:
    """Return seconds as a person reads them."""
    if seconds < 600:
        return f"{seconds:,.0f} s"
    return f"{seconds / 60:,.0f} min" if seconds < 36_000 else f"{seconds / 3600:,.1f} h"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--hosts", type=int, nargs="+", default=HOSTS)
    options = parser.parse_args()
    print("\n".join([*times(SETS, options.hosts), "", *limits(SETS)]))


if __name__ == "__main__":
    main()
