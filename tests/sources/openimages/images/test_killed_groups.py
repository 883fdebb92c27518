"""Processes that are killed while they collect images: nothing that has come is sent again."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from imagegroups import SELECTION, SPLIT, Collecting, fill, hurried, ids, jpeg
from openimagesbucket import Bucket, Handler, serve

IDS = ids(60)
IN_FLIGHT = 4
KILLS = 3
COLLECT = f"""
import sys
from pathlib import Path
from pipeline import storage
from pipeline.sources.openimages.images.image_files import Asking, ImageGroup, collect
bucket = storage.parse(sys.argv[2], whole_bucket=True)
asking = Asking(bucket, "{SPLIT}/{{id}}.jpg", {IN_FLIGHT})
collect(ImageGroup(Path(sys.argv[1]), "{SPLIT}", "{SELECTION}", 0), asking)
"""


@pytest.fixture
def collecting(tmp_path: Path) -> Iterator[Collecting]:
    fill(tmp_path / "bucket", IDS)
    with hurried(), Bucket(tmp_path / "bucket") as bucket:
        yield Collecting(tmp_path / "out", bucket)


def test_killed_anywhere_it_goes_on_and_only_what_was_in_flight_is_sent_again(
    collecting: Collecting,
) -> None:
    group, bucket, chance = collecting.select(IDS), collecting.bucket, random.Random(7)
    for _ in range(KILLS):
        begun = list[subprocess.Popen[bytes]]()

        def kill(handler: Handler, begun: list[subprocess.Popen[bytes]] = begun) -> None:
            begun[0].send_signal(signal.SIGKILL)
            serve(handler)

        bucket.rule(SPLIT, kill, times=1, skip=chance.randrange(1, len(IDS)))
        words = [sys.executable, "-c", COLLECT, str(collecting.out), bucket.images]
        with subprocess.Popen(words) as process:
            begun.append(process)
        assert process.returncode == -signal.SIGKILL
        assert not group.mark.exists()
    files = sorted(path.name for path in collecting.image(IDS[0]).parent.glob("*.jpg"))
    assert 0 < len(files) < len(IDS)
    collecting.collect(group)
    assert all(collecting.image(each).read_bytes() == jpeg(int(each, 16)) for each in IDS)
    bodies = dict.fromkeys(IDS, 0)
    for seen in bucket.requests():
        bodies[Path(seen.path).stem] += seen.sent > 0
    again = [count - 1 for count in bodies.values() if count > 1]
    assert sum(again) <= KILLS * IN_FLIGHT
