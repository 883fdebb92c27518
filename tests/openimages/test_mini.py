"""The real mini set of Open Images, as tests use it."""

import zipfile
from pathlib import Path

from pipeline.sources.openimages import config, published


def test_the_real_set_lies_in_three_splits(openimages_mini: Path) -> None:
    found = config.load(openimages_mini / "openimages.toml")
    raw = openimages_mini / "raw"
    for file in found.files.values():
        published.verify(file, raw / file.name)
    images = list((openimages_mini / "bucket").rglob("*.jpg"))
    assert len(images) == len({path.stem for path in images}) == 15
    assert len({path.stem[0] for path in images}) == 15
    masks = 0
    for name, split in found.splits.items():
        assert len(list((openimages_mini / "bucket" / name).iterdir())) == 5
        for digit, archive in split.mask_archives.items():
            members = zipfile.ZipFile(raw / archive.name).namelist()
            assert all(member.startswith(digit) for member in members)
            masks += len(members)
    assert masks == 15
