"""Addresses such as ``s3://bucket`` where a path belongs: refused by every command."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from inprocess import shardmill

from pipeline.errors import UsageError
from pipeline.im2rec import im2rec
from pipeline.job.build import build_job, command_words
from pipeline.job.options import PATHS, Job
from pipeline.job.resolve import resolve
from pipeline.storage.local.local_path import check_local
from tasks.cli import cli
from tasks.roots import PrepareImageNet

ADDRESS = "s3://bucket/x"


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with an image's folder and a list in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "img").mkdir()
    (tmp_path / "a.lst").write_text("0\t0\t0.jpg\n")
    return tmp_path


@pytest.mark.parametrize("address", [ADDRESS, "GS://b", "hdfs:///b", "s3a://b/x", " file:///x"])
@pytest.mark.parametrize(
    "words",
    [
        "imagenet --tree {} --out out",
        "imagenet --raw img --config {} --out out",
        "imagenet --raw img --classes {} --out out",
        "imagenet --raw img --data-dir {} --out out",
        "imagelist img --recursive --classes {} --out out",
        "im2rec --list {} img",
        "im2rec --list y {}",
        "im2rec --list y img --recursive --classes {}",
        "im2rec {} img",
        "im2rec a {}",
        "im2rec {} img o.rec",
        "im2rec a.lst {} o.rec",
        "im2rec a.lst img {} unchanged=1",
        "im2rec a.lst img o.rec encoding={}",
        "sample {}",
        "dbcollection-cache {}",
        "dbcollection-cache img --home {}",
    ],
)
def test_every_command_refuses_an_address(words: str, address: str, work: Path) -> None:
    before = sorted(work.rglob("*"))
    arguments = [word.format(address) for word in words.split()]
    run = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert isinstance(run.exception, UsageError), run.output
    assert address in str(run.exception)
    assert sorted(work.rglob("*")) == before


@pytest.mark.parametrize(
    "address", ["GS://b/x", "hdfs:///b", "s3a://b/x", "s3://b", "s3:/b/x", "https://host/x"]
)
@pytest.mark.parametrize("words", ["status {}", "verify {}", "clean {} --yes", "where {} train"])
def test_no_output_lies_at_an_address_that_cannot_be(words: str, address: str, work: Path) -> None:
    before = sorted(work.rglob("*"))
    arguments = [word.format(address) for word in words.split()]
    run = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert isinstance(run.exception, UsageError), run.output
    assert address in str(run.exception)
    assert sorted(work.rglob("*")) == before


@pytest.mark.parametrize("address", ["GS://b/x", "hdfs:///b", "s3://b", "s3://b/../x", "https://"])
@pytest.mark.parametrize(
    ("words", "flag"),
    [
        ("imagenet --raw {} --out out", "--raw"),
        ("imagelist {} --out out", "LIST_OR_FOLDER"),
        ("imagelist a.lst --root {} --out out", "--root"),
    ],
)
def test_inputs_lie_at_no_address_that_cannot_be(
    words: str, flag: str, address: str, work: Path
) -> None:
    given = [word.format(address) for word in words.split()]
    run = CliRunner().invoke(cli, given, standalone_mode=False)
    assert isinstance(run.exception, UsageError), run.output
    assert flag in str(run.exception)
    assert sorted(work.rglob("*")) == [work / "a.lst", work / "img"]


@pytest.mark.parametrize("address", ["GS://b/x", "hdfs:///b", "s3://b", "s3://b/../x", "https://"])
def test_roots_of_luigi_read_from_no_address_that_cannot_be(address: str, work: Path) -> None:
    given = {"raw": address, "out": "out"}
    with pytest.raises(UsageError, match="--raw"):
        _ = PrepareImageNet(**given).job
    assert sorted(work.rglob("*")) == [work / "a.lst", work / "img"]


@pytest.mark.parametrize("address", ["GS://b/x", "s3://b", "s3://b/../x", "https://host/out"])
@pytest.mark.parametrize("words", ["imagenet --raw img", "imagelist img"])
def test_an_output_lies_at_no_address_that_cannot_be(
    words: str, address: str, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = shardmill(monkeypatch, *words.split(), "--out", address)
    assert ran.status == UsageError.exit_status, ran.said
    assert "--out" in ran.said
    assert address in ran.said
    assert sorted(work.rglob("*")) == [work / "a.lst", work / "img"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("imagenet --raw img --extract", "--extract"),
        ("imagelist img --recursive --until extract", "--extract"),
        ("imagenet --raw img --export imagefolder", "--export imagefolder"),
        ("imagenet --raw img --export dbcollection", "--export dbcollection"),
        ("imagenet --raw img --export raw256", "--export raw256"),
    ],
)
def test_what_cannot_lie_in_a_store_is_refused_before_it_is_asked(
    words: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = shardmill(monkeypatch, *words.split(), "--out", ADDRESS)
    assert ran.status == UsageError.exit_status, ran.said
    assert f"shardmill: {ADDRESS}: {reason}" in ran.said
    assert "--out" in ran.said


def test_a_job_writes_to_an_address_as_it_was_given() -> None:
    job = build_job("imagenet", {"raw": "img", "out": f"{ADDRESS}/"})
    assert job.out == ADDRESS
    assert str(job.folder) == ADDRESS
    assert Job.from_json(job.to_json()) == job
    words = command_words(job)
    assert words is not None
    assert words[4:6] == ["--out", ADDRESS]


def test_a_job_reads_archives_at_an_address_as_it_was_given() -> None:
    given = {"raw": f"{ADDRESS}/", "out": "out", "s3_endpoint": "http://127.0.0.1:9"}
    job = build_job("imagenet", given)
    assert job.raw == ADDRESS
    assert Job.from_json(job.to_json()) == job
    words = command_words(job)
    assert words is not None
    assert words[2:6] == ["--raw", ADDRESS, "--out", str(Path("out").absolute())]
    assert words[-2:] == ["--s3-endpoint", "http://127.0.0.1:9"]


def test_a_printed_command_holds_no_folder_that_a_host_has_chosen_for_copies() -> None:
    job = build_job("imagenet", {"raw": ADDRESS, "out": "out", "stage": "/copies"})
    named = command_words(job)
    chosen = command_words(replace(job, remote=replace(job.remote, chosen=True)))
    assert named is not None
    assert chosen is not None
    assert "--stage" in named
    assert "--stage" not in chosen


@pytest.mark.parametrize("name", sorted(PATHS))
def test_roots_of_luigi_refuse_an_address(name: str) -> None:
    given = {"raw": "img", "out": "out"} | {name: ADDRESS}
    with pytest.raises(UsageError, match="an address"):
        PrepareImageNet(**given).requires()


@pytest.mark.parametrize("name", PATHS)
def test_a_job_with_an_address_is_not_resolved(name: str) -> None:
    given = {"raw": "/raw", "out": "/out", "config": "/c.toml"} | {name: ADDRESS}
    with pytest.raises(UsageError, match=f"--{name}".replace("_", "-")):
        resolve(Job(**given))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [str, Path])
@pytest.mark.parametrize("name", ["list_file", "output_path", "root"])
def test_the_function_refuses_an_address(name: str, kind: type, work: Path) -> None:
    given = {"list_file": "a.lst", "output_path": "o", "root": "img"} | {name: kind(ADDRESS)}
    with pytest.raises(UsageError, match=name):
        im2rec(**given)
    assert not (work / "s3:").exists()
    assert not (work / "o").exists()


@pytest.mark.parametrize("path", ["a:b/c", "./s3://x", "/mnt/s3:/x", "dir/s3://x", Path("/s3:/x")])
def test_local_paths_with_colons_are_paths(path: str | Path) -> None:
    check_local(path, "--out")
