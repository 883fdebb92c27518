"""Where in an epoch a reader stands: what `state_dict` saves, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pipeline.errors import UsageError
from pipeline.loaders.division import share

_REMEDY: Final = "load the state with what it was saved with, or begin the epoch anew"


@dataclass(frozen=True, slots=True)
class Position:
    """Where an epoch stands.

    Attributes:
        epoch: its number.
        taken: how many records each worker's part of it has given.
        turn: whose turn it is; worker 0 of those who resume takes the place of this one.
    """

    epoch: int = 0
    taken: tuple[int, ...] = (0,)
    turn: int = 0

    def part(self, worker: int) -> int:
        """Return whose part a worker reads."""
        return (worker + self.turn) % len(self.taken)


@dataclass(frozen=True, slots=True)
class Terms:
    """What has to be the same for a position to mean the same records.

    Attributes:
        shards: a digest of the names of shards, and of the numbers of their records.
        rank: see `pipeline.loaders.division`.
        size: see there.
        seed: of the order; None: by number.
    """

    shards: str
    rank: int
    size: int
    seed: int | None


def saved(position: Position, terms: Terms) -> dict[str, Any]:
    """Return a position as plain data: strings, integers, None and lists of integers."""
    return {
        "epoch": int(position.epoch),
        "taken": list(position.taken),
        "turn": position.turn,
        "shards": terms.shards,
        "world": [terms.rank, terms.size],
        "seed": terms.seed,
    }


def loaded(state: Mapping[str, Any], terms: Terms, length: int) -> Position:
    """Return the position that `saved` made plain data of.

    Args:
        state: what `saved` returned.
        terms: on which it is to be loaded.
        length: how many records of an epoch the reader has, over all of its workers.

    Raises:
        UsageError: it is none, or was saved on other terms, or says more records than there are.
    """
    try:
        position = Position(
            int(state["epoch"]), tuple(map(int, state["taken"])), int(state["turn"])
        )
        rank, size = map(int, state["world"])
        theirs = Terms(str(state["shards"]), rank, size, state["seed"])
    except (KeyError, TypeError, ValueError) as error:
        raise _refused("no state of a loader", "what state_dict returned", repr(error)) from None
    for name in ("shards", "rank", "size", "seed"):
        expected, found = getattr(terms, name), getattr(theirs, name)
        if expected != found:
            raise _refused(f"the state is of another {name}", str(expected), str(found))
    parts = len(position.taken)
    if not parts or min(position.taken) < 0 or not 0 <= position.turn < parts:
        raise _refused("no state of a loader", "what state_dict returned", repr(dict(state)))
    for part, taken in enumerate(position.taken):
        if taken > (most := len(share(length, part, parts))):
            raise _refused(
                "the state is of more records than there are",
                f"at most {most} of worker {part}",
                str(taken),
            )
    return position


def loaded_alone(state: Mapping[str, Any], terms: Terms, length: int) -> Position:
    """Return what `loaded` does, for a reader that does not divide an epoch among workers.

    Raises:
        UsageError: see `loaded`; or it is of such workers.
    """
    position = loaded(state, terms, length)
    if len(position.taken) != 1:
        raise _refused("the state is of another number of workers", "1", str(len(position.taken)))
    return position


def reached(epoch: int, taken: int, length: int) -> Position:
    """Return where a reader stands that has given some records: behind the last, the next epoch."""
    return Position(epoch, (taken,)) if taken < length else Position(epoch + 1)


def after_batches(
    lengths: Sequence[int], start: Position, batches: int, batch_size: int, *, drop_last: bool
) -> Position:
    """Return where an epoch stands after so many batches, each of one worker, by turns.

    A worker whose part is read is passed over. So it is where worker processes make whole batches,
    each of its own part, as those of torch's DataLoader do.

    Args:
        lengths: how many records each part has.
        start: where it stood before.
        batches: how many were taken since.
        batch_size: how many records are in one; the last one of a part may have fewer.
        drop_last: whether such a one is left out.
    """
    taken, turn, left = list(start.taken), start.turn, batches
    usable = [
        length - (length - begun) % batch_size if drop_last else length
        for length, begun in zip(lengths, taken, strict=True)
    ]
    while left and any(done < whole for done, whole in zip(taken, usable, strict=True)):
        if taken[turn] < usable[turn]:
            taken[turn] = min(usable[turn], taken[turn] + batch_size)
            left -= 1
        turn = (turn + 1) % len(taken)
    return Position(start.epoch, tuple(taken), turn)


def _refused(what: str, expected: str, found: str) -> UsageError:
    return UsageError(what, expected=expected, found=found, remedy=_REMEDY)
