"""From what a person says of classes to the label table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.annotations.openimages.classes import ClassNames
from pipeline.annotations.openimages.hierarchy import Hierarchy
from pipeline.errors import UsageError
from pipeline.job.selection_options import SelectionOptions
from pipeline.quantities import counted, verb
from pipeline.sources.openimages import text_lists
from pipeline.sources.openimages.selecting.chosen import Chosen, ChosenClass

_NO_HIERARCHY: Final = Hierarchy({}, {})


@dataclass(frozen=True)
class ClassFiles:
    """What is known of the classes of a version.

    Attributes:
        names: of all classes with boxes.
        hierarchy: which is a kind of which; None: it is not needed.
        with_masks: MIDs of the classes that have masks; None: it does not matter.
    """

    names: ClassNames
    hierarchy: Hierarchy | None = None
    with_masks: tuple[str, ...] | None = None


def choose(options: SelectionOptions, files: ClassFiles) -> Chosen:
    """Return the label table that options ask for.

    Raises:
        UsageError: a class is unknown or ambiguous; none is left; one has no masks where masks
            are asked for; a file of classes cannot be read, or is not of the chosen ones.
    """
    notes = list[str]()
    given = _given(options, files.names, notes)
    members = _expanded(options, given, files)
    _except(options, members, files, notes)
    if not members:
        raise UsageError(
            "no class is left",
            expected="a chosen class that --except does not take out again",
            found=f"--except {' '.join(options.exclude)}",
        )
    _check_masks(options, members, given, files)
    selecting = frozenset(mid for mids in members.values() for mid in mids)
    if options.all_objects:
        members |= {mid: (mid,) for mid in files.names.names if mid not in selecting | {*members}}
    classes = tuple(
        ChosenClass(index, mid, files.names.names[mid], members[mid])
        for index, mid in enumerate(_ordered(options, members, files.names))
    )
    return Chosen(classes, selecting, tuple(notes))


def _given(options: SelectionOptions, names: ClassNames, notes: list[str]) -> list[str]:
    """Return the MIDs of the classes that were named, each once."""
    mids = dict.fromkeys(_resolved(text, names, notes) for text in options.classes)
    if options.classes_file:
        mids |= dict.fromkeys(_of_file(options.classes_file, names, notes))
    return list(mids)


def _of_file(file: str, names: ClassNames, notes: list[str]) -> Iterator[str]:
    for line, text in text_lists.classes(Path(file)):
        try:
            yield _resolved(text, names, notes)
        except UsageError as error:
            raise error.altered(file=file, place=f"line {line}") from error


def _resolved(text: str, names: ClassNames, notes: list[str]) -> str:
    """Return the MID of a class, and note a name that is none of this version."""
    mid = names.mid_of(text)
    name = names.names[mid]
    if not text.startswith("/") and _plain(text) != _plain(name):
        notes.append(f"{text} is called {name} ({mid}) in this version.")
    return mid


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").split()).casefold()


def _expanded(
    options: SelectionOptions, given: Iterable[str], files: ClassFiles
) -> dict[str, tuple[str, ...]]:
    """Return the classes by MID, each with the MIDs whose objects become its own."""
    hierarchy = files.hierarchy or _NO_HIERARCHY
    below = {
        mid: [each for each in hierarchy.descendants(mid) if each in files.names.names]
        for mid in given
    }
    if options.with_subclasses:
        every = dict.fromkeys(each for mid, mids in below.items() for each in (mid, *mids))
        return {mid: (mid,) for mid in every}
    if not options.merge_subclasses:
        return {mid: (mid,) for mid in below}
    merged = {mid: [mid] for mid in below}
    for child in dict.fromkeys(each for mids in below.values() for each in mids):
        if child not in below:
            merged[_nearest(child, below, files.names)].append(child)
    return {mid: tuple(mids) for mid, mids in merged.items()}


def _nearest(child: str, below: Mapping[str, list[str]], names: ClassNames) -> str:
    """Return the lowest chosen class above a subclass.

    Raises:
        UsageError: there are two, neither of which is below the other.
    """
    above = [mid for mid, mids in below.items() if child in mids]
    lowest = [mid for mid in above if not any(other in below[mid] for other in above)]
    if len(lowest) > 1:
        raise UsageError(
            "--merge-subclasses: a subclass of two chosen classes",
            expected="each subclass below one of them",
            found=f"{names.described([child])} below {names.described(lowest)}",
            remedy=f"choose it, too, with --class {child}, or leave it out with --except {child}",
        )
    return lowest[0]


def _except(
    options: SelectionOptions,
    members: dict[str, tuple[str, ...]],
    files: ClassFiles,
    notes: list[str],
) -> None:
    """Take classes out again; their subclasses stay, where they were chosen."""
    names, hierarchy = files.names, files.hierarchy or _NO_HIERARCHY
    for text in options.exclude:
        out = _resolved(text, names, notes)
        if not any(out in mids for mids in members.values()):
            notes.append(f"--except {text}: {names.described([out])} was not chosen.")
        for mid, mids in list(members.items()):
            members[mid] = tuple(each for each in mids if each != out)
            if not members[mid]:
                del members[mid]
        left = {each for mids in members.values() for each in mids}
        if below := [each for each in hierarchy.descendants(out) if each in left]:
            stay = f"{counted(len(below), 'subclass')} {verb(len(below), 'stays', 'stay')} chosen"
            notes.append(f"--except {text}: {stay}: {names.described(below)}.")


def _check_masks(
    options: SelectionOptions,
    members: Mapping[str, tuple[str, ...]],
    given: Iterable[str],
    files: ClassFiles,
) -> None:
    """Refuse a class that was named and has no masks, nor have those that are chosen with it."""
    if files.with_masks is None:
        return
    names, hierarchy = files.names, files.hierarchy or _NO_HIERARCHY

    def has_masks(mid: str) -> bool:
        family = (mid, *(hierarchy.descendants(mid) if options.with_subclasses else ()))
        merged = {each for chosen in family for each in members.get(chosen, ())}
        return not merged.isdisjoint(files.with_masks or ())

    if without := [mid for mid in given if mid in members and not has_masks(mid)]:
        known = sorted(names.names.get(mid, mid) for mid in files.with_masks)
        raise UsageError(
            f"--by masks: {counted(len(without), 'chosen class')} without masks",
            expected=f"some of the {len(known)} that have masks: {', '.join(known)}",
            found=names.described(without),
            remedy="leave --by masks out, or choose others",
        )


def _ordered(
    options: SelectionOptions, members: Mapping[str, object], names: ClassNames
) -> list[str]:
    """Return the classes in the order of their indexes: by MID, or as a file has them.

    Raises:
        UsageError: the file lacks one, has another, or one twice.
    """
    if not options.class_order:
        return sorted(members)
    order = list(_of_file(options.class_order, names, []))
    twice = sorted({mid for mid in order if order.count(mid) > 1})
    missing = [mid for mid in sorted(members) if mid not in order]
    others = [mid for mid in order if mid not in members]
    wrong = {"twice": twice, "missing": missing, "not chosen": others}
    if faults := [f"{what}: {names.described(mids)}" for what, mids in wrong.items() if mids]:
        raise UsageError(
            "--class-order: not the chosen classes",
            file=options.class_order,
            expected=f"each of {counted(len(members), 'chosen class')} in a line",
            found="; ".join(faults),
            remedy="list all chosen classes there, and no others; --class and --except choose",
        )
    return order
