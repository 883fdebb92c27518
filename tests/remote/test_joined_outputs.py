"""One file of all shards in a bucket, with the bytes of a local one."""

from __future__ import annotations

import hashlib
from pathlib import Path

from outputs3 import Host
from s3bucket import Bucket
from support import RawSet, shardmill

pytest_plugins = ("s3stores",)


def test_it_has_the_bytes_of_a_local_one(bucket: Bucket, sample: RawSet, tmp_path: Path) -> None:
    words = (
        *("--raw", sample.raw, "--config", sample.config, "--split", "train", "--no-boxes"),
        *("--format", "recordio", "--joined", "--shards", "train=2"),
    )
    local = shardmill("imagenet", *words, "--out", tmp_path / "out")
    assert local.returncode == 0, local.stderr
    host = Host(tmp_path / "host", ("--s3-endpoint", bucket.settings.endpoint))
    run = host.run("imagenet", *words, "--out", bucket.folder)
    assert run.returncode == 0, run.stderr
    ends = (".rec", ".idx", ".lst")
    files = [
        path
        for path in (tmp_path / "out" / "recordio").rglob("train.*")
        if path.suffix in ends and not any(each.is_symlink() for each in path.parents)
    ]
    assert len(files) == 3
    for path in files:
        stored = bucket.content(str(path.relative_to(tmp_path / "out")))
        assert hashlib.md5(stored).digest() == hashlib.md5(path.read_bytes()).digest(), path
    verified = host.run("verify", bucket.folder)
    assert verified.returncode == 0, verified.stderr
