"""Which members of an archive the paths of a list mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

_UNCLEAR: Final = -2
_NONE: Final = -1


@dataclass
class Matching:
    """Finds members by the paths that lists have for them.

    A path is that of a member, or its end from a slash on, as competitions leave out the folder of
    all images, or the same without the extension. It means the member that it could mean alone.

    Args:
        members: the paths of the members.

    Attributes:
        shortened: how many paths were found by their ends, or without an extension.
    """

    members: Sequence[str]
    shortened: int = 0
    _by_form: dict[tuple[int, bool], dict[str, int]] = field(default_factory=dict, init=False)

    def find(self, path: str) -> int | None:
        """Return the number of the member that a path means; None: there is none.

        Raises:
            LookupError: it may be one of several.
        """
        place = self._of_form(0, bare=False).get(path, _NONE)
        if place >= 0:
            return place
        parts = path.count("/") + 1
        for form in ((0, True), (parts, False), (parts, True)):
            place = self._of_form(form[0], bare=form[1]).get(path, _NONE)
            if place == _UNCLEAR:
                raise LookupError(path)
            if place >= 0:
                self.shortened += 1
                return place
        return None

    def like(self, path: str) -> Iterator[str]:
        """Yield the members that a path may mean."""
        for member in self.members:
            if f"/{member}".endswith(f"/{path}") or f"/{_bare(member)}".endswith(f"/{path}"):
                yield member

    def _of_form(self, parts: int, *, bare: bool) -> dict[str, int]:
        """Return the members by their last parts, 0: all, perhaps without what names end in."""
        known = self._by_form.get((parts, bare))
        if known is None:
            known = self._by_form[parts, bare] = {}
            for place, member in enumerate(self.members):
                name = _bare(member) if bare else member
                name = "/".join(name.split("/")[-parts:]) if parts else name
                known[name] = _UNCLEAR if name in known else place
        return known


def _bare(name: str) -> str:
    """Return a path without what its last part ends in."""
    folder, slash, base = name.rpartition("/")
    return f"{folder}{slash}{base.rpartition('.')[0] or base}"
