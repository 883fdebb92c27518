"""Two hosts on one output in a store, which has no locks, while images are replaced."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from drawnlists import ListedSet, draw_list
from faultproxy import FaultProxy, rule
from outputs3 import Host, stored
from s3bucket import Bucket
from s3servers import S3Server
from support import products, shardmill

pytest_plugins = ("s3stores",)

FORMATS = ("--format", "recordio,tfrecord", "--joined")
SHARD = r"^PUT .*/tfrecord/images/[0-9a-f]+/images-00000-of-"
MARK = r"^PUT .*/\.shardmill/shards/[0-9a-f]+/00000\.json"
MANIFEST = r"^PUT .*/tfrecord/images/[0-9a-f]+/manifest\.json"


@pytest.fixture(scope="session")
def s3_proxy(s3_server: S3Server) -> Iterator[FaultProxy]:
    with FaultProxy(s3_server.endpoint) as proxy:
        yield proxy


def replace(listed: ListedSet) -> None:
    """Put another image of as many bytes in the place of each JPEG."""
    for name in filter(lambda each: ".jp" in each, listed.names):
        content = bytearray((listed.root / name).read_bytes())
        content[-20] ^= 1
        other = listed.root / "other"
        other.write_bytes(content)
        other.replace(listed.root / name)


@pytest.mark.parametrize("waits", [SHARD, MARK, MANIFEST], ids=["shard", "mark", "manifest"])
def test_what_comes_late_of_other_images_is_never_called_complete(
    waits: str,
    bucket: Bucket,
    s3_proxy: FaultProxy,
    tmp_path: Path,
) -> None:
    if bucket.server.name == "rclone" and waits != SHARD:
        pytest.skip("tried with one of the stores")
    listed, out = draw_list(tmp_path / "drawn", images=8), tmp_path / "out"
    place = (listed.path, "--root", listed.root)
    words = ("imagelist", *place, "--shards", 2, *FORMATS, "--workers", 1)
    slow = Host(tmp_path / "slow", ("--s3-endpoint", s3_proxy.url))
    quick = Host(tmp_path / "quick", ("--s3-endpoint", bucket.settings.endpoint))
    s3_proxy.follow(rule("delay", waits, seconds=4, times=1))
    with slow.start(*words, "--out", bucket.folder) as run:
        while not any(each.fault for each in s3_proxy.passed()):
            assert run.poll() is None
            time.sleep(0.05)
        with s3_proxy.held():
            replace(listed)
            other = quick.run(*words, "--out", bucket.folder)
            assert other.returncode == 0, other.stderr
            of_quick = stored(bucket)
        _, said = run.communicate(timeout=120)
    assert shardmill(*words, "--out", out).returncode == 0
    assert of_quick == products(out)
    assert b"Traceback" not in said
    assert run.returncode in {0, 1}, said.decode()
    if run.returncode == 0:  # it was tried again
        assert stored(bucket) == of_quick
    else:
        assert b"another command with other inputs" in said
        assert quick.run("status", bucket.folder).returncode == 1
    again = quick.run(*words, "--out", bucket.folder)
    assert again.returncode == 0, again.stderr
    assert stored(bucket) == products(out)
    verified = quick.run("verify", bucket.folder)
    assert verified.returncode == 0, verified.stdout
