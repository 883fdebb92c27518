"""Pure functions that spell where the files of Open Images lie below an output folder.

::

    OUT/
      images/<split>/<ImageID>.jpg                        as the bucket has them
      masks/<split>/<MaskPath>                            as the archives have them
      masks_image_size/<split>/<MaskPath>                 as large as their images, if asked for
      downloader_IDs_for_<class>_<split>.txt              lists for the official downloader
      csv/<split>/<class>_annotations.csv, _boxes.csv     rows of masks and boxes of a class
      annotations/<split>.parquet  attribution/<split>.csv  failures/<split>.csv, .txt
      raw/                                                metadata and mask archives, by default
      .shardmill/openimages/files/                        what published files are, a mark each


      .shardmill/openimages/requests/                     which selections were asked for
      .shardmill/openimages/selections/<split>-<selection>/  what is chosen, and its mark
      .shardmill/openimages/recipes/<split>/              of which selection lists and rows are
      .shardmill/openimages/failures/                     of which images the lists of failures are
      .shardmill/openimages/masks/<split>-<selection>/    what came of the masks, a table a digit
      .shardmill/openimages/masks_image_size/…            the same of masks as large as images
      .shardmill/openimages/archives/                     what is in the archives of masks
      .shardmill/openimages/images/<split>-<selection>/   what came of the images, a table a group

A selection is named by the digest of what chooses its rows.
"""

from __future__ import annotations

from typing import Final

from pipeline import paths
from pipeline.storage import Where, below, with_suffix

SPLITS: Final = ("train", "validation", "test")
"""The splits, as the bucket and the archives name them."""
DIGITS: Final = "0123456789abcdef"
"""First digits of ImageIDs: an archive of masks has the images of one."""


def raw(out: Where) -> Where:
    """The folder of metadata and mask archives, where no other is named."""
    return below(out, "raw")


def images(out: Where, split: str) -> Where:
    """The folder of a split's images."""
    return below(out, "images", split)


def image(out: Where, split: str, image_id: str) -> Where:
    """The file of an image."""
    return below(images(out, split), f"{image_id}.jpg")


def masks(out: Where, split: str) -> Where:
    """The folder of a split's masks."""
    return below(out, "masks", split)


def mask(out: Where, split: str, mask_path: str) -> Where:
    """The file of a mask, by its MaskPath."""
    return below(masks(out, split), mask_path)


def plain_mid(mid: str) -> str:
    """Return a MID as names of files have it: ``/m/0gxl3`` is ``m0gxl3``."""
    return mid.replace("/", "")


def id_list(out: Where, split: str, mid: str) -> Where:
    """The list of a class's images for the official downloader."""
    return below(out, f"downloader_IDs_for_{plain_mid(mid)}_{split}.txt")


def mask_rows(out: Where, split: str, mid: str) -> Where:
    """The rows of a class in the CSV file of masks."""
    return below(out, "csv", split, f"{plain_mid(mid)}_annotations.csv")


def box_rows(out: Where, split: str, mid: str) -> Where:
    """The rows of a class in the CSV file of boxes."""
    return below(out, "csv", split, f"{plain_mid(mid)}_boxes.csv")


def recipe_mark(out: Where, split: str, mid: str) -> Where:
    """The mark of the list and the rows of a class: of which selection they are."""
    return below(state(out), "recipes", split, f"{plain_mid(mid)}.json")


def failures(out: Where, split: str) -> Where:
    """The table of a split's images that are not there, and why."""
    return below(out, "failures", f"{split}.csv")


def failure_list(out: Where, split: str) -> Where:
    """The list of a split's images that are not there, for another try."""
    return with_suffix(failures(out, split), ".txt")


def failures_mark(out: Where, split: str) -> Where:
    """The mark of both."""
    return below(state(out), "failures", f"{split}.json")


def state(out: Where) -> Where:
    """The folder of what is known of selections, masks and images."""
    return below(paths.state(out), "openimages")


def published_mark(out: Where, name: str) -> Where:
    """The mark of a published file that was verified."""
    return below(state(out), "files", f"{name}.json")


def request(out: Where, asked: str) -> Where:
    """The document that says which selections follow from the options of a job."""
    return below(state(out), "requests", f"{asked}.json")


def selections(out: Where) -> Where:
    """The folder of all selections, a folder each."""
    return below(state(out), "selections")


def selection(out: Where, split: str, digest: str) -> Where:
    """The folder of a selection."""
    return below(selections(out), f"{split}-{digest}")


def selection_mark(out: Where, split: str, digest: str) -> Where:
    """The mark of a selection."""
    return below(selection(out, split, digest), "selection.json")


def selected_images(out: Where, split: str, digest: str) -> Where:
    """The table of the images of a selection."""
    return below(selection(out, split, digest), "images.parquet")


def selected_objects(out: Where, split: str, digest: str) -> Where:
    """The table of the objects of a selection."""
    return below(selection(out, split, digest), "objects.parquet")


def selected_labels(out: Where, split: str, digest: str) -> Where:
    """The table of the labels of whole images of a selection."""
    return below(selection(out, split, digest), "labels.parquet")


def mask_tables(out: Where, split: str, digest: str) -> Where:
    """The folder of what came of the masks of a selection."""
    return below(state(out), "masks", f"{split}-{digest}")


def mask_table(out: Where, split: str, digest: str, digit: str) -> Where:
    """What came of the masks of images of one first digit."""
    return below(mask_tables(out, split, digest), f"{digit}.parquet")


def mask_mark(out: Where, split: str, digest: str, digit: str) -> Where:
    """The mark of that table."""
    return with_suffix(mask_table(out, split, digest, digit), ".json")


def sized_masks(out: Where, split: str) -> Where:
    """The folder of a split's masks at the size of their images."""
    return below(out, "masks_image_size", split)


def sized_mask_table(out: Where, split: str, digest: str, digit: str) -> Where:
    """What came of these masks, of images of one first digit."""
    return below(state(out), "masks_image_size", f"{split}-{digest}", f"{digit}.parquet")


def mask_index(out: Where, archive: str) -> Where:
    """The members of a mask archive, by its file name."""
    return below(state(out), "archives", f"{archive}.parquet")


def downloads(folder: Where) -> Where:
    """The folder of what came of lists that were downloaded into a folder."""
    return below(state(folder), "downloads")


def image_tables(out: Where, split: str, digest: str) -> Where:
    """The folder of what came of the images of a selection."""
    return below(state(out), "images", f"{split}-{digest}")


def image_table(out: Where, split: str, digest: str, group: int) -> Where:
    """What came of one group of images."""
    return below(image_tables(out, split, digest), f"{group:05d}.parquet")


def image_mark(out: Where, split: str, digest: str, group: int) -> Where:
    """The mark of that table."""
    return with_suffix(image_table(out, split, digest, group), ".json")
