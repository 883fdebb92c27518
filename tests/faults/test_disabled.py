"""What failed too often beside a luigid is tried again as soon as somebody asks anew."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from daemons import Luigid
from injection import Fault, failing
from luigi.rpc import RemoteScheduler
from support import RawSet, command, shardmill


@pytest.mark.usefixtures("hurried")
def test_a_command_starts_at_once_what_luigid_has_given_up(small: RawSet, tmp_path: Path) -> None:
    out = tmp_path / "out"
    fault = Fault(str(out / "lists"), errno.EIO, 1, True, str(tmp_path / "calls"))
    with Luigid(tmp_path) as luigid:
        where = ("--raw", small.raw, "--config", small.config, "--out", out, "--until", "lists")
        arguments = ("imagenet", *where, "--scheduler-host", luigid.address)
        scheduler: Any = RemoteScheduler(f"http://{luigid.address}/")  # type: ignore[no-untyped-call]
        started = subprocess.Popen(
            command(*arguments), stderr=subprocess.PIPE, env=os.environ | failing(fault), text=True
        )
        while not scheduler.task_list("DISABLED", ""):
            assert started.poll() is None
            time.sleep(0.1)
        started.send_signal(signal.SIGTERM)
        _, stderr = started.communicate(timeout=60)
        assert started.returncode == 130
        assert "Input/output error" in stderr
        again = shardmill(*arguments, timeout=120)
    assert again.returncode == 0, again.stderr
