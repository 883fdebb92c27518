"""The options that say what is wanted of Open Images, and how it is collected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

from msgspec import Meta

from pipeline.documents.values import Key, Place, one_of

VERSIONS: Final = ("v6", "v7")
"""Versions of Open Images: they differ in the names of classes, not in images and annotations."""
BY: Final = ("boxes", "masks", "labels")
"""What an image has to have of a class to be selected."""
FLAGS: Final = ("occluded", "truncated", "group-of", "depiction", "inside")
"""Flags of boxes, as options name them."""
MASK_SIZES: Final = ("stored", "image")
"""Masks as the archives have them, or of exactly the size of their image."""
COLLECTING: Final = ("metadata", "select", "masks", "images")
"""The steps of collecting, in the order of doing; each can be the last."""
UNTIL: Final = (*COLLECTING, "plan", "shards")
MOST_TRIES: Final = 100
MOST_IMAGES: Final = 99_999_999


@dataclass(frozen=True)
class SelectionOptions:
    """What is wanted of Open Images, as given; paths are absolute. The default wants nothing.

    Attributes:
        classes: chosen classes, MIDs or names.
        classes_file: file of more of them, one a line; "": none.
        with_subclasses: whether the subclasses of each are chosen, too.
        merge_subclasses: whether the objects of subclasses become objects of the chosen class.
        exclude: classes that are not chosen, whatever else says so.
        class_order: file of the chosen classes in the order of their indexes; "": by MID.
        version: one of `VERSIONS`.
        by: one of `BY`.
        boxes: whether boxes are read.
        masks: whether masks are collected.
        image_labels: whether labels of whole images are read.
        all_objects: whether objects of other classes on the selected images are kept.
        negatives: how many images are added that are verified not to show a class, of each class
            and split.
        limit: most images of a class and split; None: all.
        ids: file of the only images that can be selected; "": any.
        drop_boxes: flags of `FLAGS`; a box that has one is dropped.
        drop_images: flags; an image with a box of a chosen class that has one is not selected.
        mask_size: one of `MASK_SIZES`.
        bucket: where the images lie, an address or a folder; "": as the configuration says.
        offline: whether nothing is fetched but what lies in `bucket`, if that is a folder.
        tries: how often an image is asked for, at most.
        retry_absent: whether images are asked for again that were absent, forbidden or bad.
        check_pixels: whether each image is decoded when it is collected.
        recipe: whether the files of the manual recipe are written for any number of classes.
        until: the last step, of `UNTIL`.
    """

    classes: tuple[Key, ...] = ()
    classes_file: Place = ""
    with_subclasses: bool = False
    merge_subclasses: bool = False
    exclude: tuple[Key, ...] = ()
    class_order: Place = ""
    version: Annotated[str, one_of(VERSIONS)] = VERSIONS[0]
    by: Annotated[str, one_of(BY)] = BY[0]
    boxes: bool = True
    masks: bool = False
    image_labels: bool = False
    all_objects: bool = False
    negatives: Annotated[int, Meta(ge=0, le=MOST_IMAGES)] = 0
    limit: Annotated[int, Meta(ge=1, le=MOST_IMAGES)] | None = None
    ids: Place = ""
    drop_boxes: tuple[Annotated[str, one_of(FLAGS)], ...] = ()
    drop_images: tuple[Annotated[str, one_of(FLAGS)], ...] = ()
    mask_size: Annotated[str, one_of(MASK_SIZES)] = MASK_SIZES[0]
    bucket: Place = ""
    offline: bool = False
    tries: Annotated[int, Meta(ge=1, le=MOST_TRIES)] = 8
    retry_absent: bool = False
    check_pixels: bool = False
    recipe: bool = False
    until: Annotated[str, one_of(UNTIL)] = UNTIL[-1]

    @property
    def is_given(self) -> bool:
        """Whether anything of Open Images is wanted."""
        return bool(self.classes or self.classes_file)

    def reaches(self, step: str) -> bool:
        """Whether a step of `UNTIL` is done: it is the last one, or before it."""
        return UNTIL.index(step) <= UNTIL.index(self.until)


NOTHING: Final = SelectionOptions()
