"""Whether archives are verified beside the shards, by what is known when a command starts."""

from __future__ import annotations

from pathlib import Path

import inprocess
import pytest
from support import RawSet

from pipeline import storage
from pipeline.job.resolve import resolve
from pipeline.state import verify_choice
from pipeline.state.inventory import Inventory
from pipeline.state.verify_choice import choose
from pipeline.storage import Disk, DiskKind
from tasks.artifact_tasks import tasks_of

ARCHIVE = "archive-ILSVRC2012_img_val.tar"


def chosen(
    raw: RawSet, out: Path, verify: str, *, workers: int = 2, alone: bool = True, **options: object
) -> str:
    """Return what a command chooses of which that is asked, and why not what was asked for."""
    job = raw.job(out, splits=("validation",), boxes=False, verify=verify, **options)
    choice = choose(Inventory(resolve(job)), workers=workers, alone=alone)
    return f"{choice.job.verify}: {choice.reason}" if choice.reason else choice.job.verify


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> object:
    """Have folders lie on a disk of a kind."""

    def lie(kind: DiskKind) -> None:
        disk = Disk(Path("/"), "ext4", kind, 1 << 40)
        monkeypatch.setattr(storage, "disk_of", lambda _folder, **_: disk)

    return lie


@pytest.mark.parametrize(
    ("kind", "order"),
    [
        *((DiskKind.SOLID_STATE, "beside"), (DiskKind.MEMORY, "beside")),
        *((DiskKind.UNKNOWN, "beside"), (DiskKind.ROTATIONAL, "auto")),
        (DiskKind.NETWORK, "auto"),
    ],
)
def test_auto_goes_by_the_disk(
    small: RawSet,
    out: Path,
    on: object,
    kind: DiskKind,
    order: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    on(kind)  # type: ignore[operator]
    monkeypatch.setattr(verify_choice, "_QUICKLY_VERIFIED", 1)
    assert chosen(small, out, "auto") == order
    assert chosen(small, out, "beside") == "beside"
    assert chosen(small, out, "before") == "before"


def test_auto_verifies_small_archives_first(small: RawSet, out: Path, on: object) -> None:
    on(DiskKind.SOLID_STATE)  # type: ignore[operator]
    assert chosen(small, out, "auto") == "auto"  # which counts as `before`
    assert not resolve(small.job(out, verify="auto")).verifies_beside


def test_beside_says_why_archives_are_verified_first(small: RawSet, out: Path) -> None:
    assert chosen(small, out, "beside", workers=1) == "before: one worker cannot do both"
    assert chosen(small, out, "beside", alone=False) == "before: other hosts may take part"
    assert chosen(small, out, "beside", steps=("lists",)) == "before: no shards are asked for"
    inprocess.build(tasks_of(resolve(small.job(out, splits=("validation",))), [ARCHIVE]))
    assert chosen(small, out, "beside") == "before: no archive of images is left to be verified"


def test_auto_says_nothing_where_archives_are_verified_first(small: RawSet, out: Path) -> None:
    assert chosen(small, out, "auto", workers=1) == "auto"
    assert chosen(small, out, "auto", alone=False) == "auto"
    assert chosen(small, out, "auto", steps=("lists",)) == "auto"
