"""The real mini set: the same bytes from and to a store, a web server and a disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from nginx import Nginx
from outputs3 import ALL, Host, imagenet, names, remove, stored
from s3bucket import Bucket
from support import RawSet, products, shardmill

pytest_plugins = ("webservers", "s3stores")


@pytest.fixture(scope="module")
def of_local(mini: RawSet, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is made in a local folder of local archives."""
    out = tmp_path_factory.mktemp("local") / "out"
    run = shardmill("imagenet", "--raw", mini.raw, "--config", mini.config, "--out", out, *ALL)
    assert run.returncode == 0, run.stderr
    return products(out)


@pytest.fixture
def raw(bucket: Bucket, mini: RawSet) -> Iterator[str]:
    """The address of the archives, in the bucket of the output."""
    folder = bucket.folder.with_name("mini")
    archives = [path for path in sorted(mini.raw.iterdir()) if path.is_file()]
    for path in archives:
        place = folder / path.name
        bucket.plain.put_object(Bucket=place.host, Key=place.key, Body=path.read_bytes())
    yield str(folder)
    for path in archives:
        place = folder / path.name
        bucket.plain.delete_object(Bucket=place.host, Key=place.key)


@pytest.mark.parametrize("workers", [1, 4])
def test_from_a_store_to_it(
    raw: str,
    bucket: Bucket,
    mini: RawSet,
    of_local: dict[str, str],
    tmp_path: Path,
    workers: int,
) -> None:
    host = Host(tmp_path / "host", ("--s3-endpoint", bucket.settings.endpoint))
    how = ("--workers", workers, "--stage", "none" if workers == 1 else tmp_path / "stage")
    run = host.run(*imagenet(raw, mini, bucket, *how))
    assert run.returncode == 0, run.stderr
    assert stored(bucket) == of_local
    checked = host.run("verify", bucket.folder, "--against", raw)
    assert checked.returncode == 0, checked.stderr


def test_from_a_store_to_a_disk(
    raw: str, bucket: Bucket, mini: RawSet, of_local: dict[str, str], tmp_path: Path
) -> None:
    out, host = tmp_path / "out", Host(tmp_path, ("--s3-endpoint", bucket.settings.endpoint))
    place = ("--raw", raw, "--config", mini.config, "--out", out)
    run = host.run("imagenet", *place, *ALL, "--workers", 2)
    assert run.returncode == 0, run.stderr
    assert products(out) == of_local


def test_from_a_disk_and_from_a_web_server(
    bucket: Bucket,
    mini: RawSet,
    of_local: dict[str, str],
    nginx: Nginx,
    served: Path,
    tmp_path: Path,
) -> None:
    if bucket.server.name != "seaweedfs":
        pytest.skip("tried with one of the stores")
    link = served / "mini"
    if not link.exists():
        link.symlink_to(mini.raw)
    host = Host(tmp_path / "host", ("--s3-endpoint", bucket.settings.endpoint))
    for place in (mini.raw, f"{nginx.url}/mini"):
        run = host.run(*imagenet(place, mini, bucket, "--workers", 2))
        assert run.returncode == 0, run.stderr
        assert stored(bucket) == of_local
        remove(bucket, *names(bucket))
