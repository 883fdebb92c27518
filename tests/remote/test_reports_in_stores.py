"""``shardmill report`` of an output in a store: the page of a local output, made there."""

from __future__ import annotations

import shutil
from pathlib import Path

import finishedoutputs
import pytest
import shared
from commands import shardmill
from outputs3 import Host, names
from s3bucket import Bucket
from storedoutputs import upload
from support import RawSet

from pipeline.report.survey import survey

pytest_plugins = ["s3stores"]


@pytest.fixture(scope="module")
def of_local(small: RawSet) -> Path:
    """An output of this machine without its report, and beside it one with it."""

    def make(folder: Path) -> None:
        finishedoutputs.prepared(small, folder / "plain")
        shutil.rmtree(folder / "plain/.shardmill/runs")  # those of a store lie on the host
        shutil.copytree(folder / "plain", folder / "out", symlinks=True)
        run = shardmill("report", folder / "out", "--duplicates")
        assert run.returncode == 0, run.stderr

    return shared.once("report-beside-stores", make)


@pytest.fixture
def host(bucket: Bucket, tmp_path: Path) -> Host:
    """A host that reaches the store."""
    return Host(tmp_path / "host", ("--s3-endpoint", bucket.settings.endpoint))


def files(out: Path) -> dict[str, bytes]:
    """Return the files of a local report, but for commands and costs."""
    found = (path for path in (out / "report").rglob("*") if path.is_file())
    return {
        str(path.relative_to(out)): path.read_bytes() for path in found if path.name != "run.html"
    }


def objects(bucket: Bucket) -> dict[str, bytes]:
    """Return the objects of a report in a store that are more than a name."""
    listed = (name for name in names(bucket) if name.startswith("report/"))
    found = {name: bucket.content(name) for name in listed if not name.endswith("/run.html")}
    return {name: content for name, content in found.items() if content}


def test_the_page_of_an_output_in_a_store_has_the_bytes_of_a_local_one(
    bucket: Bucket, host: Host, of_local: Path
) -> None:
    upload(bucket, of_local / "plain")
    run = host.run("report", bucket.folder, "--duplicates")
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1] == f"{bucket.folder}/report/index.html"
    assert objects(bucket) == files(of_local / "out")
    key = (bucket.folder / "report/index.html").key
    head = bucket.plain.head_object(Bucket=bucket.folder.host, Key=key)
    assert head["ContentType"] == "text/html"
    again = host.run("report", bucket.folder, "--duplicates")
    assert "already complete" in again.stdout
    assert host.run("verify", bucket.folder).returncode == 0
    assert "nothing to remove" in host.run("clean", bucket.folder).stdout


def test_a_page_of_another_output_takes_its_place_and_clean_removes_the_first(
    bucket: Bucket, host: Host, of_local: Path
) -> None:
    upload(bucket, of_local / "plain")
    digest = bucket.content("tfrecord/train/current").decode().strip()
    shard = f"tfrecord/train/{digest}/train-00001-of-00004"
    whole = bucket.content(shard)
    bucket.put(shard, content=whole[:-1])
    run = host.run("report", bucket.folder, "--duplicates")
    assert run.returncode == 1
    assert shard in run.stderr
    bucket.put(shard, content=whole)
    assert host.run("report", bucket.folder).returncode == 0
    cleaned = host.run("clean", bucket.folder, "--yes")
    assert "kept of an earlier report" in cleaned.stdout
    digest = survey(of_local / "out").duplicates_digest(4)
    other = {"report/duplicates.html", "report/duplicates.parquet"}
    every = files(of_local / "out").keys() - other
    without = {name for name in every if not name.startswith(f"report/{digest}/")}
    assert objects(bucket).keys() == without
    assert "already complete" in host.run("report", bucket.folder).stdout


def test_a_page_in_a_store_is_not_opened(bucket: Bucket, host: Host, of_local: Path) -> None:
    upload(bucket, of_local / "plain")
    run = host.run("report", bucket.folder, "--open")
    assert run.returncode == 2
    assert "--open hands a file of this machine" in run.stderr
    assert not any(name.startswith("report/") for name in names(bucket))
