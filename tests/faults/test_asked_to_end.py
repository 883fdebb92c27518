"""A command that is asked to end, at any moment from its start, says that in one line.

``SHARDMILL_KILLS`` says how often it is asked, ``SHARDMILL_SEED`` when.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from campaign import Command
from support import RawSet, command

TIMES = int(os.environ.get("SHARDMILL_KILLS", "20"))
LONGEST_S = 2.0
END_S = 180
INTERRUPTED = 130


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_with_130_and_without_a_traceback(
    number: signal.Signals, sample: RawSet, tmp_path: Path, chance: random.Random
) -> None:
    where = ("--raw", sample.raw, "--config", sample.config)
    for time_number in range(TIMES):
        line = command("imagenet", *where, "--out", tmp_path / str(time_number), "--no-boxes")
        process = psutil.Popen(
            line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, bufsize=-1
        )
        started = Command(process)
        try:
            started.ready()
            time.sleep(chance.uniform(0, LONGEST_S))
            process.send_signal(number)
            _, stderr = process.communicate(timeout=END_S)
        finally:
            started.end()
        assert process.returncode in {0, INTERRUPTED}, stderr
        assert "Traceback" not in stderr
        if process.returncode:
            assert stderr.count("interrupted") == 1, stderr
