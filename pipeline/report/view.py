"""What the pages say, as data: templates only lay it out."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.finished.outputs import Damage
from pipeline.report.charts import Chart


@dataclass(frozen=True)
class BoxView:
    """A box on a thumbnail, in pixels of its sheet."""

    x: float
    y: float
    width: float
    height: float
    color: str
    label: str


@dataclass(frozen=True)
class ImageView:
    """An image on a sheet; addresses are relative to the page that shows it.

    Attributes:
        anchor: its id on a page.
        key: of the image.
        facts: size, bytes and mode, in words.
        labels: what an image list says of it; "": no more than its class.
        repair: why its bytes were changed; "": they were not.
        chips: what its boxes are of.
        sheet: address of the sheet.
        sheet_width: in pixels; so is `sheet_height`.
        x: of its left column on the sheet; so are `y`, `width` and `height`.
        masks: address of the masks on the sheet; "": there are none.
        boxes: of its objects.
        full: address of the image as it is stored; "": it is not copied.
        command: writes it to a file; "": there is nothing to write.
        damaged: why there is nothing to show; "": there is.
    """

    anchor: str
    key: str
    facts: str
    labels: str
    repair: str
    chips: tuple[str, ...]
    sheet: str
    sheet_width: int
    sheet_height: int
    x: int
    y: int
    width: int
    height: int
    masks: str
    boxes: tuple[BoxView, ...]
    full: str
    command: str
    damaged: str


@dataclass(frozen=True)
class SplitLine:
    """A split in the table of splits."""

    name: str
    number: int
    images: int
    classes: int
    bytes: str
    boxes: int
    repaired: int
    left_out: int
    formats: tuple[str, ...]


@dataclass(frozen=True)
class CountIn:
    """How many images of a class a split has."""

    name: str
    number: int
    images: int


@dataclass(frozen=True)
class ClassCard:
    """A class on the first page."""

    name: str
    label: str
    find: str
    images: int
    page: str
    sheet: str
    sheet_width: int
    sheet_height: int
    splits: tuple[CountIn, ...]


@dataclass(frozen=True)
class EmptyClass:
    """A class that no image is of; `find`: what it is found by."""

    name: str
    label: str
    find: str


@dataclass(frozen=True)
class RepairedPart:
    """The repaired images of a split."""

    name: str
    total: int
    shown: int
    reasons: str
    images: tuple[ImageView, ...]


@dataclass(frozen=True)
class LeftOutRow:
    """An image that is in no shard."""

    key: str
    reason: str
    source: str


@dataclass(frozen=True)
class LeftOutPart:
    """The images of a split that are in no shard."""

    name: str
    total: int
    shown: int
    rows: tuple[LeftOutRow, ...]


@dataclass(frozen=True)
class OutputLine:
    """An output in the table of outputs."""

    place: str
    shards: str
    records: str
    bytes: str
    state: str
    links: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class InputLine:
    """What a split was made of."""

    split: str
    name: str
    hash: str


@dataclass(frozen=True)
class FileLine:
    """A file beside the outputs."""

    name: str
    link: str
    bytes: str


@dataclass(frozen=True)
class IndexPage:
    """The first page; addresses are relative to it.

    `stored` says how images are stored that are neither repaired nor left out, and `duplicates` how
    many of those there are; "": nobody has looked for any.
    """

    title: str
    lead: str
    digest: str
    shown: int
    damage: tuple[Damage, ...]
    splits: tuple[SplitLine, ...]
    classes: tuple[ClassCard, ...]
    empty_classes: tuple[EmptyClass, ...]
    charts: tuple[Chart, ...]
    repairs: tuple[RepairedPart, ...]
    left_out: tuple[LeftOutPart, ...]
    stored: str
    dropped: tuple[str, ...]
    outputs: tuple[OutputLine, ...]
    inputs: tuple[InputLine, ...]
    products: tuple[FileLine, ...]
    duplicates: str


@dataclass(frozen=True)
class Neighbour:
    """The class before or after another one."""

    name: str
    link: str


@dataclass(frozen=True)
class ClassSplit:
    """The images of a class in a split; `why_none`: what stands there if none is shown."""

    name: str
    number: int
    summary: str
    images: tuple[ImageView, ...]
    why_none: str


@dataclass(frozen=True)
class ClassPage:
    """The page of a class."""

    name: str
    label: str
    before: Neighbour | None
    after: Neighbour | None
    has_boxes: bool
    has_masks: bool
    splits: tuple[ClassSplit, ...]


@dataclass(frozen=True)
class StepLine:
    """What a step took."""

    name: str
    tasks: int
    work: str
    images: str
    bytes: str
    share: float
    percent: str


@dataclass(frozen=True)
class RunPage:
    """The page of commands and costs."""

    commands: tuple[str, ...]
    steps: tuple[StepLine, ...]
