"""``--engine`` of two kinds: what encodes images, and what has shards written on other hosts.

The second is ``--cluster``, and an address is never the first: so ``--engine dask://HOST:PORT`` is
read as that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Final

ENGINE: Final = "--engine"
CLUSTER: Final = "--cluster"
_IN_ADDRESSES: Final = ":"


def with_clusters(words: Sequence[str]) -> list[str]:
    """Return the words of a command, with ``--cluster`` where ``--engine`` takes an address."""
    return list(_with_clusters(words))


def _with_clusters(words: Sequence[str]) -> Iterator[str]:
    for word, value in zip_longest(words, words[1:], fillvalue=""):
        flag, is_assigned, assigned = word.partition("=")
        given = assigned if is_assigned else value
        if flag == ENGINE and _IN_ADDRESSES in given:
            yield f"{CLUSTER}{is_assigned}{assigned}"
        else:
            yield word
