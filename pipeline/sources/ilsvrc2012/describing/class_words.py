"""Words of classes that lie beside archives, such as WordNet's ``words.txt``: a class a line."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Self

from pipeline.errors import abbreviate
from pipeline.quantities import counted
from pipeline.sources.ilsvrc2012.describing.label_lists import LabelList

_MOST_NAMED: Final = 3
_SEPARATORS: Final = ("\t", " ")


@dataclass(frozen=True)
class ClassWords:
    """The words of classes.

    Attributes:
        words: by class.
        remarks: what a person should know of them, as sentences.
    """

    words: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    @classmethod
    def read(
        cls, lists: Iterable[LabelList], classes: Collection[str], known: Mapping[str, str]
    ) -> Self:
        """Find the words of classes in texts that have a class and its words on each line.

        Args:
            lists: the texts; those of another form are passed over.
            classes: the classes that have words or should.
            known: words of some of them, where no text has any.
        """
        words, remarks = dict[str, str](), list[str]()
        for each in lists:
            found, again = _words_of(each)
            ours = {name: text for name, text in found.items() if name in classes}
            if not ours:
                continue
            remarks += _said_of(each.name, found, ours, again & {*classes})
            words = ours | words
        if not words:
            return cls(known)
        without = sorted(name for name in classes if name not in words and name not in known)
        if without:
            remarks.append(
                f"{counted(len(without), 'class')} without words, called by their names:"
                f" {abbreviate(without, _MOST_NAMED)}"
            )
        return cls({**known, **words}, tuple(remarks))


def _said_of(
    file: str, found: Mapping[str, str], ours: Mapping[str, str], again: Collection[str]
) -> Iterable[str]:
    others = len(found) - len(ours)
    yield f"{file}: the words of {counted(len(ours), 'class')}" + (
        f"; {others:,} more of its lines are of classes that are not here" if others else ""
    )
    if again:
        yield (
            f"{file}: {counted(len(again), 'class')} named on several lines, of which the first is"
            f" taken: {abbreviate(sorted(again), _MOST_NAMED)}"
        )


def _words_of(text: LabelList) -> tuple[dict[str, str], set[str]]:
    """Return the words by class, none if the text is of another form; and what is named again."""
    separator = next((each for each in _SEPARATORS if each in text.lines[0]), None)
    found, again = dict[str, str](), set[str]()
    for line in text.lines:
        name, _, words = line.partition(separator) if separator else ("", "", "")
        if not name or not words.strip():
            return {}, set()
        if found.setdefault(name, words.strip()) != words.strip():
            again.add(name)
    return found, again
