"""How samples are found in WebDataset shards: by name, by DALI's indexes, by the index of wids.

Sources: webdataset 1.0.2, tariterators.py, for names; NVIDIA DALI's wds2idx for the index of one
shard; wids, which came with webdataset up to 0.2.111, wids_index.py, for that of a whole output.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote, unquote

from pipeline.formats.ustar import BLOCK


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
    dot at its end, encoded too. No two keys have the same name: `sample_key` is the inverse.

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
    return f"%{ord(name[0]):02X}{name[1:]}" if name.startswith(("/", "__")) else name


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


def _shard_entry(shard: ShardFacts) -> dict[str, str | int]:
    md5 = {} if shard.md5 is None else {"md5sum": shard.md5}
    return {"url": shard.url, **md5, "nsamples": shard.samples, "filesize": shard.size}
