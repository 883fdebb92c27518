"""Questions to a file system are asked many at once where each one waits, and else in a row."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline import storage
from pipeline.errors import ShardmillError
from pipeline.storage.local.spreading import spread

FEW = 15 + 128  # so many are asked in a row in any case


@pytest.mark.parametrize("count", [0, 1, 15, 16, FEW, FEW + 1, 1000])
@pytest.mark.parametrize("waits", [False, True])
def test_answers_come_in_the_order_of_the_questions(count: int, waits: bool) -> None:
    asking = set[int]()

    def ask(some: Sequence[int]) -> list[int]:
        asking.add(threading.get_ident())
        if waits:
            time.sleep(0.001)
        return [2 * each for each in some]

    assert spread(ask, range(count)) == [2 * each for each in range(count)]
    assert (len(asking) > 1) is (waits and count > FEW)


def test_what_goes_wrong_in_a_thread_is_raised() -> None:
    def ask(some: Sequence[int]) -> list[int]:
        time.sleep(0.001)
        if 700 in some:
            raise ShardmillError("no answer")
        return list(some)

    with pytest.raises(ShardmillError, match="no answer"):
        spread(ask, range(1000))


def test_many_files_have_the_looks_that_each_has_alone(tmp_path: Path) -> None:
    names = [f"{number}.jpg" for number in range(200)]
    for number, name in enumerate(names[::2]):
        (tmp_path / name).write_bytes(bytes(number))
    (tmp_path / "folder").mkdir()
    asked = [*names, "folder", str(tmp_path / "0.jpg"), "0.jpg/below"]
    alone = [storage.file_stamps(tmp_path, [name])[0] for name in asked]
    assert storage.file_stamps(tmp_path, asked) == alone
    assert [size for size, _ in alone[:5]] == [0, -1, 1, -1, 2]
    assert alone[-3:] == [(-1, storage.ABSENT), alone[0], (-1, storage.ABSENT)]
