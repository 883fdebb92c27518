"""How the images of a list or folder are divided among splits: by shares, or by a column.

By shares, the split of an image follows from its path and the shares alone: the BLAKE2b-64 of the
path in UTF-8, personalised with `SALT`, as a big-endian number below 2**64. The splits, in the
order of their names, have each a part of these numbers as large as their share. So an image keeps
its split when others are added or removed, and one that is named twice lies in one split.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.errors import UsageError

SALT: Final = b"shardmill.split"
"""What personalises the hash: it never changes, and no option changes it."""

ROUNDING: Final = Fraction(1, 1000)
"""How far the sum of shares may be from 1: three thirds are 0.333 each."""

_NUMBERS: Final = 1 << 64  # that a hash can be
_DIGITS: Final = 4  # of a share that is proposed

Share = tuple[str, float]
"""The name of a split, and what part of the images it gets."""


@dataclass(frozen=True)
class Division:
    """How images are divided among splits.

    Attributes:
        shares: of each split; empty: not by shares.
        column: whether a column of the list names the split of each image.
    """

    shares: tuple[Share, ...] = ()
    column: bool = False

    def __bool__(self) -> bool:
        """Whether there is more to do than to take all images."""
        return bool(self.shares) or self.column

    @cached_property
    def _names(self) -> list[str]:
        return sorted(name for name, _ in self.shares)

    @cached_property
    def _ends(self) -> NDArray[np.uint64]:
        """The first number behind the part of each split but the last one."""
        exact = {name: Fraction(str(share)) for name, share in self.shares}
        total, end, ends = sum(exact.values()), Fraction(0), list[int]()
        for name in self._names[:-1]:
            end += exact[name]
            ends.append(min(int(end / total * _NUMBERS), _NUMBERS - 1))
        return np.array(ends, np.uint64)

    def part(self, images: pa.Table, split: str) -> pa.Table:
        """Return those of some images that are of a split.

        Args:
            images: with the columns `path` and, if a column says it, `split`.
            split: name of the split.
        """
        return self.parts(images, [split])[split] if self else images

    def parts(self, images: pa.Table, splits: Iterable[str]) -> dict[str, pa.Table]:
        """Return what `part` does, for several splits."""
        if not self:
            return dict.fromkeys(splits, images)
        if self.column:
            return {name: images.filter(pc.equal(images["split"], name)) for name in splits}
        numbers = _hashes(images["path"].to_pylist())
        places = np.searchsorted(self._ends, numbers, side="right")
        each = {name: places == self._names.index(name) for name in splits}
        return {name: images.filter(pa.array(chosen)) for name, chosen in each.items()}


WHOLE: Final = Division()
"""The division into one split."""


def split_of(path: str, shares: Iterable[Share]) -> str:
    """Return the split of an image by shares that `check` has passed."""
    division = Division(tuple(shares))
    images = pa.table({"path": [path]})
    return next(name for name, _ in division.shares if division.part(images, name).num_rows)


def check(shares: Sequence[Share]) -> None:
    """Check that shares are a division; names are checked by whoever names files.

    Raises:
        UsageError: a split stands there twice, a share is not above 0, or they are not 1 together.
    """
    names = [name for name, _ in shares]
    if len({name.lower() for name in names}) < len(names):
        raise UsageError(
            "--split is given twice for a split",
            expected="names that differ in more than upper and lower case",
            found=", ".join(names),
        )
    for name, share in shares:
        if not share > 0:
            raise UsageError(
                f"--split {name}={share}: such a split would get no image",
                expected="a share above 0",
                found=str(share),
                remedy="leave the split out, or give it a share",
            )
    total = sum((Fraction(str(share)) for _, share in shares), Fraction())
    if shares and abs(total - 1) > ROUNDING:
        raise UsageError(
            "the shares of the splits are not 1 together",
            expected=f"shares whose sum is 1, or no farther from it than {float(ROUNDING)}",
            found=f"{' + '.join(str(share) for _, share in shares)} = {float(total):g}",
            remedy=f"say {' '.join(f'--split {name}={share}' for name, share in nearest(shares))}",
        )


def nearest(shares: Sequence[Share]) -> list[Share]:
    """Return shares of the same splits that are 1 together: the last one gets the rest.

    Where there is no rest, all are made larger or smaller alike, and none becomes 0: what rounding
    leaves is the largest one's.
    """
    *others, (last, _) = shares
    exact = [Fraction(str(share)) for _, share in shares]
    rest = 1 - sum(exact[:-1])
    if rest > 0:
        return [*others, (last, float(rest))]
    total = sum(exact)
    exact = [max(round(share / total, _DIGITS), Fraction(1, 10**_DIGITS)) for share in exact]
    exact[exact.index(max(exact))] += 1 - sum(exact)
    return [(name, float(share)) for (name, _), share in zip(shares, exact, strict=True)]


def _hashes(paths: Sequence[str]) -> NDArray[np.uint64]:
    """Return (n,) uint64, the hash of each path."""
    plain = hashlib.blake2b(digest_size=8, person=SALT)
    parts = []
    for path in paths:
        one = plain.copy()
        one.update(path.encode())
        parts.append(one.digest())
    return np.frombuffer(b"".join(parts), ">u8").astype(np.uint64)
