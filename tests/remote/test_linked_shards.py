"""Shards that an earlier output in a bucket has are copied by the store, where it copies parts."""

from __future__ import annotations

from pathlib import Path

from drawnlists import ALL_FORMATS, draw_list, encoded, lay
from outputs3 import Host, stored
from s3bucket import Bucket
from support import products, shardmill

pytest_plugins = ("s3stores",)

FORMATS = ALL_FORMATS.count("--format")
WORDS = (*ALL_FORMATS, "--order", "list", "--shards", 4)


def test_what_lies_there_is_what_a_local_command_makes(bucket: Bucket, tmp_path: Path) -> None:
    drawn = draw_list(tmp_path / "drawn")
    host = Host(tmp_path / "host", ("--s3-endpoint", bucket.settings.endpoint))
    where = ("imagelist", drawn.path, "--root", drawn.root, "--out", bucket.folder)
    first = host.run(*where, *WORDS)
    assert first.returncode == 0, first.stderr
    drawn.add(f"500\t3.000000\t{lay(tmp_path / 'new.jpg', encoded(77))}")
    foreseen = host.run(*where, *WORDS, "--dry-run")
    assert foreseen.stdout.count("of 4 shards, 3 would be linked") == FORMATS, foreseen.stderr
    again = host.run(*where, *WORDS)
    assert again.returncode == 0, again.stderr
    copies = bucket.server.name != "rclone"  # which writes all of them anew
    linked = "3 of 4 shards linked to an earlier output"
    assert again.stdout.count(linked) == (FORMATS if copies else 0)
    assert drawn.prepare(tmp_path / "out", *WORDS).returncode == 0
    assert products(tmp_path / "out").items() <= stored(bucket).items()
    cleaned = host.run("clean", bucket.folder, "--yes")
    assert cleaned.returncode == 0, cleaned.stderr
    assert products(tmp_path / "out") == stored(bucket)
    verified = host.run("verify", bucket.folder)
    assert verified.returncode == 0, verified.stderr
    assert shardmill("verify", tmp_path / "out").returncode == 0
