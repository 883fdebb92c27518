"""The files that an archive is listed in while it is verified, which may have to begin anew."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Self

from pipeline import storage


class Listings:
    """The index of an archive and the hashes of its members, as they are written.

    Attributes:
        files: none before `begun` was called, and of what is no plain tar.
    """

    def __init__(self, listing_paths: Sequence[storage.Location]) -> None:
        self.files: list[storage.StagedFile] = []
        self._paths = listing_paths

    def begun(self) -> list[storage.StagedFile]:
        """Return the files, begun anew: an archive may be replaced while it is fetched."""
        self._discard()
        self.files = [storage.StagedFile(path) for path in self._paths]
        return self.files

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._discard()

    def _discard(self) -> None:
        with contextlib.ExitStack() as stack:
            for staged in self.files:
                stack.callback(staged.discard)
        self.files = []
