"""Decodes documents into the structs of their kinds; nothing else does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from pipeline.errors import OutputDamaged

if TYPE_CHECKING:  # storage reads documents, too
    from pipeline.storage import Location

REMEDY: Final = "remove the file and run the shardmill command again: it is made anew"
_PATTERN: Final = re.compile(r" matching regex .*?(?= - at |\Z)", re.DOTALL)
_AT: Final = re.compile(r" - at (?P<place>.*)\Z", re.DOTALL)

Kind = TypeVar("Kind")


def fitted(document: object, kind: type[Kind], path: Location, remedy: str = REMEDY) -> Kind:
    """Return plain data as a struct whose every field was checked.

    Args:
        document: as JSON was parsed.
        kind: a struct whose fields have types of `pipeline.documents.values`.
        path: where it lies, for errors.
        remedy: what the user can do.

    Raises:
        OutputDamaged: a field is absent, or is not what its type says.
    """
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        raise _misfit(str(error), path, remedy) from error


def decoded(content: bytes | str, kind: type[Kind], path: Location, remedy: str = REMEDY) -> Kind:
    """Return JSON that carries no seal as a struct whose every field was checked.

    Raises:
        OutputDamaged: it is no JSON, or does not fit; see `fitted`.
    """
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise _misfit(str(error), path, remedy) from error


def _misfit(said: str, path: Location, remedy: str) -> OutputDamaged:
    """Return the error of a document of another form, from what the decoder said of it."""
    said = _PATTERN.sub(" of its form", said)
    place = _AT.search(said)
    return OutputDamaged(
        "a document of another form than this version writes",
        file=str(path),
        place=place["place"] if place else None,
        found=_AT.sub("", said),
        remedy=f"{remedy}; or another version of shardmill wrote it, which reads it",
    )
