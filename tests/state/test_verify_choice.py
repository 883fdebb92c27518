"""Whether archives are verified beside the shards, by what is known when a command starts."""

from __future__ import annotations

from pathlib import Path

import inprocess
import pytest
from support import RawSet

from pipeline import storage
from pipeline.job.resolve import resolve
from pipeline.state.inventory import Inventory
from pipeline.state.verify_choice import choose
from pipeline.storage import Disk, DiskKind
from tasks.artifact_tasks import tasks_of

ARCHIVE = "archive-ILSVRC2012_img_val.tar"


def chosen(
    raw: RawSet, out: Path, verify: str, *, workers: int = 2, alone: bool = True, **options: object
) -> str:
    """Return what a command chooses of which that is asked."""
    job = raw.job(out, splits=("validation",), boxes=False, verify=verify, **options)
    return choose(Inventory(resolve(job)), workers=workers, alone=alone).verify


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
        *((DiskKind.UNKNOWN, "beside"), (DiskKind.ROTATIONAL, "before")),
        (DiskKind.NETWORK, "before"),
    ],
)
def test_auto_goes_by_the_disk(
    small: RawSet, out: Path, on: object, kind: DiskKind, order: str
) -> None:
    on(kind)  # type: ignore[operator]
    assert chosen(small, out, "auto") == order
    assert chosen(small, out, "beside") == "beside"
    assert chosen(small, out, "before") == "before"


@pytest.mark.parametrize("asked", ["beside", "auto"])
def test_the_order_stays_where_nothing_can_be_done_meanwhile(
    small: RawSet, out: Path, asked: str
) -> None:
    assert chosen(small, out, asked, workers=1) == "before"
    assert chosen(small, out, asked, alone=False) == "before"
    assert chosen(small, out, asked, steps=("lists",)) == "before"
    inprocess.build(tasks_of(resolve(small.job(out, splits=("validation",))), [ARCHIVE]))
    assert chosen(small, out, asked) == "before"  # it is verified
