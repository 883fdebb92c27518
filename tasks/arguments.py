"""The options of images as one JSON document, as Luigi's roots also take them."""

from __future__ import annotations

import json
from typing import Any

from pipeline.errors import UsageError
from pipeline.job.table.images import IMAGE_OPTIONS
from pipeline.job.table.values import check_value


def image_options(text: str) -> dict[str, Any]:
    """Return the values of the options of images that a JSON object gives.

    Raises:
        UsageError: it is no JSON object of known names, or a value means nothing.
    """
    known = {option.name: option for option in IMAGE_OPTIONS}
    try:
        given = json.loads(text)
    except ValueError:
        given = None
    if not isinstance(given, dict) or not given.keys() <= known.keys():
        expected = f"a JSON object of {', '.join(sorted(known))}"
        raise UsageError(f"--image {text}", expected=expected, found=text)
    for name, value in given.items():
        check_value(known[name], value, f"--image {name}")
    return given
