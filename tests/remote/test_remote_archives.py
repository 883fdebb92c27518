"""Archives in a store or on a web server are read by ranges, and give the bytes of local ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from nginx import Nginx
from s3bucket import Bucket
from support import RawSet, products, shardmill

pytest_plugins = ("webservers", "s3stores")

FORMATS = ("--format", "tfrecord,recordio,webdataset")
ALL = (*FORMATS, "--export", "parquet", "--with", "validation-boxes")


def prepared(raw: object, config: Path, out: Path, *words: object) -> dict[str, str]:
    """Prepare a set in all formats; return the bytes of what is made."""
    run = shardmill("imagenet", "--raw", raw, "--config", config, "--out", out, *ALL, *words)
    assert run.returncode == 0, run.stderr
    return products(out)


@pytest.fixture(scope="session")
def of_local(sample: RawSet, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is made of archives on a disk."""
    return prepared(sample.raw, sample.config, tmp_path_factory.mktemp("local") / "out")


def uploaded(bucket: Bucket, raw: RawSet) -> str:
    """Put the archives of a set into a bucket; return their address."""
    for path in sorted(raw.raw.iterdir()):
        if path.is_file():
            bucket.put(path.name, content=path.read_bytes())
    return str(bucket.folder)


@pytest.mark.parametrize("workers", [1, 4])
def test_archives_in_s3_give_the_bytes_of_local_ones(
    bucket: Bucket, sample: RawSet, of_local: dict[str, str], out: Path, workers: int
) -> None:
    raw = uploaded(bucket, sample)
    words = ("--s3-endpoint", bucket.settings.endpoint, "--workers", workers)
    assert prepared(raw, sample.config, out, *words) == of_local


@pytest.mark.parametrize("workers", [1, 4])
def test_archives_on_a_web_server_give_the_bytes_of_local_ones(
    nginx: Nginx,
    served: Path,
    sample: RawSet,
    of_local: dict[str, str],
    out: Path,
    workers: int,
) -> None:
    folder = served / "set"
    if not folder.exists():
        folder.symlink_to(sample.raw)
    raw = f"{nginx.url}/set"
    assert prepared(raw, sample.config, out, "--workers", workers) == of_local
