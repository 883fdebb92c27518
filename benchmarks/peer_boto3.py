"""An object copied to a file by boto3: ``peer_boto3.py ENDPOINT BUCKET KEY FILE [COPY]``.

`download_file`, and `upload_file` where a key for a copy is named, with as many parts of the same
size at a time as shardmill has. Prints ``{"seconds": S}``; imports are before the seconds.
"""

from __future__ import annotations

import json
import sys
import time

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

_PART = 16 << 20
_AT_ONCE = 4


def main() -> None:
    """Copy the object."""
    endpoint, bucket, key, file, *copies = sys.argv[1:]
    start = time.perf_counter()
    config = Config(
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": "path"},
    )
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", config=config)
    parts = TransferConfig(
        multipart_threshold=_PART, multipart_chunksize=_PART, max_concurrency=_AT_ONCE
    )
    client.download_file(bucket, key, file, Config=parts)
    for copy in copies:
        client.upload_file(file, bucket, copy, Config=parts)
    print(json.dumps({"seconds": time.perf_counter() - start}))


if __name__ == "__main__":
    main()
