"""Words of documents and reports that the program itself does not use any more.

What is written keeps its bytes from version to version, and what was written is read.
"""

from __future__ import annotations

from typing import Final

IMAGE_OPTIONS: Final = "picture"
"""The key of how images are stored, in manifests, in what a digest is of, and in jobs."""
NO_AREA: Final = "no area inside the picture"
"""What the report of boxes says of one that lies outside of its image."""
EARLIER_FIELDS: Final = {"products": "steps", IMAGE_OPTIONS: "image"}
"""What earlier versions called fields of a job, and what they are called."""
