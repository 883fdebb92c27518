"""How a command is started whose file system fails: see `injected/sitecustomize.py`."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

_INJECTED = Path(__file__).parent / "injected"


@dataclass(frozen=True)
class Fault:
    """What is to go wrong.

    Attributes:
        root: only below this folder.
        errno: what calls fail with; 0: they succeed, but each writes only half of its bytes.
        first: 1-based number of the first call that fails, of all processes together.
        ever: whether all calls after it fail too.
        counter: a file that grows by a byte for each call that is counted.
    """

    root: str
    errno: int
    first: int
    ever: bool
    counter: str


def failing(fault: Fault) -> dict[str, str]:
    """Return the environment of a command that is to meet a fault."""
    path = os.pathsep.join(filter(None, [str(_INJECTED), os.environ.get("PYTHONPATH")]))
    return {"PYTHONPATH": path, "SHARDMILL_FAULT": json.dumps(asdict(fault))}
