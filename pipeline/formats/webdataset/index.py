"""How samples are found in WebDataset shards: by name, by DALI's indexes, by the index of wids.

Sources: webdataset 1.0.2, tariterators.py, for names; NVIDIA DALI's wds2idx for the index of one
shard; wids, which came with webdataset up to 0.2.111, wids_index.py, for that of a whole output.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple
from urllib.parse import quote, unquote

import xxhash

from pipeline.formats.webdataset.ustar import BLOCK

_PART_BYTES: Final = 255 - len(".json")  # of a part of a name, so that file systems take it
_PATH_BYTES: Final = 3072  # of a whole name; Linux takes 4,096 with the folder it lies in
_SHORTENED: Final = "%~"  # no encoding has it


class Member(NamedTuple):
    """A member of a shard: its name, where its data begin and how long they are, in bytes."""

    name: str
    offset: int
    size: int

    @property
    def end(self) -> int:
        """Where its padding ends and the next header begins."""
        return self.offset + self.size + -self.size % BLOCK


@dataclass(frozen=True, slots=True)
class ShardFacts:
    """What the index of wids says of a shard.

    Attributes:
        url: where it is, relative to the index; plain ASCII, such as a file's name.
        samples: how many it holds.
        size: bytes.
        md5: in hex; None is left out: wids itself compares it with nothing.
    """

    url: str
    samples: int
    size: int
    md5: str | None = None


def sample_name(key: str, suffix: str = ".JPEG") -> str:
    """Return what precedes the extensions of an image's members: its ``__key__``.

    webdataset and DALI part a name at the first dot of its last component, webdataset leaves out
    what is below ``__NAME__/``, and white space parts the fields of DALI's index. So all but ASCII
    letters, digits and ``-_~/`` is percent-encoded (RFC 3986), and so are a first ``/`` and the
    first of two ``_``. The suffix is left out where its dot is the only one of the last component:
    ``n01440764/n01440764_18.JPEG`` is ``n01440764/n01440764_18``. A key without a suffix gets a
    dot at its end, encoded too. No two keys have the same name: `sample_key` is the inverse, but
    for names that are shortened.

    A part of a name that no file system takes, of more than 255 bytes with the longest extension,
    ends in ``%~`` and the xxh3-128 of all of it instead, which no encoding does; and where a whole
    name is longer than a path may be, its folders are such a hash together.

    Args:
        key: as in `ImageRecord`.
        suffix: what the keys of the data set end in: a dot, and anything but dots and slashes.
    """
    stem, dot, extension = key.rpartition("/")[2].rpartition(".")
    if stem and dot + extension == suffix and "." not in stem:
        key = key.removesuffix(suffix)
    elif not extension or not dot:
        key += "."
    name = quote(key).replace(".", "%2E")
    name = f"%{ord(name[0]):02X}{name[1:]}" if name.startswith(("/", "__")) else name
    return name if len(name) <= _PART_BYTES else _shortened(name)


def is_shortened(name: str) -> bool:
    """Whether a sample's name is not all of its key; it is in ``filename``, but for its folders."""
    return _SHORTENED in name


def sample_key(name: str, suffix: str = ".JPEG") -> str:
    """Return the key whose `sample_name` this is."""
    key = unquote(name)
    return key.removesuffix(".") if "." in key.rpartition("/")[2] else key + suffix


def index_line(members: Sequence[Member]) -> bytes:
    """Return the line of a DALI index that says where the members of one sample are.

    It is ``<extension> <offset of the data> <size> <name>`` of each, side by side.
    """
    fields = (f"{name[name.rindex('.') + 1 :]} {at} {size} {name}" for name, at, size in members)
    return f"{' '.join(fields)}\n".encode()


def index_content(lines: Sequence[bytes]) -> bytes:
    """Return the content of the DALI index of a shard; DALI refuses one of no lines."""
    return b"v1.2 %d\n" % len(lines) + b"".join(lines)


def wids_index(shards: Iterable[ShardFacts], *, name: str) -> bytes:
    """Return the index by which wids finds sample N of an output, counted from 0 over its shards.

    Args:
        shards: in the order in which their samples are counted; wids refuses none at all.
        name: of the data set.
    """
    document = {
        "__kind__": "wids-shard-index-v1",
        "wids_version": 1,
        "shardlist": [_shard_entry(shard) for shard in shards],
        "name": name,
    }
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def _shortened(name: str) -> str:
    """Return a name whose parts, and whose whole, a file system takes."""
    *folders, last = [
        part if len(part) <= _PART_BYTES else _cut(part, _PART_BYTES) for part in name.split("/")
    ]
    whole = "/".join([*folders, last])
    return whole if len(whole) <= _PATH_BYTES else f"{_cut(name, _PART_BYTES)}/{last}"


def _cut(part: str, size: int) -> str:
    """Return the beginning of a part, no encoded byte of it cut in two, and the hash of all."""
    end = f"{_SHORTENED}{xxhash.xxh3_128_hexdigest(part.encode())}"
    start = part.replace("/", "-")[: size - len(end)]
    cut = start.rfind("%", len(start) - 2)
    return f"{start[:cut] if cut >= 0 else start}{end}"


def _shard_entry(shard: ShardFacts) -> dict[str, str | int]:
    md5 = {} if shard.md5 is None else {"md5sum": shard.md5}
    return {"url": shard.url, **md5, "nsamples": shard.samples, "filesize": shard.size}
