"""Objects that are sent, or copied by the store itself, in parts.

Nothing is under the final key before the last request. On any failure the parts are given up, so
that nobody pays for them; where even that fails, `clean` finds them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Final

from pipeline.errors import ObjectChanged, RemoteUnavailable, ShardmillError, UploadDiffers
from pipeline.storage.location import Remote
from pipeline.storage.s3 import etags
from pipeline.storage.s3.body import OpenedFile, Part, base64_of
from pipeline.storage.s3.client import Answer, Client
from pipeline.storage.s3.etags import bare, is_md5
from pipeline.storage.s3.listing import ObjectInfo, stat

_MIB: Final = 1 << 20
_USUAL_PART: Final = 32 * _MIB
MOST_PARTS: Final = 10_000
SMALLEST_PART, LARGEST_PART = 5 * _MIB, 5 << 30
"""By S3's own rules: of all parts but the last, and of any part, in bytes."""
_NO_COPY: Final = frozenset({"NotImplemented", "MethodNotAllowed"})
_GONE: Final = frozenset({"NoSuchUpload"})
_SENDS: Final = 3  # of one part, where the store does not confirm it


def part_size(size: int) -> int:
    """Return how long the parts of an object are: 32 MiB, or more where there were too many."""
    needed = -(-size // MOST_PARTS)
    return max(_USUAL_PART, -(-needed // _MIB) * _MIB)


def put(client: Client, place: Remote, file: OpenedFile) -> ObjectInfo:
    """Send a local file in parts, one after another; see `pipeline.storage.s3.upload.put_file`."""
    step = part_size(file.size)
    with _begun(client, place) as upload:
        for offset in range(0, file.size, step):
            upload.send(file.part(offset, min(step, file.size - offset)))
        return upload.complete(file.part(0, file.size))


def join(
    client: Client, place: Remote, pieces: Sequence[tuple[Remote, ObjectInfo]]
) -> ObjectInfo | None:
    """Have the store put objects one behind another, without a byte of them being sent.

    Args:
        client: of the store.
        place: the address that the new object gets.
        pieces: addresses in the same store, and what they were when their content was known.

    Returns:
        What the store says of the object, or None: the store cannot do it, or not with pieces of
        these sizes, and nothing was made.

    Raises:
        ObjectChanged: a piece was replaced meanwhile.
        ShardmillError: the store refuses or does not answer.
    """
    if not all(info.etag for _, info in pieces) or not _can_be_parts(
        [info.size for _, info in pieces]
    ):
        return None
    with _begun(client, place) as upload:
        if all(upload.copy(piece, info) for piece, info in pieces):
            return upload.complete()
        upload.give_up()
    return None


def _can_be_parts(sizes: Sequence[int]) -> bool:
    if not 0 < len(sizes) <= MOST_PARTS or max(sizes) > LARGEST_PART:
        return False
    return min(sizes[:-1], default=SMALLEST_PART) >= SMALLEST_PART and sizes[-1] > 0


class _Upload:
    """Parts on their way to one object; use `_begun`."""

    def __init__(self, client: Client, place: Remote, upload_id: str) -> None:
        self._client = client
        self._place = place
        self._id = upload_id
        self._parts: list[tuple[str, int]] = []  # ETag and size, in their order
        self._md5s: list[bytes] = []  # of all parts, as long as each is known
        self.is_open = True

    def send(self, part: Part) -> None:
        """Send the next part.

        Raises:
            UploadDiffers: the store took it, and does not confirm it.
        """
        md5, etag = part.digest(), ""
        for _ in range(_SENDS):
            part.seek(0)
            answer = self._request(
                "UploadPart",
                PartNumber=len(self._parts) + 1,
                Body=part,
                ContentLength=len(part),
                ContentMD5=base64_of(md5),
            )
            etag = bare(answer.get("ETag"))
            if is_md5(answer) and etag.lower() == md5.hex():
                self._md5s.append(md5)
                break
            if etag and (not is_md5(answer) or not self._client.etags_are_md5):
                break
        else:
            raise UploadDiffers(
                "the store does not hold what was sent to it",
                file=str(self._place),
                place=f"part {len(self._parts) + 1}",
                expected=f"MD5 {md5.hex()}",
                found=f"ETag {etag}",
                remedy="check the proxies between, then run the same command again",
            )
        self._parts.append((etag, len(part)))

    def copy(self, piece: Remote, info: ObjectInfo) -> bool:
        """Have the store make the next part of another object; false: it cannot."""
        answer = self._client.request_unless(
            _NO_COPY | {"PreconditionFailed"},
            "UploadPartCopy",
            self._place,
            Key=self._place.key,
            UploadId=self._id,
            PartNumber=len(self._parts) + 1,
            CopySource={"Bucket": piece.host, "Key": piece.key},
            CopySourceIfMatch=f'"{info.etag}"',
        )
        if answer == "PreconditionFailed":
            raise ObjectChanged(
                "an object was replaced while it was joined to others",
                file=str(piece),
                expected=f"ETag {info.etag}",
                remedy="run the same command again",
            )
        if isinstance(answer, str):
            return False
        etag = bare(answer.get("CopyPartResult", {}).get("ETag"))
        self._parts.append((etag, info.size))
        return bool(etag)  # without it there is nothing to complete the object with

    def complete(self, whole: Part | None = None) -> ObjectInfo:
        """Make the object of its parts, and look whether it is there.

        Args:
            whole: what was sent, if it was: it is read again where an answer was lost.
        """
        size = sum(length for _, length in self._parts)
        numbered = [
            {"PartNumber": number, "ETag": f'"{etag}"'}
            for number, (etag, _) in enumerate(self._parts, start=1)
        ]
        answer = self._client.request_unless(
            _GONE,
            "CompleteMultipartUpload",
            self._place,
            Key=self._place.key,
            UploadId=self._id,
            MultipartUpload={"Parts": numbered},
        )
        # If it is gone it was complete before, perhaps: the answer to a try was lost.
        etag = "" if isinstance(answer, str) else bare(answer.get("ETag"))
        info = stat(self._client, self._place)
        if info is None or info.size != size or not self._is_this(info, etag, whole):
            raise UploadDiffers(
                "the store has not made an object of the parts that were sent to it",
                file=str(self._place),
                expected=f"{size:,} bytes",
                found="no object" if info is None else f"{info.size:,} bytes, ETag {info.etag}",
                remedy="run the same command again",
            )
        self.is_open = False
        return info

    def _is_this(self, info: ObjectInfo, etag: str, whole: Part | None) -> bool:
        """Whether the object of the right size is the one whose parts were sent.

        Args:
            info: what is there.
            etag: what the store said when it was asked to make it; empty if that is not known.
            whole: what was sent, if it was.
        """
        if len(self._md5s) == len(self._parts) and etags.of_parts(self._md5s) in {info.etag, etag}:
            return True
        if etag:  # of a store that counts otherwise; it has confirmed each part
            return etag == info.etag
        return whole is not None and whole.digest().hex() == info.etag.lower()

    def give_up(self) -> None:
        """Have the store forget the parts."""
        self.is_open = False
        abort(self._client, self._place, self._id)

    def _request(self, operation: str, **parameters: object) -> Answer:
        return self._client.request(
            operation, self._place, Key=self._place.key, UploadId=self._id, **parameters
        )


def abort(client: Client, place: Remote, upload_id: str) -> None:
    """Have the store forget the parts of an upload; nothing is wrong where it knows of none."""
    client.request_unless(_GONE, "AbortMultipartUpload", place, Key=place.key, UploadId=upload_id)


@contextlib.contextmanager
def _begun(client: Client, place: Remote) -> Iterator[_Upload]:
    """Begin an upload, and give it up if the context is left before it is complete."""
    upload_id = client.request("CreateMultipartUpload", place, Key=place.key).get("UploadId")
    if not upload_id:
        raise RemoteUnavailable("something answers that is not the store", file=str(place))
    upload = _Upload(client, place, str(upload_id))
    try:
        yield upload
    except BaseException:
        if upload.is_open:
            # What stays there is found by `removal.unfinished`.
            with contextlib.suppress(ShardmillError), client.trying_once():
                upload.give_up()
        raise
