"""Options as a person gives them, parsed: what the command and Luigi's roots share."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final

from pipeline import resources, storage
from pipeline.errors import UsageError
from pipeline.formats.registry import FACTS, FORMATS
from pipeline.images import prepare as pictures
from pipeline.images.prepare import PictureOptions
from pipeline.job.choices import meant
from pipeline.job.options import PRODUCTS, Job
from pipeline.sources import registry as sources
from pipeline.storage.local_path import check_local

NO_SHARDS = "none"
"""The format of those who want none."""
_SWITCH = (False, True)
_PICTURE_WORDS: Final[Mapping[str, Sequence[object]]] = {
    "resize_mode": pictures.MODES,
    "center_crop": _SWITCH,
    "subsampling": pictures.SUBSAMPLINGS,
    "color": (None, 0, 1),
    "encoding": (None, *pictures.ENCODINGS),
    "never_enlarge": _SWITCH,
    "filter": (None, *pictures.FILTERS),
    "engine": pictures.ENGINES,
    "orientation": (None, *pictures.ORIENTATIONS),
    "transcode": _SWITCH,
}
_PICTURE_NUMBERS: Final = {"resize": 1, "quality": 0, "max_pixels": 1}


def list_job(images: str, root: str, out: str, shards: int | None, **options: Any) -> Job:
    """Return the job that prepares a list or a folder.

    Args:
        images: the list or folder.
        root: folder of its paths; empty: its own.
        out: folder of the output.
        shards: how many, of each split; None: by the size of the pictures.
        **options: fields of `Job`.
    """
    path = Path(absolute(images))
    own = path if storage.real_folder(path) else path.parent
    job = Job(
        raw="",
        config="",
        images=str(path),
        root=absolute(root) if root else str(own),
        out=absolute(out),
        products=("shards",),
        boxes=False,
        **options,
    )
    if shards is None:
        return job
    return replace(job, shards=tuple((name, shards) for name in sources.split_names(job)))


def picture_options(text: str) -> PictureOptions:
    """Parse options of pictures.

    Raises:
        UsageError: they are no JSON object of known names.
    """
    known = {field.name for field in fields(PictureOptions)}
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not found.keys() <= known:
        expected = f"a JSON object of {', '.join(sorted(known))}"
        raise UsageError(f"--picture {text}", expected=expected, found=text)
    for name, choices in _PICTURE_WORDS.items():
        _check_words(f"--picture {name}", [found[name]] if name in found else [], choices)
    for name, least in _PICTURE_NUMBERS.items():
        number = found.get(name, least)
        whole = isinstance(number, int) and not isinstance(number, bool)
        if number is not None and not (whole and number >= least):
            raise UsageError(
                f"--picture {name}: not such a number",
                expected=f"a whole number from {least}",
                found=json.dumps(number),
            )
    return PictureOptions(**found)


def products_until(step: str, *, boxes: bool, extract: bool) -> tuple[str, ...]:
    """Return what is to be made up to a step, which is the name of a product.

    Raises:
        UsageError: there is no such step.
    """
    if step not in PRODUCTS:
        raise UsageError(f"--until {step}: unknown", expected=", ".join(PRODUCTS), found=step)
    if step == "verify":
        return ("verify",)
    wanted = {"boxes": boxes, "lists": True, "extract": extract or step == "extract"}
    upto = PRODUCTS[: PRODUCTS.index(step) + 1]
    return tuple(name for name in upto if name != "verify" and wanted.get(name, True))


def shard_formats(names: Iterable[str]) -> tuple[str, ...]:
    """Return formats by their names; ``none`` is facts without shards.

    Raises:
        UsageError: there is no such format.
    """
    given = tuple(names)
    _check_words("--format", given, (*FORMATS, NO_SHARDS))
    return tuple(FACTS if name == NO_SHARDS else name for name in given)


def _check_words(option: str, given: Iterable[object], known: Sequence[object]) -> None:
    texts = [each if isinstance(each, str) else json.dumps(each) for each in known]
    for word in given:
        # In Python 1 is True; in JSON it is not.
        if any(word == each and type(word) is type(each) for each in known):
            continue
        likely = meant(str(word), texts)
        raise UsageError(
            f"{option} {word}: unknown",
            expected=", ".join(texts),
            found=str(word),
            remedy=f"say {likely}" if likely else None,
        )


def default_config() -> str:
    """Return the path of the shipped ILSVRC2012 configuration."""
    return str(resources.shipped("config/ilsvrc2012.toml"))


def absolute(path: str, option: str = "path") -> str:
    """Return a path that means the same in every process.

    Raises:
        UsageError: it is empty, no text, or an address such as ``s3://bucket``.
    """
    check_local(path, option)
    if not path or path.encode(errors="replace").decode() != path:
        raise UsageError("a path is empty or not UTF-8", found=repr(path))
    plain, given = Path(os.path.abspath(Path(path).expanduser())), Path(path).expanduser()
    # Without "..", unless a link makes that another place.
    same = os.path.realpath(plain) == os.path.realpath(given)
    return str(plain if same else given.absolute())


def words(text: str) -> tuple[str, ...]:
    """Split a comma-separated option."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def number(option: str, text: str) -> int | None:
    """Parse a whole number; None where nothing is given.

    Raises:
        UsageError: it is none.
    """
    if not text:
        return None
    if not text.isascii() or not text.isdigit():
        raise UsageError(f"{option} {text}", expected="a whole number", found=text)
    return int(text)


def shard_counts(pairs: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    """Parse ``split=number`` pairs.

    Raises:
        UsageError: a pair is not of that form.
    """
    found = []
    for pair in pairs:
        split, equals, count = pair.partition("=")
        if not equals or not count.isascii() or not count.isdigit():
            raise UsageError(f"--shards {pair}", expected="SPLIT=NUMBER", found=pair)
        found.append((split, int(count)))
    if len(dict(found)) < len(found):
        raise UsageError("--shards is given twice for a split", found=", ".join(pairs))
    return tuple(found)
