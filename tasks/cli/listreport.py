"""What ``shardmill im2rec --list`` says of the lists and the table of classes that it has made."""

from __future__ import annotations

from pipeline.catalog.class_table import FolderClasses
from pipeline.im2rec.lists import MadeLists, class_table, other_tables
from pipeline.quantities import counted
from pipeline.sources.imagelist import split_folders as splitfolders
from pipeline.sources.imagelist.folder import Division
from tasks.cli.saying import say


def classes(prefix: str, found: FolderClasses) -> None:
    """Say which labels the folders have, where the table is, and what may be amiss with it."""
    say(f"{found.summary()}: {class_table(prefix)}", err=True)
    for note in found.notes():
        say(note, err=True)
    twice = splitfolders.repeated(found.table.names)
    if twice is not None:
        first, second = twice.folder(twice.first), twice.folder(twice.second)
        what = "are one class in two splits, with two labels: make lists of each split alone"
        say(f"{first} and {second} {what}", err=True)
    for path, table in other_tables(prefix):
        differs = found.table.difference(table, str(path))
        if differs is not None:
            say(f"{differs}: for lists that belong together say --classes", err=True)


def lists(made: MadeLists, division: Division) -> None:
    """Say which lists were made, and which images are in none."""
    for path, count in made.counts.items():
        say(f"{path}: {counted(count, 'image')}", err=True)
    for path in made.empty:
        say(f"{path}: not written, no image falls to it", err=True)
    if made.unlisted:
        total, share = len(made.listing.paths), division.train
        say(
            f"in no list: {made.unlisted:,} of {total:,} images; both shares are rounded down, as"
            f" by im2rec.py; with --train-ratio {share} alone the rest is for validation",
            err=True,
        )
    for path in made.others:
        say(f"{path}: not made now, but the same PREFIX packs it, too", err=True)
