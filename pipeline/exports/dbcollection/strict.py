"""What dbcollection 0.2.6 itself writes of an ``ilsvrc2012`` folder, faults included.

Source: dbcollection 0.2.6, datasets/imagenet/ilsvrc2012/classification.py and core/api/process.py.

* The folders are ``train`` and ``val``, also where they are named ``ILSVRC2012_img_train`` and
  ``ILSVRC2012_img_val``: its paths lead nowhere there.
* A flat validation folder is left out of its images' paths, which lead nowhere either.
* raw256 has the paths of classification: the images it resized are not found.
* A text that is the only one of its dataset has one dimension.

Not repeated: the labels it gives to flat validation images by their place in the listing, which
shift where one is missing.
"""

from __future__ import annotations

from pipeline.exports.dbcollection.file import DATASET, Conventions, Place
from pipeline.exports.dbcollection.split import Split


def _data_path(given: str) -> str:
    above, slash, last = given.rpartition("/")
    if last == DATASET:
        return given
    return f"{given}/{DATASET}" if last else f"{above}{slash}{DATASET}"


def _place(_task: str, split: Split) -> Place:
    return Place("" if split.flat else split.name, by_class=not split.flat)


STRICT = Conventions("strict", _data_path, _place, lone_text_is_flat=True)
