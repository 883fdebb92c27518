"""The images in a tar: samples of WebDataset, or plain files, which are read where they stand.

Files side by side whose paths are the same up to the first dot of their last part are a sample,
until one of them would be a second of its kind. Where that gives no sample, since names have dots
of their own, those are one whose paths are the same up to the last dot. Its
class is in ``cls``, a number or a word; ``json`` may say more, in the words of this program's own
shards. Other files of a sample, such as ``txt``, are counted and not taken. A tar that is packed as
a whole is read as the plain tar in it, whose places the images have.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from pipeline import storage
from pipeline.archives import compressed, unpacking
from pipeline.archives.compressed import Look
from pipeline.archives.decompression import packing_of, plain_name
from pipeline.archives.signatures import HEAD_BYTES
from pipeline.archives.tar import Member
from pipeline.catalog import objects
from pipeline.documents.decoding import decoded
from pipeline.errors import ArchiveRefused, InputRefused, OutputDamaged
from pipeline.shards.foreign import FoundImage, Note
from pipeline.storage import Location
from pipeline.storage.clutter import in_clutter

EXTENSIONS: Final = ("jpg", "jpeg", "jpe", "png", "webp", "bmp", "gif", "tif", "tiff", "ppm")
"""What names of images end in, behind a dot."""
_LABEL, _FACTS, _TEXT = "cls", "json", "txt"
_OF_SAMPLES: Final = frozenset((_LABEL, _FACTS, _TEXT))
_OWN: Final = frozenset(("wnid", "words", "filename"))  # of this program's samples, all of them
_LARGEST: Final = 1 << 30  # bytes of a member
_MOST_DIGITS: Final = 20  # of a class; fewer than of the largest one are enough to refuse it
Part = tuple[Member, bytes]
"""A file of an archive, and its content."""


def images(path: Location, note: Note, look: Look = lambda _view: None) -> Iterator[FoundImage]:
    """Yield the images of a tar in order.

    Args:
        path: of the tar, packed or not.
        note: is told of samples without an image, and of files that are no part of one.
        look: shown the bytes of the file, in order.

    Raises:
        ArchiveRefused: it is cut short or damaged, or no tar, or not packed as its name says.
        InputRefused: a label or JSON in it cannot be understood.
    """
    _check_packing(path)
    yield from samples(path, _files(path, note, look), note)


def _check_packing(path: Location) -> None:
    """Check that a tar is packed if its name says so, and only then.

    Raises:
        ArchiveRefused: it is otherwise.
    """
    with storage.open_ranges(path) as reader:
        head = bytes(reader.read(0, HEAD_BYTES))
    packing = packing_of(head)
    if packing is None and plain_name(path.name) is not None:
        raise unpacking.not_packed(path, head)
    if packing is not None and plain_name(path.name) is None:
        raise ArchiveRefused(
            "a packed tar has the name of a plain one",
            file=str(path),
            place="its first bytes",
            expected="a tar, whose images are read where they stand",
            found=f"data that {packing.name} has packed",
            remedy=f"give it the name {path.name}.{packing.suffix}: then it is unpacked once",
        )


def samples(path: Location, files: Iterable[Part], note: Note) -> Iterator[FoundImage]:
    """Yield the images among the files of an archive, in its order; errors as of `images`."""
    for _, members in groupby(files, lambda part: _sample(part[0].name)):
        for each in _once(members):
            yield from _of_sample(path, each, note)


def _once(members: Iterable[Part]) -> Iterator[list[Part]]:
    """Divide files of one name where one ends as an earlier one does: a sample of the same name."""
    sample, ends = list[Part](), set[str]()
    for part in members:
        end = _field(part[0].name)
        if end in ends:
            yield sample
            sample, ends = [], set()
        sample.append(part)
        ends.add(end)
    yield sample


def _files(path: Location, note: Note, look: Look) -> Iterator[Part]:
    for member, content in compressed.read_members(path, largest=_LARGEST, look=look):
        if in_clutter(member.name.removeprefix("./")):
            note("a hidden or system name", member.name)
        elif content is None:
            what = "a link or device" if member.kind != "file" else "a file of over 1 GiB"
            note(what, f"{path}: {member.name}")
        else:
            yield member, content


def _sample(name: str) -> str:
    """Return the path of a member up to the first dot of its last part."""
    folder, slash, base = name.rpartition("/")
    return f"{folder}{slash}{base[:1]}{base[1:].partition('.')[0]}"


def _of_sample(path: Location, members: list[Part], note: Note) -> Iterator[FoundImage]:
    fields = {_field(member.name): (member, content) for member, content in members}
    if _OF_SAMPLES.isdisjoint(fields) and any(_end(part) in _OF_SAMPLES for part in members):
        for each in _up_to_last_dot(members):
            yield from _of_files(path, each, {_end(part): part for part in each}, note)
    else:
        yield from _of_files(path, members, fields, note)


def _of_files(
    path: Location, members: list[Part], fields: Mapping[str, Part], note: Note
) -> Iterator[FoundImage]:
    """Yield the images among files of one name; `fields` has each of these by what it is of it."""
    stored = [part for part in members if _end(part) in EXTENSIONS]
    is_sample = not _OF_SAMPLES.isdisjoint(fields)
    place = f"{path}: {members[0][0].name}"
    if not stored:
        note("a sample without an image" if is_sample else "a file that is no image", place)
        return
    if is_sample and len(stored) > 1:
        first = [part for part in stored if _field(part[0].name) in EXTENSIONS] or stored
        note("one more image of a sample, which is not taken", place)
        stored = first[:1]
    if _TEXT in fields:
        note("a text of a sample, which is not taken", place)
    for part in members:
        if _end(part) not in EXTENSIONS and part not in map(fields.get, _OF_SAMPLES):
            note("a file beside an image, which is not taken", f"{path}: {part[0].name}")
    said = _said(path, fields, note) if is_sample else {}
    if _FACTS in fields and not said:
        note("JSON of a sample that says nothing that is taken", place)
    for member, content in stored:
        if not content:
            note("an image of no bytes", f"{path}: {member.name}")
            continue
        yield FoundImage(name=member.name, offset=member.offset, encoded=content, **said)


def _up_to_last_dot(members: Iterable[Part]) -> list[list[Part]]:
    """Return files in groups whose paths are the same up to the last dot, in their order."""
    groups: dict[str, list[Part]] = {}
    for part in members:
        groups.setdefault(part[0].name.rpartition(".")[0], []).append(part)
    return list(groups.values())


def _end(part: Part) -> str:
    """Return what is behind the last dot of the name of a file, in lower case."""
    return _field(part[0].name).rpartition(".")[2]


def _field(name: str) -> str:
    """Return what names a file in its sample: all behind the first dot, in lower case."""
    base = name.rpartition("/")[2]
    return base[1:].partition(".")[2].lower()


def _said(path: Location, fields: Mapping[str, Part], note: Note) -> dict[str, Any]:
    """Return what a sample says of its image: fields of `FoundImage`."""
    said: dict[str, Any] = {}
    if _FACTS in fields:
        said |= _facts(path, *fields[_FACTS], note)
    if _LABEL in fields:
        member, content = fields[_LABEL]
        try:
            text = content.decode().strip()
        except UnicodeDecodeError:
            raise _refused(
                path, member, "a class that is not UTF-8", "a number or a word"
            ) from None
        digits = text.removeprefix("-")
        if digits.isascii() and digits.isdigit():
            number = int(digits.lstrip("0")[:_MOST_DIGITS] or "0")
            said["label"] = None if number and digits != text else number
        elif text:
            said["class_text"] = text
    return said


def _facts(path: Location, member: Member, content: bytes, note: Note) -> dict[str, Any]:
    try:
        facts = decoded(content, dict[str, Any], Path(member.name))
    except OutputDamaged as error:
        raise _refused(path, member, "JSON that cannot be read", "an object", error.found) from None
    said: dict[str, Any] = {}
    for key, name in (("wnid", "class_id"), ("words", "class_text"), ("filename", "filename")):
        if isinstance(facts.get(key), str):
            said[name] = facts[key]
    labels, boxes = (facts.get(name) or [] for name in ("labels", "boxes"))
    if not isinstance(labels, list) or not all(map(_is_number, labels)):
        note("labels in JSON that are no numbers, which are not taken", f"{path}: {member.name}")
    elif labels:
        said["labels"] = tuple(map(float, labels))
    is_box = _is_box if facts.keys() >= _OWN else _is_box_of_fractions
    if not isinstance(boxes, list) or not all(map(is_box, boxes)):
        what = "boxes in JSON that are no corners in fractions of the image, which are not taken"
        note(what, f"{path}: {member.name}")
    elif boxes:
        said["boxes"] = tuple(tuple(map(float, box)) for box in boxes)
        said |= _objects(facts.get("objects"), len(boxes))
    return said


def _objects(listed: object, count: int) -> dict[str, Any]:
    """Return what the objects of this program's own samples say of as many boxes."""
    if not isinstance(listed, list) or len(listed) != count or not all(map(_is_object, listed)):
        return {}
    return {
        "box_classes": tuple(each.get("class_index", -1) for each in listed),
        "box_ids": tuple(each.get("class_id", "") for each in listed),
        "flags": tuple(
            sum(objects.FLAGS.get(name, 0) for name in set(each.get("flags", ())))
            for each in listed
        ),
    }


def _is_object(found: object) -> bool:
    if not isinstance(found, dict):
        return False
    index, flags = found.get("class_index", -1), found.get("flags", [])
    is_index = isinstance(index, int) and not isinstance(index, bool)
    return (
        is_index
        and -1 <= index <= objects.LARGEST_CLASS
        and isinstance(found.get("class_id", ""), str)
        and isinstance(flags, list)
        and all(isinstance(name, str) for name in flags)
    )


def _is_box(box: object) -> bool:
    return isinstance(box, list) and len(box) == len(objects.CORNERS) and all(map(_is_number, box))


def _is_box_of_fractions(box: Any) -> bool:
    """Whether a box is one as this program's samples have it, and not one in pixels, say."""
    return _is_box(box) and 0 <= box[0] <= box[2] <= 1 and 0 <= box[1] <= box[3] <= 1


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _refused(
    path: Location, member: Member, what: str, expected: str, found: str | None = None
) -> InputRefused:
    return InputRefused(
        what,
        file=str(path),
        place=member.name,
        expected=expected,
        found=found,
        remedy="correct it, or leave the sample out of the tar",
    )
