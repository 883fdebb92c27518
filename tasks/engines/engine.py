"""What has shards made: the one seam between who decides which, and who does it where."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol

from pipeline import storage
from pipeline.shards import work
from pipeline.state import progress
from tasks.run.processes import run_name

Function = Callable[[str, str, int], int]
"""Makes a shard: given a request (`work.request`), a split and a number, returns its images."""
_LOOK_AGAIN_S = 5.0
"""For how long the listing of a store is taken for new."""


class Engine(Protocol):
    """Has functions carried out somewhere: what it is given and returns are texts and numbers."""

    @property
    def slots(self) -> int:
        """How many it carries out at a time."""

    def submit(self, function: Function, job: str, split: str, shard: int) -> Future[int]:
        """Have a function called with these arguments; return what will hold what it returns."""


def write(job: str, split: str, shard: int) -> int:
    """Write a shard unless it is there, and note how far that is; return its images."""
    of_split = work.works(job)[split]
    out, name, start = of_split.resolved.out, f"{split} {shard}", time.time()
    storage.renew(after_s=_LOOK_AGAIN_S)
    images = of_split.split.shard_sizes()[shard]
    counter = progress.Counter(out, run_name(), "shards", name, images, "images")

    def note(done: int) -> None:
        counter.update(done)

    try:
        made = of_split.make(shard, note)
        of_split.confirm([made])
    finally:
        counter.close()
    if made.outputs:
        timing = progress.Timing("shards", name, start, time.time(), made.images, made.bytes)
        progress.note(out, run_name(), timing)
    return made.images
