"""Finished output folders that came from elsewhere, hundreds of their documents forged."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from forgedcommands import MADE, check_forgeries
from support import RawSet

FORGERIES = 4 * int(os.environ.get("SHARDMILL_ROUNDS", "12"))


@pytest.mark.parametrize("kind", MADE)
def test_none_ends_a_command_or_reaches_anything_outside(
    kind: str,
    small: RawSet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    chance: random.Random,
) -> None:
    check_forgeries(monkeypatch, MADE[kind](small, tmp_path), tmp_path, chance, FORGERIES)
