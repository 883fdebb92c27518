"""What is asked for of many small files or objects, and what became of each."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field


class Result(enum.Enum):
    """What became of an object that was asked for."""

    WHOLE = "its bytes have come"
    SAME = "it is the one that is there already"
    MISSING = "there is no such object"
    FORBIDDEN = "it is not given out"
    UNUSABLE = "what is sent is not what was asked for"
    FAILED = "there was no right answer"


@dataclass(frozen=True)
class Asked:
    """An object that is wanted.

    Attributes:
        name: what stands below the root.
        md5: in hex, of the bytes that are there already; "": none are.
    """

    name: str
    md5: str = ""


@dataclass(frozen=True)
class Received:
    """The answer for one object that was asked for.

    Attributes:
        asked: the object.
        url: its address, without anything secret.
        result: what became of it.
        status: of HTTP, of the last answer; 0: there was none.
        tries: how often it was asked for.
        body: its bytes; empty where none are wanted.
        md5: of the body, in hex.
        etag: as the last answer has it, without quotes.
        detail: why there is no body, for people.
    """

    asked: Asked
    url: str
    result: Result
    status: int = 0
    tries: int = 1
    body: memoryview = field(default=memoryview(b""), repr=False)
    md5: str = ""
    etag: str = ""
    detail: str = ""
