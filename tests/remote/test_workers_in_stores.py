"""``shardmill worker`` on another host than the command whose output lies in a store."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from daemons import Luigid
from drawnlists import draw_list
from faultproxy import FaultProxy, rule
from outputs3 import Host, names, stored
from s3bucket import Bucket
from s3servers import S3Server
from support import products, shardmill

pytest_plugins = ("s3stores",)

SHARD = r"^PUT .*/tfrecord/images/[0-9a-f]+/images-"


@pytest.fixture(scope="session")
def s3_proxy(s3_server: S3Server) -> Iterator[FaultProxy]:
    with FaultProxy(s3_server.endpoint) as proxy:
        yield proxy


@pytest.mark.usefixtures("hurried")
def test_a_worker_of_another_host_writes_shards_of_an_output_in_a_store(
    bucket: Bucket, s3_proxy: FaultProxy, tmp_path: Path
) -> None:
    """The first shard of the command is late, so that its worker writes others meanwhile."""
    if bucket.server.name == "rclone":
        pytest.skip("tried with one of the stores")
    listed, out = draw_list(tmp_path / "drawn", images=12), tmp_path / "out"
    words = ("imagelist", listed.path, "--root", listed.root, "--shards", 6, "--workers", 1)
    first = Host(tmp_path / "first", ("--s3-endpoint", s3_proxy.url))
    second = Host(tmp_path / "second", ("--s3-endpoint", bucket.settings.endpoint))
    s3_proxy.follow(rule("delay", SHARD, seconds=0.1, times=1))
    with Luigid(tmp_path) as luigid:
        at = ("--scheduler-host", luigid.address)
        with first.start(*words, "--out", bucket.folder, *at) as command:
            while not any(each.fault for each in s3_proxy.passed()):
                assert command.poll() is None
                time.sleep(0.05)
            with s3_proxy.held():
                worker = second.start("worker", "--for", bucket.folder, "--workers", 1, *at)
                marks = re.compile(r"\.shardmill/shards/[0-9a-f]+/\d+\.json")
                while not any(map(marks.fullmatch, names(bucket))):
                    assert worker.poll() is None
                    time.sleep(0.1)
            _, said = command.communicate(timeout=120)
            assert command.returncode == 0, said.decode()
        _, helped = worker.communicate(timeout=120)
    assert worker.returncode == 0, helped.decode()
    assert shardmill(*words, "--out", out).returncode == 0
    assert stored(bucket) == products(out)
    cleaned = second.run("clean", bucket.folder, "--yes")
    assert cleaned.returncode == 0, cleaned.stderr
    assert [name for name in names(bucket) if name.startswith(".shardmill/leases")] == []
