"""How ``shardmill openimages-download`` goes through a list, what it shows, and its status."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pipeline import storage
from pipeline.job.table.openimages_download import STORE_FIELDS
from pipeline.plaintext import Lines as TextLines
from pipeline.quantities import counted, size
from pipeline.sources.openimages import config, places, text_lists
from pipeline.sources.openimages.images.download import Download, Downloaded, download
from pipeline.sources.openimages.images.image_rows import FAILED, FETCHED, KEPT
from tasks.cli.bars import Bar, Rates
from tasks.cli.display import showing
from tasks.cli.saying import say

_COMPLETE, _INCOMPLETE, _LEFT_OUT = 0, 1, 4
_SHOWN: Final = 10
_NAME: Final = "images"


def download_all(given: Mapping[str, Any]) -> int:
    """Download the list that a command is given; return the exit status."""
    storage.use(storage.RemoteOptions(**{name: given[name] for name in STORE_FIELDS}))
    asked = _asked(given)
    with _progress(asked.images) as tell:
        done = download(asked, tell)
    _report(asked, done)
    if done.outcomes[FAILED]:
        return _INCOMPLETE
    return _LEFT_OUT if any(done.missing.values()) else _COMPLETE


def _asked(given: Mapping[str, Any]) -> Download:
    """Read the list; nothing is asked for before all of it is right."""
    shipped = config.load()
    listed = text_lists.images(Path(given["list"]))
    known = shipped.splits
    keys = {
        split: known[split].key if split in known else f"{split}/{{id}}.jpg" for split in listed
    }
    bucket = given["bucket"] or shipped.bucket
    return Download(
        listed,
        Path(given["download_folder"]),
        storage.parse(bucket, "--bucket", whole_bucket=True),
        keys,
        given["num_processes"],
        given["tries"],
        given["check_pixels"],
    )


def _report(asked: Download, done: Downloaded) -> None:
    """Say what came, and what did not."""
    there = done.outcomes[FETCHED] + done.outcomes[KEPT]
    fetched = f"{done.outcomes[FETCHED]:,} fetched ({size(done.received)})"
    say(f"{asked.folder}: {there:,} of {counted(asked.images, 'image')}; {fetched}")
    missing = {split: rows for split, rows in done.missing.items() if rows}
    for split, rows in missing.items():
        lines = [f"  {row.image_id}: {row.outcome}: {row.detail}" for row in rows[:_SHOWN]]
        more = [f"  and {len(rows) - _SHOWN:,} more"] if len(rows) > _SHOWN else []
        head = f"{split}: {counted(len(rows), 'image')} not there"
        say(TextLines.of([head, *lines, *more]), err=True)
        say(
            f"named in {places.failures(asked.folder, split)}, with addresses and answers", err=True
        )
    if done.outcomes[FAILED]:
        say("run the same command again: it asks for what is missing alone", err=True)


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Callable[[str, int], None]]:
    """Give a function to tell what came of an image; it shows how far all are, now and then."""
    rates, done, received = Rates(), 0, 0

    def bars(now: float) -> list[Bar]:
        rate, byte_rate = rates.rate(_NAME, now, done), rates.rate("bytes", now, received)
        return [Bar(_NAME, done, total, "images", received, rate, byte_rate)]

    rates.rate(_NAME, time.monotonic(), 0)
    with showing(bars) as show:

        def tell(_outcome: str, count: int) -> None:
            nonlocal done, received
            done, received = done + 1, received + count
            show()

        yield tell
