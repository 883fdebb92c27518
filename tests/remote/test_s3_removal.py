"""Objects are removed by a plan: what a person was asked about, and nothing that has changed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from s3bucket import Bucket, counted, use_keys
from s3servers import STRANGER

from pipeline import storage
from pipeline.errors import NoPermission
from pipeline.storage import Plan, RemoteOptions
from pipeline.storage.location import Remote
from pipeline.storage.s3 import client

pytest_plugins = ["s3stores"]


@pytest.fixture
def folder(bucket: Bucket) -> Iterator[Remote]:
    """The address of a folder of objects, of a store that this process uses."""
    bucket.put("a/one", "a/b/two", "a/b/c/three", "a/b-two", "another/one", content=b"x")
    bucket.put("a/b/gone.json", content=b"")  # it counts as absent
    with storage.using(RemoteOptions(s3_endpoint=bucket.server.endpoint)):
        yield bucket.folder


def names(plan: Plan) -> list[str]:
    return [str(item.path).removeprefix(f"{plan.root}/") for item in plan.items]


def test_what_is_owned_below_a_folder_goes(bucket: Bucket, folder: Remote) -> None:
    asked = list[Remote]()

    def owns(place: Remote) -> bool:
        asked.append(place)
        return place.name not in {"c", "one"}

    plan = storage.plan_folder(folder, folder / "a", owns)
    assert names(plan) == ["a/b-two", "a/b/gone.json", "a/b/two"]
    assert plan.strangers == (folder / "a/b/c/three", folder / "a/one")
    assert (plan.bytes, plan.files) == (2, 3)
    outcome = storage.carry_out(plan)
    assert outcome.removed == plan.items
    assert sorted(bucket.names()) == ["a/b/c/three", "a/one", "another/one"]
    assert storage.carry_out(plan).removed == plan.items  # they are gone


def test_what_has_changed_stays(bucket: Bucket, folder: Remote) -> None:
    files = [folder / name for name in ("a/one", "a/b/two", "a/none")]
    plan = storage.plan_files(folder, files)
    assert names(plan) == ["a/one", "a/b/two"]
    bucket.put("a/one", content=b"y")
    outcome = storage.carry_out(plan)
    assert [item.path for item in outcome.kept] == [folder / "a/one"]
    assert bucket.content("a/one") == b"y"
    assert "a/b/two" not in bucket.names()


def test_many_go_by_a_listing_a_folder_and_one_request(bucket: Bucket, folder: Remote) -> None:
    bucket.put(*(f"many/{number}" for number in range(40)))
    plan = storage.plan_folder(folder, folder / "many", lambda _: True)
    with counted(bucket.client) as sent:
        assert len(storage.carry_out(plan).removed) == 40
    assert sorted(sent) == ["DeleteObjects", "ListObjectsV2"]
    assert not [name for name in bucket.names() if name.startswith("many/")]


def test_what_is_removed_is_not_listed_any_more(bucket: Bucket, folder: Remote) -> None:
    storage.watch(folder)
    assert storage.sizes(folder / "a") == {"one": 1, "b-two": 1}
    storage.carry_out(storage.plan_files(folder, [folder / "a/one"]))
    assert storage.sizes(folder / "a") == {"b-two": 1}


def test_without_the_right_it_is_said_and_all_stays(
    bucket: Bucket, folder: Remote, aws: pytest.MonkeyPatch
) -> None:
    if bucket.server.name == "rclone":
        pytest.skip("rclone has no rights")
    bucket.allow_all_but_removal()
    use_keys(aws, STRANGER)
    client.forget()
    plan = storage.plan_folder(folder, folder / "a", lambda _: True)
    before = bucket.names()
    with pytest.raises(NoPermission, match="s3:DeleteObject") as denied:
        storage.carry_out(plan)
    assert "5 of 5 objects" in str(denied.value.found)
    assert bucket.names() == before
