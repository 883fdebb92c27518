"""A job whose processes all die at once: what then stands under final names is whole."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import psutil
import pytest
from killing import kill_tree
from support import SHARDS, RawSet, command, prepare, products, temporary_files

_ORDERS = {
    "before": ("--verify", "before"),
    "beside": ("--verify", "beside"),
    "sorted": ("--read-order", "archive", "--segment-size", 200_000),
}
"""The options that an archive is verified and read by."""


def _half_written(out: Path, undisturbed: dict[str, str]) -> list[str]:
    temporary = {str(path.relative_to(out)) for path in temporary_files(out)}
    return [
        name
        for name, content in products(out).items()
        if name not in temporary and undisturbed.get(name) != content
    ]


@pytest.mark.parametrize(
    ("after", "order"),
    [
        *((0.3, "before"), (0.6, "before"), (0.9, "before"), (1.2, "before"), (1.5, "before")),
        *((0.6, "beside"), (0.9, "beside"), (1.2, "beside"), (1.5, "beside")),
        *((0.9, "sorted"), (1.2, "sorted"), (1.5, "sorted"), (1.8, "sorted")),
    ],
)
@pytest.mark.usefixtures("hurried")
def test_nothing_half_written_ever_stands_under_a_final_name(
    sample: RawSet, undisturbed: dict[str, str], out: Path, after: float, order: str
) -> None:
    where = ("--raw", sample.raw, "--config", sample.config, "--out", out)
    options = (*SHARDS, *_ORDERS[order])
    arguments = command("imagenet", *where, *options, "--workers", 2)
    started = psutil.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(after)
    psutil.wait_procs(kill_tree(started))
    assert _half_written(out, undisturbed) == []
    last = prepare(sample, out, *options)
    assert last.returncode == 0, last.stderr
    assert products(out) == undisturbed
    assert temporary_files(out) == []
    assert list(out.rglob("*.images")) == []
