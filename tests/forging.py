"""Documents of an output folder, forged field by field and sealed again."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pipeline import manifest, paths, storage

Place = tuple[str | int, ...]
"""The keys and the numbers that lead to a value of a document."""

LONG: Final = "x" * (1 << 20)
ESCAPES: Final = "\x1b[2J\x1b]0;title\x07everything is as it was written\n"
VALUES: Final[tuple[object, ...]] = (
    *(None, [1], {"a": 1}, [[[]]], -1, 0, 10**30, True, 1.5, 1e308),
    *("", "..", "../x", "/etc/passwd", "a/../../x", "a\0b", ESCAPES, LONG),
)
"""What a field is replaced with. NaN is no JSON: nothing that holds one can be sealed."""


@dataclass(frozen=True)
class Forgery:
    """A document of an output folder in which a value was replaced.

    Attributes:
        path: its file.
        place: of the value.
        value: what stands there now.
        document: the whole, without its seal.
    """

    path: Path
    place: Place
    value: object
    document: Mapping[str, Any]

    @property
    def content(self) -> bytes:
        """The document as it is written, sealed."""
        return manifest.serialise(self.document)

    def __str__(self) -> str:
        return f"{self.path.parent.name}/{self.path.name} {self.place} = {str(self.value)[:40]!r}"


def sealed(out: Path) -> list[Path]:
    """Return every sealed document of an output folder."""
    found = [path for path in out.rglob("*.json") if paths.runs(out) not in path.parents]
    return sorted(path for path in found if "current" not in path.parts and _is_sealed(path))


def unsealed(out: Path) -> list[Path]:
    """Return what commands have noted of themselves: a JSON document a file, or one a line."""
    return sorted(each for each in paths.runs(out).rglob("*.json*") if each.stat().st_size)


def forgeries(path: Path) -> Iterator[Forgery]:
    """Yield a sealed document with each of its values replaced by each of `VALUES`, and absent."""
    document = manifest.load(path)
    for place in _places(document):
        for value in VALUES:
            yield Forgery(path, place, value, _with(document, place, value))
        yield Forgery(path, place, "absent", _with(document, place))
    if "job" in document:  # a document in a document
        job = json.loads(document["job"])
        for place in _places(job):
            for value in VALUES:
                text = json.dumps(_with(job, place, value))
                yield Forgery(path, ("job", *place), value, {**document, "job": text})


def unsealed_forgeries(path: Path) -> Iterator[bytes]:
    """Yield what `forgeries` does of the first line of a document without a seal; NaN, too."""
    document = json.loads(storage.read_bytes(path).splitlines()[0])
    for place in _places(document):
        for value in (*VALUES, float("nan"), float("inf")):
            yield json.dumps(_with(document, place, value)).encode()
    yield from (b"[" * 100_000, b"\xff\xfe", b"{}", b"[]", b"7", b'"\\ud800"')


def _is_sealed(path: Path) -> bool:
    return b'"self_xxh3_128"' in path.read_bytes()


def _places(value: object, place: Place = ()) -> Iterator[Place]:
    """Yield where the values of a document stand; of a list, those of its first element."""
    if place:
        yield place
    if isinstance(value, dict):
        for key, each in value.items():
            if key != "self_xxh3_128":
                yield from _places(each, (*place, key))
    elif isinstance(value, list) and value:
        yield from _places(value[0], (*place, 0))


def _with(document: dict[str, Any], place: Place, *value: object) -> dict[str, Any]:
    """Return a document with another value at a place, or without it."""
    changed = copy.deepcopy(document)
    parent: Any = changed
    for key in place[:-1]:
        parent = parent[key]
    if value:
        parent[place[-1]] = value[0]
    else:
        del parent[place[-1]]
    return changed
