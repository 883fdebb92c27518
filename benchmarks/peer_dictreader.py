"""Rows of one class by `csv.DictReader`: ``peer_dictreader.py LABEL SUBSET CSV FOLDER``.

What the script of the manual recipe does, in one pass for one class, but that the ids are kept in a
dictionary, where the script looks through a list for each row.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path


def main() -> None:
    """Write the list of images and the rows of a class."""
    label, subset, source, folder = sys.argv[1:]
    ids = dict[str, None]()
    with Path(source).open(newline="") as rows, Path(folder, "rows.csv").open("w") as output:
        reader = csv.DictReader(rows)
        writer = csv.DictWriter(output, reader.fieldnames or ())
        writer.writeheader()
        for row in reader:
            if label == row["LabelName"]:
                writer.writerow(row)
                ids[row["ImageID"]] = None
    Path(folder, "ids.txt").write_text("".join(f"{subset}/{each}\n" for each in ids))


if __name__ == "__main__":
    main()
