"""TensorFlow Datasets' own ``imagenet2012`` builder: ``peer_tfds.py MANUAL_DIR OUT``.

Runs in the peers' environment. Prints ``{"images": N, "seconds": S}``; the seconds are those of
`download_and_prepare` alone: imports and the builder's construction are before them.
"""

from __future__ import annotations

import json
import sys
import time

import tensorflow as tf  # noqa: F401  (else imported within the time)
import tensorflow_datasets as tfds


def main() -> None:
    """Prepare what is in the archives, the nested tar and one validation image."""
    manual_dir, out = sys.argv[1:]
    builder = tfds.builder("imagenet2012", data_dir=out, try_gcs=False)
    settings = tfds.download.DownloadConfig(manual_dir=manual_dir)
    start = time.perf_counter()
    builder.download_and_prepare(download_config=settings)
    seconds = time.perf_counter() - start
    images = builder.info.splits["train"].num_examples
    sys.stdout.write(json.dumps({"images": images, "seconds": seconds}) + "\n")


if __name__ == "__main__":
    main()
