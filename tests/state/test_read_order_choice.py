"""Whether archives are read in their own order, by what is known when a command starts."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import inprocess
import pytest
from support import RawSet

from pipeline import storage
from pipeline.errors import NoSpace, UsageError
from pipeline.job.options import Job
from pipeline.job.resolve import resolve
from pipeline.state import preflight, read_order_choice, sorted_segments
from pipeline.state.inventory import Inventory
from pipeline.state.read_order_choice import Choice, choose
from pipeline.storage import Disk, DiskKind
from tasks.artifact_tasks import tasks_of

SEGMENT = 20_000
"""Bytes of a segment."""


def job(raw: RawSet, out: Path, **options: object) -> Job:
    given: dict[str, object] = {"splits": ("validation",), "boxes": False}
    given |= {"segment_bytes": SEGMENT}
    return raw.job(out, **(given | options))


def chosen(raw: RawSet, out: Path, *, alone: bool = True, **options: object) -> Choice:
    """Return what a command chooses."""
    return choose(Inventory(resolve(job(raw, out, **options))), alone=alone)


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> object:
    """Have archives lie on a disk of a kind, and be larger than what memory keeps of them."""
    monkeypatch.setattr(read_order_choice, "memory_bytes", lambda: 4 * SEGMENT)

    def lie(kind: DiskKind) -> None:
        disk = Disk(Path("/"), "ext4", kind, 1 << 40)
        monkeypatch.setattr(storage, "disk_of", lambda _folder, **_: disk)

    return lie


@pytest.fixture
def spinning(on: object) -> None:
    """Have archives lie on a rotational disk."""
    on(DiskKind.ROTATIONAL)  # type: ignore[operator]


@pytest.mark.parametrize("kind", DiskKind)
def test_auto_goes_by_the_disk(small: RawSet, out: Path, on: object, kind: DiskKind) -> None:
    on(kind)  # type: ignore[operator]
    order = "archive" if kind is DiskKind.ROTATIONAL else "auto"
    found = chosen(small, out)
    assert found.job.read_order == order
    assert ("rotational disk" in found.line) == (order == "archive")
    for asked in ("archive", "shard"):
        assert chosen(small, out, read_order=asked) == Choice(job(small, out, read_order=asked))


@pytest.mark.usefixtures("spinning")
def test_archives_that_memory_keeps_are_read_as_shards_need_them(
    small: RawSet, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_order_choice, "memory_bytes", lambda: 1 << 40)
    assert chosen(small, out).job.read_order == "auto"
    resolved = resolve(job(small, out, read_order="archive"))
    inprocess.build(tasks_of(resolved, ["segments-validation"])[:1])
    found = chosen(small, out)
    assert found.job.read_order == "archive"
    assert "since some of their segments are sorted already" in found.line
    assert "rotational" not in found.line


@pytest.mark.usefixtures("spinning")
def test_it_stays_where_it_cannot_be_or_nothing_is_to_be_done(small: RawSet, out: Path) -> None:
    assert chosen(small, out, alone=False).job.read_order == "auto"
    assert chosen(small, out, steps=("lists",)).job.read_order == "auto"
    assert chosen(small, out, verify="beside").job.read_order == "auto"
    resolved = resolve(job(small, out))
    inprocess.build(tasks_of(resolved, ["shards-validation"]))
    assert chosen(small, out).job.read_order == "auto"


@pytest.mark.usefixtures("spinning")
def test_few_missing_shards_are_read_as_they_need(small: RawSet, out: Path) -> None:
    shards = (("validation", 6),)
    resolved = resolve(job(small, out, shards=shards))
    groups = tasks_of(resolved, ["shards-validation"])
    assert len(groups) > 1
    inprocess.build(groups[1:])
    missing = sum(group.stop - group.first for group in groups[:1])  # type: ignore[attr-defined]
    order = "auto" if missing < 6 / 4 else "archive"
    assert chosen(small, out, shards=shards).job.read_order == order


@pytest.mark.usefixtures("spinning")
def test_without_room_it_falls_back_and_says_so(
    small: RawSet, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sorting = resolve(job(small, out, read_order="archive"))
    assert sorted_segments.bytes_to_sort(Inventory(sorting)) > 10_000
    needed = preflight.needed_bytes(sorting)
    monkeypatch.setattr(storage, "free_bytes", lambda _: needed - 1)
    found = chosen(small, out)
    assert found.job.read_order == "auto"
    assert "lacks room" in found.line
    with pytest.raises(NoSpace, match="for sorted segments of archives") as refused:
        preflight.check_readonly(sorting)
    assert "--read-order shard" in str(refused.value)
    monkeypatch.setattr(storage, "free_bytes", lambda _: needed)
    assert chosen(small, out).job.read_order == "archive"
    preflight.check_readonly(sorting)


@pytest.mark.usefixtures("spinning")
def test_where_memory_is_too_small_for_a_segment_it_falls_back_and_says_so(
    small: RawSet, out: Path
) -> None:
    found = chosen(small, out, segment_bytes=SEGMENT + 1)
    assert found.job.read_order == "auto"
    assert "held in memory" in found.line
    assert f"--segment-size {SEGMENT} " in found.line
    assert chosen(small, out).job.read_order == "archive"


@pytest.mark.usefixtures("spinning")
@pytest.mark.parametrize("order", ["archive", "auto"])
def test_far_too_many_segments_are_refused_with_the_least_size_that_is_taken(
    small: RawSet, out: Path, order: str
) -> None:
    with pytest.raises(UsageError, match="too many segments") as refused:
        chosen(small, out, read_order=order, segment_bytes=2)
    least = int(re.findall(r"--segment-size (\d+) or more", str(refused.value))[0])
    assert chosen(small, out, read_order=order, segment_bytes=least).job.read_order == "archive"
    with pytest.raises(UsageError, match="too many segments"):
        chosen(small, out, read_order=order, segment_bytes=least - 1)


def test_a_refusal_names_the_archives_that_are_no_plain_tars(
    small: RawSet, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolved = resolve(job(small, out, read_order="archive"))
    split = resolved.splits["validation"]
    (plain,) = split.source.inputs
    packed = replace(plain, file="more.tar", packed="more.tar.gz")
    source = replace(split.source, inputs=(plain, packed))
    monkeypatch.setitem(resolved.splits, "validation", replace(split, source=source))
    with pytest.raises(UsageError, match="plain tars") as refused:
        choose(Inventory(resolved), alone=True)
    assert refused.value.found == "more.tar.gz"


def test_it_is_refused_where_other_hosts_take_part(small: RawSet, out: Path) -> None:
    with pytest.raises(UsageError, match="one command of one host"):
        chosen(small, out, read_order="archive", alone=False)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--verify", "beside"), "before an archive is read"),
        (("--until", "plan"), "no shards are asked for|other commands write"),
        (("--until", "lists"), "no shards are asked for"),
        (("--part", "0/2"), "--part reads images as shards need them"),
        (("--scheduler-host", "localhost"), "one command of one host"),
        (("--tree", "TREE"), "no archive is read"),
        (("--stage", "STAGE"), "--stage"),
    ],
)
def test_it_is_refused_with_what_contradicts_it(
    small: RawSet, out: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], why: str
) -> None:
    where = ("--raw", small.raw, "--config", small.config, "--out", out)
    order = ("--read-order", "archive", "--dry-run")
    ended = inprocess.shardmill(monkeypatch, "imagenet", *where, *options, *order)
    assert ended.status == UsageError.exit_status, ended.said
    assert any(each in ended.said for each in why.split("|")), ended.said
