"""The memory that a process can have: a cgroup may limit it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.environment import memory


def write(root: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)


@pytest.mark.parametrize(
    ("files", "limits"),
    [
        ({}, []),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, []),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "2048\n"}, [2048]),
        (
            {
                "proc/self/cgroup": "0::/a.slice/b.service\n",
                "sys/fs/cgroup/a.slice/memory.max": "4096\n",
                "sys/fs/cgroup/a.slice/b.service/memory.max": "max\n",
            },
            [4096],
        ),
        (
            {
                "proc/self/cgroup": "5:cpu:/x\n4:memory:/docker/7\n0::/\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "1024\n",
                "sys/fs/cgroup/memory/x/memory.limit_in_bytes": "1\n",
            },
            [1024],
        ),
        ({"proc/self/cgroup": "4:memory:/a\n", "sys/fs/cgroup/memory/a": "no folder"}, []),
    ],
)
def test_the_limits_of_both_versions_are_found(
    tmp_path: Path, files: dict[str, str], limits: list[int]
) -> None:
    write(tmp_path, files)
    assert list(memory.cgroup_limits(tmp_path)) == limits


def test_memory_is_the_least(monkeypatch: pytest.MonkeyPatch) -> None:
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limits, expected in (([], physical), ([1 << 62], physical), ([1 << 62, 4096], 4096)):
        monkeypatch.setattr(memory, "cgroup_limits", lambda _, limits=limits: iter(limits))
        assert memory.memory_bytes() == expected
