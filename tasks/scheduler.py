"""What is asked of a ``luigid`` beside its work: does it answer, will it try again?"""

from __future__ import annotations

import socket
from typing import Any

from luigi.rpc import RemoteScheduler
from luigi.task_status import DISABLED

from pipeline.errors import ShardmillError

Address = tuple[str, int]


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
