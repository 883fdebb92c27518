"""Archives that are copied to this host: transferred once, verified on the way, read there."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from faultproxy import FaultProxy, rule
from s3bucket import Bucket
from support import RawSet, command, products, shardmill

pytest_plugins = ("webservers", "s3stores")

FORMATS = ("--format", "tfrecord,recordio,webdataset")
ALL = (*FORMATS, "--export", "parquet", "--with", "validation-boxes")
TRAIN = "ILSVRC2012_img_train.tar"
HEAD = 64 << 10
"""More than what is asked for to see whether a server has an archive at all."""


@pytest.fixture(scope="session")
def of_local(sample: RawSet, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is made of archives on a disk."""
    out = tmp_path_factory.mktemp("local") / "out"
    words = ("--raw", sample.raw, "--config", sample.config, "--out", out, *ALL)
    assert shardmill("imagenet", *words).returncode == 0
    return products(out)


@pytest.fixture
def raw(web_proxy: FaultProxy, served: Path, sample: RawSet) -> str:
    """The address of the sample, by the proxy; nothing is spoiled yet."""
    if not (served / "set").exists():
        (served / "set").symlink_to(sample.raw)
    web_proxy.follow()
    return f"{web_proxy.url}/set"


@pytest.fixture
def stage(tmp_path: Path) -> Path:
    return tmp_path / "stage"


def words(raw: object, sample: RawSet, out: object, *more: object) -> Sequence[object]:
    return ("imagenet", "--raw", raw, "--config", sample.config, "--out", out, *ALL, *more)


def prepared(*given: object) -> str:
    """Prepare a set; return what was said."""
    run = shardmill(*given)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def transferred(proxy: FaultProxy, name: str) -> int:
    """Return how many bytes of a file went through the proxy."""
    return sum(each.sent for each in proxy.passed(name) if each.request.startswith("GET"))


def archives(sample: RawSet) -> list[Path]:
    names = sample.config.read_text()
    return [path for path in sorted(sample.raw.iterdir()) if f'"{path.name}"' in names]


@pytest.mark.parametrize("workers", [1, 4])
def test_each_archive_is_transferred_once_and_then_read_here(
    raw: str,
    web_proxy: FaultProxy,
    sample: RawSet,
    of_local: dict[str, str],
    out: Path,
    stage: Path,
    workers: int,
) -> None:
    said = prepared(*words(raw, sample, out, "--stage", stage, "--workers", workers))
    assert f"are read from copies in {stage}" in said
    assert products(out) == of_local
    staged = [path for path in archives(sample) if (stage / path.name).exists()]
    assert TRAIN in [path.name for path in staged]
    for path in staged:
        assert (stage / path.name).read_bytes() == path.read_bytes()
        assert 0 <= transferred(web_proxy, path.name) - path.stat().st_size <= HEAD
    web_proxy.follow(rule("answer", status=503))
    assert shardmill("verify", out, "--against", stage).returncode == 0
    other = out.with_name("other")
    prepared(*words(raw, sample, other, "--stage", stage))
    assert products(other) == of_local
    assert not web_proxy.passed()


def test_archives_of_a_store_are_copied(
    bucket: Bucket, sample: RawSet, of_local: dict[str, str], out: Path, stage: Path
) -> None:
    for path in archives(sample):
        bucket.put(path.name, content=path.read_bytes())
    store = ("--s3-endpoint", bucket.settings.endpoint)
    prepared(*words(bucket.folder, sample, out, "--stage", stage, *store))
    assert products(out) == of_local
    assert (stage / TRAIN).exists()


@pytest.mark.parametrize("damage", ["changed", "cut", "gone"])
def test_a_copy_that_is_not_what_it_was_is_fetched_again(
    raw: str,
    web_proxy: FaultProxy,
    sample: RawSet,
    of_local: dict[str, str],
    out: Path,
    stage: Path,
    damage: str,
) -> None:
    where = ("imagenet", "--raw", raw, "--config", sample.config, "--out", out, "--stage", stage)
    prepared(*where, "--until", "verify")
    copy = stage / TRAIN
    content = bytearray(copy.read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "gone":
        copy.unlink()
    else:
        copy.write_bytes(content if damage == "changed" else content[:-512])
        os.utime(copy, ns=(1, 1))
    web_proxy.follow()
    prepared(*where, *ALL)
    assert products(out) == of_local
    assert copy.read_bytes() == (sample.raw / TRAIN).read_bytes()
    size = copy.stat().st_size
    assert 0 <= transferred(web_proxy, TRAIN) - size <= HEAD
    assert transferred(web_proxy, "img_val") == 0


def damage_unseen(path: Path, offset: int | None = None) -> None:
    """Flip a bit of a file, which keeps its size, its time and its inode."""
    looked = path.stat()
    with path.open("r+b") as file:
        offset = looked.st_size // 2 if offset is None else offset
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))
    os.utime(path, ns=(looked.st_atime_ns, looked.st_mtime_ns))


@pytest.mark.parametrize(("verified", "offset"), [(True, None), (False, None), (False, 0)])
def test_a_copy_that_went_bad_unseen_is_fetched_again(
    raw: str,
    web_proxy: FaultProxy,
    sample: RawSet,
    of_local: dict[str, str],
    out: Path,
    stage: Path,
    verified: bool,
    offset: int | None,
) -> None:
    where = ("imagenet", "--raw", raw, "--config", sample.config, "--stage", stage)
    first = out if verified else out.with_name("first")
    prepared(*where, "--out", first, "--until", "verify")
    damage_unseen(stage / TRAIN, offset)
    web_proxy.follow()
    prepared(*where, "--out", out, *ALL)
    assert products(out) == of_local
    assert (stage / TRAIN).read_bytes() == (sample.raw / TRAIN).read_bytes()
    assert transferred(web_proxy, "img_val") == 0


def test_a_file_of_somebody_else_that_went_bad_stays(
    raw: str, sample: RawSet, out: Path, stage: Path
) -> None:
    stage.mkdir()
    shutil.copy2(sample.raw / TRAIN, stage)
    where = ("imagenet", "--raw", raw, "--config", sample.config, "--stage", stage)
    prepared(*where, "--out", out.with_name("first"), "--until", "verify")
    damage_unseen(stage / TRAIN)
    damaged = (stage / TRAIN).read_bytes()
    run = shardmill(*where, "--out", out, *ALL)
    assert run.returncode == 3, run.stderr
    assert str(stage / TRAIN) in run.stderr
    assert (stage / TRAIN).read_bytes() == damaged


def test_what_was_there_of_a_copy_is_gone_on_with(
    raw: str,
    web_proxy: FaultProxy,
    sample: RawSet,
    of_local: dict[str, str],
    out: Path,
    stage: Path,
) -> None:
    web_proxy.follow(rule("delay", TRAIN + r".* bytes=[1-9]", seconds=600))
    given = words(raw, sample, out, "--stage", stage)
    with subprocess.Popen(command(*given), start_new_session=True) as run:
        while not list(stage.glob(f".{TRAIN}.*.parts")):
            assert run.poll() is None
            time.sleep(0.01)
        os.killpg(run.pid, signal.SIGKILL)
    assert not (stage / TRAIN).exists()
    web_proxy.follow()
    prepared(*given)
    assert products(out) == of_local
    assert not list(stage.glob("*.tmp")) + list(stage.glob(".*.parts"))


def test_what_somebody_has_put_there_is_read_and_never_removed(
    raw: str, web_proxy: FaultProxy, sample: RawSet, out: Path, stage: Path
) -> None:
    stage.mkdir()
    (stage / TRAIN).write_bytes(b"not a tar")
    run = shardmill(*words(raw, sample, out, "--stage", stage))
    assert run.returncode == 3, run.stderr
    assert str(stage / TRAIN) in run.stderr
    assert (stage / TRAIN).read_bytes() == b"not a tar"
    (stage / TRAIN).write_bytes((sample.raw / TRAIN).read_bytes())
    web_proxy.follow()
    prepared(*words(raw, sample, out, "--stage", stage))
    assert transferred(web_proxy, TRAIN) == 0


def test_two_commands_share_one_stage_folder(
    raw: str,
    web_proxy: FaultProxy,
    sample: RawSet,
    of_local: dict[str, str],
    tmp_path: Path,
    stage: Path,
) -> None:
    web_proxy.follow(rule("delay", r"\.tar", seconds=0.3))
    outs = [tmp_path / "a", tmp_path / "b"]
    runs = [subprocess.Popen(command(*words(raw, sample, out, "--stage", stage))) for out in outs]
    assert [run.wait(120) for run in runs] == [0, 0]
    assert [products(out) for out in outs] == [of_local, of_local]
    size = (sample.raw / TRAIN).stat().st_size
    assert 0 <= transferred(web_proxy, TRAIN) - size <= 2 * HEAD


def test_an_archive_of_another_content_never_gets_its_name(
    raw: str,
    served: Path,
    web_proxy: FaultProxy,
    sample: RawSet,
    out: Path,
    stage: Path,
) -> None:
    web_proxy.follow(rule("flip", TRAIN, after=70_000))
    given = words(raw, sample, out, "--stage", stage)
    run = shardmill(*given)
    assert run.returncode == 3, run.stderr
    assert f"{raw}/{TRAIN}" in run.stderr
    assert not (stage / TRAIN).exists()
    assert not list(out.glob("tfrecord/train/*/*-of-*"))


def test_a_server_without_ranges_is_enough_for_copies(
    raw: str,
    web_proxy: FaultProxy,
    sample: RawSet,
    of_local: dict[str, str],
    out: Path,
    stage: Path,
) -> None:
    none = {"Accept-Ranges": None}
    web_proxy.follow(rule("whole", "GET", headers=none), rule("headers", "HEAD", headers=none))
    prepared(*words(raw, sample, out, "--stage", stage))
    assert products(out) == of_local
    other = out.with_name("other")
    said = prepared(*words(raw, sample, other, "--scratch", stage.with_name("scratch")))
    assert "are read from copies in" in said
    assert products(other) == of_local


def test_what_is_chosen_is_said_at_the_start(
    raw: str, sample: RawSet, out: Path, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    given = words(raw, sample, out, "--scratch", scratch)
    dry = prepared(*given, "--dry-run")
    copies = scratch / f"shardmill-{os.geteuid()}" / "stage"
    assert f"are read from copies in {copies}" in dry
    assert not scratch.exists()
    assert "read by ranges from" in prepared(*given, "--dry-run", "--stage", "none")
    assert f"are read from copies in {copies}" in prepared(*given)
    assert len(list(copies.glob(f"*/{TRAIN}"))) == 1
    assert copies.parent.stat().st_mode & 0o777 == 0o700
    said = prepared(*given)
    assert "already complete" in said
    assert "are read" not in said


def test_memory_is_no_place_for_copies(raw: str, sample: RawSet, out: Path) -> None:
    stage = Path("/dev/shm/shardmill-stage")  # noqa: S108 - nothing is written there
    run = shardmill(*words(raw, sample, out, "--stage", stage))
    assert run.returncode == 1
    assert "tmpfs" in run.stderr
    assert not stage.exists()


def test_there_is_nothing_to_copy_of_archives_of_this_machine(sample: RawSet, out: Path) -> None:
    run = shardmill(*words(sample.raw, sample, out, "--stage", out.with_name("stage")))
    assert run.returncode == 2
    assert "--stage" in run.stderr


def test_a_finished_output_needs_neither_copies_nor_server(
    raw: str, web_proxy: FaultProxy, sample: RawSet, out: Path, stage: Path
) -> None:
    given = words(raw, sample, out, "--stage", stage)
    prepared(*given)
    shutil.rmtree(stage)
    web_proxy.follow(rule("answer", status=403))
    told = shardmill("status", out)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "complete" in told.stdout
    assert "already complete" in prepared(*given)
    assert shardmill("verify", out).returncode == 0


def test_copies_are_the_way_from_a_store_to_a_store(
    bucket: Bucket, sample: RawSet, stage: Path
) -> None:
    for path in archives(sample):
        bucket.put(f"raw/{path.name}", content=path.read_bytes())
    store = ("--s3-endpoint", bucket.settings.endpoint)
    target = f"{bucket.folder}/shards"
    prepared(*words(f"{bucket.folder}/raw", sample, target, "--stage", stage, *store))
    read = shardmill("verify", target, "--against", stage, *store)
    assert read.returncode == 0, read.stdout + read.stderr
