"""The files of a page, beside its contact sheets."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.report import places, rendering
from pipeline.report.class_pages import class_pages
from pipeline.report.gathered import Gathered
from pipeline.report.image_views import anchor
from pipeline.report.index_page import index_page
from pipeline.storage import Location


def pages_of_classes(gathered: Gathered) -> Iterator[tuple[Location, bytes]]:
    """Yield path and content of the page of each class."""
    out, digest = gathered.survey.out, gathered.survey.digest
    for name, page in class_pages(gathered):
        content = rendering.render("class.html", page, "../")
        yield places.file(out, digest, places.CLASSES, name), content


def first_page(gathered: Gathered) -> Iterator[tuple[Location, bytes]]:
    """Yield path and content of what all pages need, and then of the first one."""
    out, digest = gathered.survey.out, gathered.survey.digest
    folder = places.files(out, digest)
    for name in (places.STYLE, places.SCRIPT):
        yield folder / name, rendering.asset(name)
    yield folder / places.KEYS, rendering.script_of("shardmillKeys", {"images": _keys(gathered)})
    page = index_page(gathered)
    yield places.index(out), rendering.render("index.html", page, f"{digest}/")


def _keys(gathered: Gathered) -> list[tuple[str, int, str, str]]:
    """Return key, number of the class's page, anchor there and note of each image of a class."""
    keys = []
    for split in gathered.splits:
        for index, of_class in split.classes.items():
            number = gathered.by_index[index].number
            keys += [
                (row["key"], number, anchor(split.number, row["sheet"], row["cell"]), row["repair"])
                for row in split.rows.get(of_class["sheet"], [])
            ]
    return keys
