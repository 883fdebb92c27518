"""What a shard says of an image, whichever program wrote it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from pipeline.catalog.objects import Box
from pipeline.storage import Buffer, Location

Note: TypeAlias = Callable[[str, str], None]
"""What is told of a record that has no image: what is odd about it, and where it stands."""


@dataclass(frozen=True, slots=True)
class FoundImage:
    """An image in a shard of any program.

    Attributes:
        name: what the shard calls it, perhaps a path; "": nothing.
        offset: where its bytes stand in the file, in bytes.
        encoded: these; a view that is valid until the next image is read.
        label: its class as a number, as it stands there; None: there is none.
        class_id: the id of its class, such as a WNID; "": none.
        class_text: its class in words; "": none.
        filename: of the image, where the shard says it apart from the name; "": it does not.
        labels: all of its labels, where they are not one whole number; else empty.
        boxes: of its objects, fractions of width and height.
        box_classes: the class of each object, as `label`; empty: all are of the image's class.
        box_ids: the id of the class of each object; empty: nobody says.
        flags: of each object, bits as of `catalog.objects`; empty: nobody says.
        source: the file that its bytes stand in, relative to the folder that names of shards are
            relative to; "": the shard itself.
    """

    name: str
    offset: int
    encoded: Buffer
    label: int | None = None
    class_id: str = ""
    class_text: str = ""
    filename: str = ""
    labels: tuple[float, ...] = ()
    boxes: tuple[Box, ...] = ()
    box_classes: tuple[int, ...] = ()
    box_ids: tuple[str, ...] = ()
    flags: tuple[int, ...] = ()
    source: str = ""


class ReadsOthers(ABC):
    """A format that reads shards of any program, not only those that it writes itself."""

    ends: ClassVar[tuple[str, ...]] = ()
    """What names of shards end in, in lower case, where the first bytes do not tell them."""
    plain_name: ClassVar[str] = ""
    """What all shards are called that no split names; "": there is no such name."""

    @abstractmethod
    def is_shard(self, head: bytes) -> bool:
        """Whether a file that begins so is a shard of this format."""

    @abstractmethod
    def images(self, path: Location, note: Note) -> Iterator[FoundImage]:
        """Yield the images of a shard, in order.

        Args:
            path: of the shard.
            note: is told of records without an image.

        Raises:
            OutputDamaged: the shard is cut short or damaged.
            InputRefused: it holds an image that does not stand in one piece.
        """

    def shards_beside(self, path: Location) -> tuple[str, ...]:
        """Return the names of the shards that should be in the folder of one; (): nobody says.

        Raises:
            InputRefused: what says so cannot be read.
        """
        del path
        return ()
