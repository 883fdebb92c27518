"""Lists of labels that lie beside a flat archive: line n is the class of image n."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline import names, storage
from pipeline.quantities import counted
from pipeline.sources.ilsvrc2012.describing import file_names

SUFFIX: Final = ".txt"
MOST_BYTES: Final = 1 << 28
"""Of a list; twenty million classes of a dozen characters take as many."""


@dataclass(frozen=True)
class LabelList:
    """A file that may be a list of labels.

    Attributes:
        name: of the file.
        lines: its lines, without their ends.
    """

    name: str
    lines: tuple[str, ...]

    def is_of(self, split: str, archive: str) -> bool:
        """Whether its name says that it is of a split, or of the archive of one."""
        mine = file_names.stem(archive).lower()
        return file_names.word(self.name) == split or self.name.lower().startswith(mine)

    def flaw(self, highest: int, classes: Collection[str]) -> str:
        """Return why it cannot be the labels of images with numbers up to `highest`; "": it can.

        Args:
            highest: the largest number of an image.
            classes: those that other splits lie in folders of; empty: there are none.
        """
        if len(self.lines) < highest:
            lines = counted(len(self.lines), "line")
            return f"{lines}, fewer than the number of the last image, {highest:,}"
        wrong = next((line for line in {*self.lines} if names.class_flaw(line)), None)
        if wrong is not None:
            return "not a class on each line"
        if classes and not {*classes} & {*self.lines}:
            return "none of its lines names a class of the other splits"
        return ""


def read(paths: Iterable[Path]) -> list[LabelList]:
    """Return the texts among some files, as lists."""
    found = []
    for path in paths:
        info = storage.stat(path)
        if info is None or not 0 < info.size <= MOST_BYTES:
            continue
        try:
            text = storage.read_bytes(path).decode("utf-8-sig")
        except UnicodeDecodeError:
            continue
        found.append(
            LabelList(path.name, tuple(text.replace("\r\n", "\n").rstrip("\n").split("\n")))
        )
    return found


def choose(
    lists: Sequence[LabelList],
    split: str,
    archive: str,
    highest: int,
    classes: Collection[str],
    *,
    alone: bool,
) -> tuple[LabelList | None, list[str]]:
    """Return the labels of a flat split, and what is to be said of the lists.

    Args:
        lists: all that there are.
        split: name of the split.
        archive: its file name.
        highest: the largest number of its images.
        classes: see `LabelList.flaw`.
        alone: whether no other split needs a list: then one that is called labels is of this.

    Returns:
        the list, or None where there is none or more than one; and sentences.
    """
    near = [each for each in lists if each.is_of(split, archive)]
    if alone and not near:
        near = [each for each in lists if "label" in each.name.lower()]
    flaws = {each.name: each.flaw(highest, classes) for each in near}
    said = [
        f"{name} is no list of the labels of {split}: {flaw}"
        for name, flaw in flaws.items()
        if flaw
    ]
    fitting = [each for each in near if not flaws[each.name]]
    if len(fitting) > 1:
        listed = ", ".join(each.name for each in fitting)
        return None, [
            *said,
            f"several lists could be the labels of {split}, none is taken: {listed}",
        ]
    return (fitting[0] if fitting else None), said
