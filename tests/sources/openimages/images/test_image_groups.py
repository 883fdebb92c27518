"""Groups of images: what is fetched, what is known, and what is recorded."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from imagegroups import SELECTION, SPLIT, Collecting, fill, hurried, ids, jpeg
from openimagesbucket import Act, Bucket, absent, answer, cut_after, denied, hang_up, page, tagged

from pipeline import manifest, storage
from pipeline.documents.openimages import FailuresMark
from pipeline.errors import (
    NoSuchBucket,
    RemoteUnavailable,
    ShardmillError,
    Unreachable,
    UsageError,
    WrongRegion,
)
from pipeline.sources.openimages import places
from pipeline.sources.openimages.images import failures
from pipeline.sources.openimages.images.image_files import Asking
from pipeline.verification.statecheck import check_mark

IDS = ids(6)
OTHER = "ba9876543210"


@pytest.fixture
def collecting(tmp_path: Path) -> Iterator[Collecting]:
    fill(tmp_path / "bucket", IDS)
    with hurried(), Bucket(tmp_path / "bucket") as bucket:
        yield Collecting(tmp_path / "out", bucket)


def test_each_image_is_fetched_by_one_request_and_recorded(collecting: Collecting) -> None:
    group = collecting.select(IDS)
    assert not collecting.is_collected(group)
    mark = collecting.collect(group)
    assert collecting.is_collected(group)
    assert collecting.asked() == IDS
    assert {seen.method for seen in collecting.bucket.log} == {"GET"}
    for image_id, row in collecting.rows(group).items():
        content = jpeg(int(image_id, 16))
        assert collecting.image(image_id).read_bytes() == content
        assert (row.outcome, row.bytes, row.tries, row.status) == ("fetched", len(content), 1, 200)
        assert row.md5 == row.etag == hashlib.md5(content).hexdigest()
        assert (row.width, row.height, row.detail) == (40, 30, "")
        assert row.url == f"{collecting.bucket.images}/train/{image_id}.jpg"
    assert (mark.images, mark.outcomes, mark.finals) == (6, {"fetched": 6}, 0)
    assert mark.bytes == sum(size for _, size in collecting.told)


def test_a_group_is_asked_for_by_its_own_files_alone(
    collecting: Collecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A split has 1,024 groups in one folder: to list it for each of them takes a minute."""
    group = collecting.select(IDS)
    collecting.collect(group)

    def listed(*_: object) -> None:
        raise AssertionError("a folder was listed")

    with monkeypatch.context() as patch:
        for name in ("sizes", "kinds", "documents"):
            patch.setattr(storage, name, listed)
        assert collecting.is_collected(group)
    group.table.unlink()
    assert not collecting.is_collected(group)


def test_what_is_no_image_has_a_row_and_no_file_and_is_not_asked_for_again(
    collecting: Collecting,
) -> None:
    bucket, fine = collecting.bucket, IDS[5]
    bucket.rule(IDS[0], absent)
    bucket.rule(IDS[1], denied)
    bucket.rule(IDS[2], page)
    bucket.objects[f"train/{IDS[3]}.jpg"] = jpeg(3)[:-400]  # cut before it was put there
    bucket.objects[f"train/{IDS[4]}.jpg"] = jpeg(4, (1025, 8))
    group = collecting.select(IDS)
    mark = collecting.collect(group)
    rows = collecting.rows(group)
    assert [rows[each].outcome for each in IDS] == ["absent", "forbidden", *["bad"] * 3, "fetched"]
    assert [rows[each].status for each in IDS] == [404, 403, 200, 200, 200, 200]
    assert "HTML" in rows[IDS[2]].detail
    assert "cut off" in rows[IDS[3]].detail
    assert "1,025 x 8" in rows[IDS[4]].detail
    assert [path.name for path in collecting.image(fine).parent.iterdir()] == [f"{fine}.jpg"]
    assert (mark.images, mark.finals) == (1, 5)
    assert collecting.is_collected(group)
    bucket.forget()
    bucket.objects.clear()
    assert collecting.collect(group).digest == mark.digest
    assert collecting.asked() == []
    assert not collecting.is_collected(group, retry_since="9999")
    again = collecting.collect(group, retry_since="9999")
    assert collecting.asked() == IDS[:5]
    assert again.outcomes == {"fetched": 6}
    assert again.digest != mark.digest
    assert collecting.is_collected(group, retry_since="9999")


def test_what_another_bucket_does_not_have_is_asked_for_here(collecting: Collecting) -> None:
    collecting.bucket.rule(IDS[0], absent, times=1)
    group = collecting.select(IDS)
    collecting.collect(group)
    collecting.bucket.forget()
    here = storage.parse(collecting.bucket.images.replace("127.0.0.1", "localhost"))
    assert collecting.collect(group, bucket=here).outcomes == {"fetched": 6}
    assert collecting.asked() == IDS[:1]


@pytest.mark.parametrize(
    "fault",
    [answer(503), answer(429, {"Retry-After": "1"}), answer(500), hang_up, cut_after(700)],
    ids=["503", "429", "500", "no answer", "cut"],
)
def test_what_may_pass_is_tried_again_and_nothing_is_lost(
    collecting: Collecting, fault: object
) -> None:
    for image_id in IDS:
        collecting.bucket.rule(image_id, fault, times=2)  # type: ignore[arg-type]
    group = collecting.select(IDS)
    # One at a time, or nothing is ever answered of the first of them.
    collecting.collect(group, in_flight=1)
    assert collecting.outcomes(group) == ["fetched"] * 6
    # libcurl itself sends a request again on another connection, if one is closed meanwhile.
    assert {row.tries for row in collecting.rows(group).values()} <= {2, 3}
    assert all(collecting.image(each).read_bytes() == jpeg(int(each, 16)) for each in IDS)


def test_no_image_is_lost_where_two_of_three_answers_are_503(collecting: Collecting) -> None:
    wanted = ids(60)
    fill(collecting.bucket.folder, wanted)
    collecting.bucket.rule("", answer(503), every=3)
    collecting.bucket.rule("", answer(503), every=2)  # of those that the first rule leaves
    mark = collecting.collect(collecting.select(wanted))
    assert mark.outcomes == {"fetched": 60}
    assert len(collecting.bucket.log) >= 170


def test_an_image_that_never_comes_is_named_when_all_others_are_there(
    collecting: Collecting,
) -> None:
    collecting.bucket.rule(IDS[2], answer(503))
    group = collecting.select(IDS)
    with pytest.raises(RemoteUnavailable, match=f"none for 1: {IDS[2]}.*503"):
        collecting.collect(group, tries=4)
    # Others came, so that a server that was too busy is asked once more as often.
    assert len(collecting.bucket.requests(IDS[2])) == 8
    assert not collecting.is_collected(group)
    assert min(collecting.told)[0] == "failed"
    collecting.bucket.forget()
    collecting.collect(group)
    assert collecting.asked() == IDS[2:3]
    assert collecting.is_collected(group)


def test_a_file_that_lies_there_is_asked_for_by_its_md5(collecting: Collecting) -> None:
    fill(collecting.out / "images", (*IDS[:2], IDS[5]))
    collecting.bucket.rule(IDS[5], absent)
    collecting.image(IDS[2]).write_bytes(jpeg(99))
    collecting.image(IDS[3]).write_bytes(b"<html>a page</html>")
    group = collecting.select(IDS)
    collecting.collect(group)
    assert collecting.outcomes(group) == ["kept", "kept", *["fetched"] * 3, "absent"]
    assert "left alone" in collecting.rows(group)[IDS[5]].detail
    assert all(collecting.image(each).read_bytes() == jpeg(int(each, 16)) for each in IDS)
    sent = collecting.bucket.sent()
    assert [sent[f"train/{each}.jpg"] for each in IDS[:2]] == [0, 0]
    (of_page,) = collecting.bucket.requests(IDS[3])
    assert "if-none-match" not in of_page.headers
    kept = collecting.rows(group)[IDS[0]]
    assert (kept.status, kept.width, kept.md5) == (304, 40, hashlib.md5(jpeg(0)).hexdigest())


def test_an_image_that_was_deleted_is_fetched_again_alone(collecting: Collecting) -> None:
    group = collecting.select(IDS)
    mark = collecting.collect(group)
    collecting.image(IDS[4]).unlink()
    assert not collecting.is_collected(group)
    collecting.bucket.forget()
    assert collecting.collect(group) == mark
    assert collecting.asked() == IDS[4:5]
    assert collecting.is_collected(group)


def test_what_another_selection_has_fetched_is_not_asked_for(collecting: Collecting) -> None:
    collecting.bucket.rule(IDS[1], absent)
    collecting.collect(collecting.select(IDS[:4]))
    collecting.bucket.forget()
    group = collecting.select(IDS[1:], OTHER)
    collecting.collect(group)
    assert collecting.asked() == IDS[4:]
    assert collecting.outcomes(group) == ["absent", "kept", "kept", "fetched", "fetched"]


@pytest.mark.parametrize("fault", [absent, denied, page], ids=["404", "403", "pages"])
def test_a_run_stops_where_none_of_the_first_answers_is_an_image(
    collecting: Collecting, fault: object
) -> None:
    wanted = ids(100)
    fill(collecting.bucket.folder, wanted[-1:])
    collecting.bucket.rule("", fault, times=99)  # type: ignore[arg-type]
    group = collecting.select(wanted)
    with pytest.raises(UsageError, match="first 20 answers") as caught:
        collecting.collect(group, in_flight=4)
    assert "20 x " in (caught.value.found or "")
    assert "--bucket" in (caught.value.remedy or "")
    assert len(collecting.bucket.log) <= 24 + 4
    assert not collecting.image(wanted[0]).exists()


def test_a_run_goes_on_through_many_absent_images_where_others_have_come(
    collecting: Collecting,
) -> None:
    collecting.collect(collecting.select(IDS))
    collecting.bucket.rule("", absent)
    mark = collecting.collect(collecting.select(ids(30, first=100), OTHER))
    assert mark.outcomes == {"absent": 30}


@pytest.mark.parametrize("images", [1, 2, 6])
def test_a_bucket_that_does_not_answer_is_given_up_after_a_try_of_three_images_at_most(
    collecting: Collecting, monkeypatch: pytest.MonkeyPatch, images: int
) -> None:
    collecting.bucket.rule("", hang_up)
    monkeypatch.setenv("all_proxy", "")
    monkeypatch.setenv("no_proxy", "127.0.0.1,user:hunter2@elsewhere")
    with pytest.raises(Unreachable, match=r"no_proxy=…@elsewhere") as caught:
        collecting.collect(collecting.select(IDS[:images]), in_flight=3)
    assert "hunter2" not in str(caught.value)
    assert set(collecting.asked()) == set(IDS[: min(3, images)])


@pytest.mark.parametrize(
    ("fault", "error", "says"),
    [
        (
            answer(404, {}, b"<Error><Code>NoSuchBucket</Code></Error>"),
            NoSuchBucket,
            "--bucket",
        ),
        (answer(301, {"x-amz-bucket-region": "eu-west-1"}), WrongRegion, "--s3-region eu-west-1"),
        (answer(407), ShardmillError, "proxies: "),
    ],
    ids=["bucket", "region", "proxy"],
)
def test_what_is_no_matter_of_one_image_ends_the_run(
    collecting: Collecting, fault: object, error: type[ShardmillError], says: str
) -> None:
    collecting.bucket.rule("", fault)  # type: ignore[arg-type]
    with pytest.raises(error, match=says):
        collecting.collect(collecting.select(IDS), in_flight=1)
    assert len(collecting.bucket.log) <= 2


def test_an_etag_that_is_another_md5_is_believed_when_the_bytes_come_again(
    collecting: Collecting,
) -> None:
    collecting.bucket.rule(IDS[0], tagged(f'"{"0" * 32}"'), times=1)  # a fault on the way
    collecting.bucket.rule(IDS[1], tagged(f'"{"0" * 32}"'))
    collecting.bucket.rule(IDS[2], tagged('"abc-2"'))
    collecting.bucket.rule(IDS[3], tagged(""))
    group = collecting.select(IDS)
    collecting.collect(group)
    rows = collecting.rows(group)
    assert (rows[IDS[0]].outcome, rows[IDS[0]].tries) == ("fetched", 2)
    assert (rows[IDS[1]].outcome, rows[IDS[1]].tries) == ("bad", 2)
    assert "ETag" in rows[IDS[1]].detail
    assert not collecting.image(IDS[1]).exists()
    assert (rows[IDS[2]].outcome, rows[IDS[2]].etag) == ("fetched", "abc-2")
    assert (rows[IDS[3]].outcome, rows[IDS[3]].etag) == ("fetched", None)
    assert "MD5" in rows[IDS[2]].detail
    assert "MD5" in rows[IDS[3]].detail


def test_pixels_are_looked_at_where_that_is_asked_for(collecting: Collecting) -> None:
    whole = bytearray(jpeg(0))
    middle = whole.index(b"\xff\xda") + 20
    whole[middle : middle + 4] = b"\xff\xc0\x00\x00"  # a frame in the scan
    collecting.bucket.objects[f"train/{IDS[0]}.jpg"] = bytes(whole)
    group = collecting.select(IDS)
    collecting.collect(group, check_pixels=True)
    assert collecting.outcomes(group)[0] == "bad"


def test_a_folder_is_a_bucket_too(collecting: Collecting) -> None:
    folder = collecting.bucket.folder
    (folder / "train" / f"{IDS[1]}.jpg").unlink()
    fill(collecting.out / "images", IDS[:1])
    group = collecting.select(IDS)
    collecting.collect(group, bucket=folder)
    assert collecting.outcomes(group) == ["kept", "absent", *["fetched"] * 4]
    assert collecting.bucket.log == []
    with pytest.raises(UsageError, match="no such folder"):
        collecting.collect(collecting.select(IDS, OTHER), bucket=folder / "nowhere")


def test_unsigned_is_unsigned_whatever_credentials_lie_about(
    collecting: Collecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAWRONG")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    options = storage.RemoteOptions(s3_endpoint=collecting.bucket.url, s3_unsigned=True)
    bucket = storage.parse("s3://open-images-dataset", "--bucket", whole_bucket=True)
    group = collecting.select(IDS)
    with storage.using(options):
        collecting.collect(group, bucket=bucket)
    assert collecting.outcomes(group) == ["fetched"] * 6
    assert len(collecting.bucket.log) == 6
    assert not any("x-amz" in str(seen).lower() or seen.is_signed for seen in collecting.bucket.log)
    urls = {row.url for row in collecting.rows(group).values()}
    assert urls == {f"s3://open-images-dataset/train/{each}.jpg" for each in IDS}


def test_a_folder_where_an_image_goes_is_refused_and_nothing_is_lost(
    collecting: Collecting,
) -> None:
    collecting.image(IDS[3]).mkdir(parents=True)
    group = collecting.select(IDS)
    with pytest.raises(ShardmillError, match=IDS[3]):
        collecting.collect(group, in_flight=1)
    collecting.image(IDS[3]).rmdir()
    collecting.bucket.forget()
    collecting.collect(group)
    sent = collecting.bucket.sent()
    assert [sent[f"train/{each}.jpg"] > 0 for each in IDS] == [False] * 3 + [True] * 3
    assert Asking(collecting.bucket.folder, "train/{id}.jpg").tries == 8


def test_what_is_not_there_is_listed_and_the_list_empties_when_it_comes(
    collecting: Collecting,
) -> None:
    collecting.bucket.rule(IDS[1], absent)
    collecting.bucket.rule(IDS[3], answer(503, {}, b"a\nb"))
    group = collecting.select(IDS)
    with pytest.raises(RemoteUnavailable):
        collecting.collect(group, tries=2)
    assert failures.write(collecting.out, SPLIT, SELECTION) == {"absent": 1, "failed": 1}
    table, listed = (
        collecting.out / "failures" / f"{SPLIT}{suffix}" for suffix in (".csv", ".txt")
    )
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [tuple(row.values())[:5] for row in rows] == [
        (IDS[1], f"{collecting.bucket.images}/train/{IDS[1]}.jpg", "absent", "404", "1"),
        (IDS[3], f"{collecting.bucket.images}/train/{IDS[3]}.jpg", "failed", "503", "4"),
    ]
    assert all(row["when"].startswith("20") and row["detail"] for row in rows)
    assert listed.read_text() == f"train/{IDS[1]}\ntrain/{IDS[3]}\n"
    collecting.bucket.forget()
    collecting.collect(group, retry_since="9999")
    assert failures.write(collecting.out, SPLIT, SELECTION) == {}
    assert (table.read_text().count("\n"), listed.read_bytes()) == (1, b"")


def test_the_lists_of_what_is_not_there_are_sealed_and_mended(collecting: Collecting) -> None:
    collecting.bucket.rule(IDS[1], absent)
    collecting.collect(collecting.select(IDS))
    failures.write(collecting.out, SPLIT, SELECTION)
    path = places.failures_mark(collecting.out, SPLIT)
    mark = manifest.read_checked(path, collecting.out, FailuresMark)
    assert (mark.split, mark.outcomes) == (SPLIT, {"absent": 1})
    names = [f"failures/{SPLIT}{suffix}" for suffix in (".csv", ".txt")]
    assert [entry.file for entry in mark.files] == names
    assert check_mark(collecting.out, path) == []
    for name in names:
        file = collecting.out / name
        content = file.read_bytes()
        file.write_bytes(bytes([content[0] ^ 1]) + content[1:])
        assert [finding.path for finding in check_mark(collecting.out, path)] == [file]
        failures.write(collecting.out, SPLIT, SELECTION)
        assert (file.read_bytes(), check_mark(collecting.out, path)) == (content, [])
        file.unlink()
        failures.write(collecting.out, SPLIT, SELECTION)
        assert file.read_bytes() == content
    path.unlink()
    failures.write(collecting.out, SPLIT, SELECTION)
    assert manifest.read_checked(path, collecting.out, FailuresMark) == mark


def test_where_all_images_are_there_no_list_is_written(collecting: Collecting) -> None:
    collecting.collect(collecting.select(IDS))
    failures.write(collecting.out, SPLIT, SELECTION)
    assert not (collecting.out / "failures").exists()


def test_a_bucket_that_has_answered_before_is_given_more_time(collecting: Collecting) -> None:
    collecting.collect(collecting.select(IDS[:1]))
    collecting.bucket.rule("", hang_up, times=9)
    group = collecting.select(IDS[1:], OTHER)
    collecting.collect(group, in_flight=3)
    assert collecting.outcomes(group) == ["fetched"] * 5


@pytest.mark.parametrize(
    ("fault", "says"),
    [(hang_up, "no answer any more"), (answer(503), "images did not come")],
    ids=["silent", "busy"],
)
def test_a_bucket_that_gives_nothing_any_more_ends_the_run_and_what_has_come_is_known(
    collecting: Collecting, fault: Act, says: str
) -> None:
    wanted = ids(60)
    fill(collecting.bucket.folder, wanted)
    collecting.bucket.rule("", fault, skip=20)
    group = collecting.select(wanted)
    with pytest.raises(RemoteUnavailable, match=says):
        collecting.collect(group, in_flight=2, tries=3)
    outcomes = collecting.outcomes(group)
    assert set(outcomes) == {"fetched", "failed"}
    collecting.bucket.forget()
    collecting.collect(group)
    asked = set(collecting.asked())  # the bucket may note one of before only now
    assert len(asked) == outcomes.count("failed")
    assert collecting.is_collected(group)


def test_a_bucket_that_is_too_busy_for_everything_ends_the_run(collecting: Collecting) -> None:
    collecting.bucket.rule("", answer(503))
    group = collecting.select(IDS)
    with pytest.raises(Unreachable, match="too busy for everything"):
        collecting.collect(group, tries=3)
    assert len(collecting.bucket.log) == 3 * len(IDS)
    assert failures.write(collecting.out, SPLIT, SELECTION) == {"failed": 6}
