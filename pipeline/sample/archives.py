"""Draws the archives of the sample: tars in the shapes of ILSVRC2012's.

A class is given by its WNID everywhere; what an image shows depends on the seed and on its own
name, so that one archive is the same whatever else is drawn.
"""

from __future__ import annotations

import gzip
import io
import random
import tarfile
from collections.abc import Mapping, Sequence

from pipeline.catalog.classes import LabelTable
from pipeline.sample.annotations import Defect, annotate, annotation_xml, spoil
from pipeline.sample.shapes import Drawing, Encoding, draw_image

_MTIME = 1325376000  # 2012-01-01


def chance(seed: int, subject: str) -> random.Random:
    """Return the random generator that decides one thing about the sample."""
    return random.Random(f"{seed}/{subject}")  # noqa: S311 - drawing, no secret


def draw_train(
    table: LabelTable,
    stems: Mapping[str, Sequence[str]],
    odd: Mapping[str, Encoding],
    defects: Mapping[str, Defect],
    seed: int,
) -> tuple[bytes, bytes]:
    """Return a tar of class tars, and a tar.gz of its annotations.

    Args:
        table: the label table.
        stems: class -> its images' names without suffix.
        odd: the images that are not encoded as usual, by that name.
        defects: the annotations that are not right, likewise.
        seed: other images for another seed.
    """
    class_tars: dict[str, bytes] = {}
    annotations: dict[str, bytes | None] = {}
    for wnid, group in stems.items():
        members = {}
        annotations[wnid] = None
        for stem in group:
            image = _draw(table, wnid, stem, seed, odd.get(stem, "usual"))
            members[f"{stem}.JPEG"] = image.encoded
            annotation = annotate(image, wnid, wnid, stem)
            if stem in defects:
                rivals = [other for other in table.class_ids if other != wnid]
                annotation = spoil(
                    annotation,
                    defects[stem],
                    common_name=_first_word(table, wnid),
                    other_class=chance(seed, f"{stem}/other class").choice(rivals),
                )
            annotations[f"{wnid}/{stem}.xml"] = annotation_xml(annotation)
        class_tars[f"{wnid}.tar"] = _tar(members)
    return _tar(class_tars), gzip.compress(_tar(annotations), mtime=0)


def draw_validation(table: LabelTable, truth: Sequence[str], seed: int) -> tuple[bytes, bytes]:
    """Return a flat tar out of name order, and a tar.gz of its annotations.

    Args:
        table: the label table.
        truth: the class of each image, from the first.
        seed: other images for another seed.
    """
    images = {}
    annotations: dict[str, bytes | None] = {"val": None}
    for number in _even_first(len(truth)):
        stem, wnid = f"ILSVRC2012_val_{number:08d}", truth[number - 1]
        image = _draw(table, wnid, stem, seed)
        images[f"{stem}.JPEG"] = image.encoded
        annotations[f"val/{stem}.xml"] = annotation_xml(annotate(image, wnid, "val", stem))
    return _tar(images), gzip.compress(_tar(annotations), mtime=0)


def draw_test(table: LabelTable, truth: Sequence[str], seed: int) -> bytes:
    """Return a tar of one folder, ``test``; arguments as of `draw_validation`."""
    members: dict[str, bytes | None] = {"test": None}
    for number in _even_first(len(truth)):
        stem = f"ILSVRC2012_test_{number:08d}"
        members[f"test/{stem}.JPEG"] = _draw(table, truth[number - 1], stem, seed).encoded
    return _tar(members)


def _draw(
    table: LabelTable, wnid: str, stem: str, seed: int, encoding: Encoding = "usual"
) -> Drawing:
    return draw_image(chance(seed, stem), wnid, _words(table, wnid), encoding=encoding)


def _words(table: LabelTable, wnid: str) -> str:
    return table.words[table.index[wnid]]


def _first_word(table: LabelTable, wnid: str) -> str:
    return _words(table, wnid).partition(",")[0]


def _even_first(count: int) -> list[int]:
    """The numbers 1 to `count`, the even ones first."""
    return sorted(range(1, count + 1), key=lambda number: number % 2)


def _tar(members: Mapping[str, bytes | None]) -> bytes:
    """Return an uncompressed tar with the members in the order given; None makes a folder."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.mtime = _MTIME
            member.mode = 0o644 if content is not None else 0o755
            member.type = tarfile.REGTYPE if content is not None else tarfile.DIRTYPE
            member.size = len(content or b"")
            tar.addfile(member, io.BytesIO(content or b""))
    return output.getvalue()
