"""Shards that are kept when images are appended are copied by the store, where it copies parts."""

from __future__ import annotations

from pathlib import Path

from drawnlists import ALL_FORMATS, draw_list, encoded, lay
from outputs3 import Host, stored
from s3bucket import Bucket
from support import products

from pipeline.formats.registry import FORMATS

pytest_plugins = ("s3stores",)

WORDS = (*ALL_FORMATS, "--shards", 4, "--append")


def test_what_is_appended_there_is_what_a_local_command_appends(
    bucket: Bucket, tmp_path: Path
) -> None:
    drawn = draw_list(tmp_path / "drawn")
    host = Host(tmp_path / "host", ("--s3-endpoint", bucket.settings.endpoint))
    where = ("imagelist", drawn.path, "--root", drawn.root, "--out", bucket.folder)
    for number in range(3):
        if number:
            image = lay(drawn.root / f"{number}.jpg", encoded(70 + number))
            drawn.add(f"50{number}\t3.000000\t{image}")
        run = host.run(*where, *WORDS)
        assert run.returncode == 0, run.stderr
        kept, again = (0, 3 + number) if bucket.server.name == "rclone" else (3 + number, 0)
        said = run.stdout.count(f"{kept} shards kept, {again} written again, 1 new")
        assert said == (len(FORMATS) if number else 0)
        assert drawn.prepare(tmp_path / "out", *WORDS).returncode == 0
    assert products(tmp_path / "out") == stored(bucket)
    cleaned = host.run("clean", bucket.folder, "--yes")
    assert cleaned.returncode == 0, cleaned.stderr
    verified = host.run("verify", bucket.folder)
    assert verified.returncode == 0, verified.stderr
