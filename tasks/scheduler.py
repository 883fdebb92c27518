"""What is asked of a ``luigid`` beside its work: does it answer, will it try again?"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

import luigi.configuration
from luigi.rpc import RemoteScheduler
from luigi.task_status import DISABLED

from pipeline.errors import ShardmillError
from tasks.settings import apply_shipped_settings

Address = tuple[str, int]
_PAUSE_S = 0.5


def check(address: Address) -> None:
    """Connect to a scheduler once.

    Raises:
        ShardmillError: nothing answers there.
    """
    try:
        socket.create_connection(address, timeout=10).close()
    except OSError as error:
        raise ShardmillError(
            f"no Luigi scheduler answers at {address[0]}:{address[1]}",
            found=str(error),
            remedy="start luigid there, or leave --scheduler-host out to work alone",
        ) from error


def wait_for(address: Address, tell: Callable[[str], None]) -> None:
    """Wait for a scheduler that does not answer yet, as long as for one that has gone away.

    A command and ``luigid`` may be started together, by a reboot, in any order. How long is what
    Luigi's settings say: ``rpc_retry_attempts`` times ``rpc_retry_wait`` seconds.

    Args:
        address: of the scheduler.
        tell: called once, before it waits.

    Raises:
        ShardmillError: nothing has answered there in that time.
    """
    apply_shipped_settings()
    settings = luigi.configuration.get_config()
    seconds = settings.getint("core", "rpc_retry_attempts") * settings.getint(
        "core", "rpc_retry_wait"
    )
    deadline, told = time.monotonic() + seconds, False
    while True:
        try:
            return check(address)
        except ShardmillError as error:
            if time.monotonic() > deadline:
                raise
            if not told:
                tell(f"{error.what}: waiting for it ({error.found})")
            told = True
        time.sleep(_PAUSE_S)


def re_enable(address: Address, out: str) -> None:
    """Have what failed too often in an output folder tried again.

    A scheduler lets such a task rest for ``disable_persist`` seconds, whoever asks for it: a
    command that starts when the cause is mended would wait for nothing.

    Raises:
        luigi.rpc.RPCError: it does not answer.
    """
    remote: Any = RemoteScheduler(f"http://{address[0]}:{address[1]}/")
    for task_id, task in remote.task_list(DISABLED, "", limit=False).items():
        if task["params"].get("out") == out:
            remote.re_enable_task(task_id)
