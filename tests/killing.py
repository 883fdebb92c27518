"""Kills commands with all that they have begun."""

from __future__ import annotations

import contextlib

import psutil


def kill_tree(command: psutil.Process) -> list[psutil.Process]:
    """Kill a process and all below it, as far as they have not ended; return them, it first."""
    processes = [command]
    with contextlib.suppress(psutil.NoSuchProcess):
        processes += command.children(recursive=True)
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    return processes
