"""How little a store is asked of an output of many shards, of which half is there."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import signal
import tarfile
import time
from pathlib import Path

import pytest
from drawnlists import encoded
from faultproxy import FaultProxy, rule
from outputs3 import Host
from s3bucket import Bucket
from s3servers import S3Server
from support import ROOT, shardmill

pytest_plugins = ("s3stores",)

SHARDS = 1152
MARK = re.compile(r"\.shardmill/shards/[0-9a-f]{12}/\d{5}\.json")
OF_ONE = re.compile(r"\.shardmill/shards/[0-9a-f]{12}/(\d{5})|-(\d{5})-of-")
"""The number of the shard that a file is of, by its name."""
PUT_OF_A_SHARD = re.compile(rf"PUT \S*-of-{SHARDS:05}")
CLASSES = ("n01440764", "n01443537", "n01484850")
CONFIG = """dataset = "small"
[labels]
table = "synsets.tsv"
[archives.train]
file = "train.tar"
url = "-"
bytes = {bytes}
md5 = "{md5}"
[splits.train]
archive = "train"
layout = "class-tars"
counts = "counts.tsv"
shards = 1
"""
_PATIENCE_S = 120.0


def tar(files: dict[str, bytes]) -> bytes:
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return memory.getvalue()


def lay_out(raw: Path) -> Path:
    """Write an archive of as many images as there are shards; return the configuration."""
    raw.mkdir()
    image, each = encoded(), SHARDS // len(CLASSES)
    images = {wnid: {f"{wnid}_{number}.JPEG": image for number in range(each)} for wnid in CLASSES}
    archive = tar({f"{wnid}.tar": tar(files) for wnid, files in images.items()})
    (raw / "train.tar").write_bytes(archive)
    shutil.copy(ROOT / "config/ilsvrc2012/synsets.tsv", raw)
    (raw / "counts.tsv").write_text("".join(f"{wnid}\t{each}\n" for wnid in CLASSES))
    config = raw / "small.toml"
    config.write_text(CONFIG.format(bytes=len(archive), md5=hashlib.md5(archive).hexdigest()))
    return config


def half(out: Path) -> list[Path]:
    """Return the files of an output whose command was killed with half of its shards written."""
    files = []
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        name = path.relative_to(out).as_posix()
        of_one = OF_ONE.search(name)
        if of_one is not None and int(of_one[1] or of_one[2]) >= SHARDS // 2:
            continue
        if not name.startswith(".shardmill/runs/") and path.name not in {
            "manifest.json",
            "current",
        }:
            files.append(path)
    return files


def test_each_mark_is_read_once_and_the_rest_is_listed(
    bucket: Bucket, s3_server: S3Server, tmp_path: Path
) -> None:
    if s3_server.name != "seaweedfs":
        pytest.skip("tried with one of the stores")
    raw, out = tmp_path / "raw", tmp_path / "out"
    words = (
        *("imagenet", "--raw", raw, "--config", lay_out(raw), "--shards", f"train={SHARDS}"),
        *("--no-boxes", "--workers", 2),
    )
    run = shardmill(*words, "--out", out)
    assert run.returncode == 0, run.stderr
    files = half(out)
    assert sum(MARK.search(str(path)) is not None for path in files) == SHARDS // 2
    for path in files:
        bucket.put(path.relative_to(out).as_posix(), content=path.read_bytes())

    with FaultProxy(s3_server.endpoint) as proxy:
        proxy.follow(rule("delay", PUT_OF_A_SHARD.pattern, seconds=5))
        host = Host(tmp_path / "host", ("--s3-endpoint", proxy.url))
        with host.start(*words, "--out", bucket.folder) as command:
            end = time.monotonic() + _PATIENCE_S
            while not any(PUT_OF_A_SHARD.match(each.request) for each in proxy.passed("PUT")):
                if command.poll() is not None or time.monotonic() > end:
                    break
                time.sleep(0.2)
            command.send_signal(signal.SIGTERM)
        requests = [each.request for each in proxy.passed()]
    first = next(at for at, each in enumerate(requests) if PUT_OF_A_SHARD.match(each))
    before = requests[:first]
    assert sum("list-type=2" in each for each in before) <= 20
    assert sum(MARK.search(each) is not None for each in before) <= SHARDS // 2
    assert sum(each.startswith("HEAD") for each in before) <= 20
