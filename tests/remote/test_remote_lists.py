"""Image lists and their images in a store or on a web server give the bytes of local ones."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import documentation
import pytest
from drawnlists import ALL_FORMATS, ListedSet, draw_list, encoded, lay, manifest_of
from faultproxy import FaultProxy, rule
from s3bucket import Bucket
from support import products, shardmill

pytest_plugins = ("webservers", "s3stores")

WORDS = (*ALL_FORMATS, "--shards", 3, "--export", "parquet")


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> ListedSet:
    """A list of images in folders, one of them named in two ways."""
    listed = draw_list(tmp_path_factory.mktemp("drawn"))
    listed.add("1000\t3\t./cats//0.jpg")
    return listed


@pytest.fixture(scope="session")
def of_local(drawn: ListedSet, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is made of it on a disk."""
    out = tmp_path_factory.mktemp("local") / "out"
    run = drawn.prepare(out, *WORDS)
    assert run.returncode == 0, run.stderr
    return products(out)


def uploaded(bucket: Bucket, listed: ListedSet) -> tuple[str, str]:
    """Put a list and its images into a bucket; return the addresses of list and root."""
    for path in sorted(each for each in listed.root.rglob("*") if each.is_file()):
        name = str(path.relative_to(listed.root))
        bucket.put(f"images/{name}", content=path.read_bytes())
    bucket.put("images.lst", content=listed.path.read_bytes())
    return f"{bucket.folder}/images.lst", f"{bucket.folder}/images"


def command(places: tuple[object, object], out: Path, *more: object) -> Sequence[object]:
    listed, root = places
    return ("imagelist", listed, "--root", root, "--out", out, *more)


@pytest.fixture
def served_list(served: Path, drawn: ListedSet, web_proxy: FaultProxy) -> tuple[str, str]:
    """The addresses of list and root on a web server, behind a proxy that spoils nothing yet."""
    folder = served / "listed"
    if not folder.exists():
        folder.symlink_to(drawn.path.parent)
    web_proxy.follow()
    return f"{web_proxy.url}/listed/images.lst", f"{web_proxy.url}/listed/root"


@pytest.mark.parametrize("workers", [1, 4])
def test_lists_in_a_store_give_the_bytes_of_local_ones(
    bucket: Bucket, drawn: ListedSet, of_local: dict[str, str], out: Path, workers: int
) -> None:
    store = ("--s3-endpoint", bucket.settings.endpoint)
    given = command(uploaded(bucket, drawn), out, *WORDS, *store)
    run = shardmill(*given, "--workers", workers)
    assert run.returncode == 0, run.stderr
    assert products(out) == of_local
    again = shardmill(*given)
    assert again.returncode == 0, again.stderr
    assert "already complete" in again.stdout
    against = shardmill("verify", out, "--against", f"{bucket.folder}/images")
    assert against.returncode == 0, against.stdout + against.stderr


def test_a_local_list_may_name_images_of_a_store(
    bucket: Bucket, drawn: ListedSet, of_local: dict[str, str], out: Path
) -> None:
    _, root = uploaded(bucket, drawn)
    store = ("--s3-endpoint", bucket.settings.endpoint)
    run = shardmill(*command((drawn.path, root), out, *WORDS, *store))
    assert run.returncode == 0, run.stderr
    assert products(out) == of_local


def test_lists_on_a_web_server_give_the_bytes_of_local_ones(
    served_list: tuple[str, str],
    web_proxy: FaultProxy,
    drawn: ListedSet,
    of_local: dict[str, str],
    out: Path,
) -> None:
    faults = [
        rule("cut", "GET .*root", after=300, every=5),
        rule("answer", "root", status=503, every=7),
        rule("answer", "root", status=429, headers={"Retry-After": "0"}, every=11),
        rule("length", "GET .*root", by=10, every=13),
    ]
    web_proxy.follow(*faults)
    run = shardmill(*command(served_list, out, *WORDS))
    assert run.returncode == 0, run.stderr
    assert products(out) == of_local
    done = {fault for each in web_proxy.passed() for fault in each.fault}
    assert done == {"cut", "answer", "length"}


def test_each_image_is_asked_for_once_before_it_is_read_and_once_to_read_it(
    served_list: tuple[str, str], web_proxy: FaultProxy, drawn: ListedSet, out: Path
) -> None:
    run = shardmill(*command(served_list, out, "--workers", 1))
    assert run.returncode == 0, run.stderr
    read = [each for each in web_proxy.passed("/root/") if each.request.startswith("GET")]
    files = len(list(drawn.root.rglob("*.*")))
    assert len(read) == len(drawn.names)
    looked = [each for each in web_proxy.passed("/root/") if each.request.startswith("HEAD")]
    assert files <= len(looked) <= 2 * files  # by the command, and by its worker


def test_a_store_is_listed_and_asked_for_each_image_once(
    bucket: Bucket, drawn: ListedSet, out: Path
) -> None:
    places = uploaded(bucket, drawn)
    with FaultProxy(bucket.server.endpoint) as proxy:
        given = command(places, out, "--s3-endpoint", proxy.url, "--workers", 1)
        run = shardmill(*given)
        assert run.returncode == 0, run.stderr
        read = [each for each in proxy.passed("images/") if each.request.startswith("GET")]
        assert len(read) == len(drawn.names)
        assert not [each for each in proxy.passed("images/") if each.request.startswith("HEAD")]
        assert len(proxy.passed("list-type=2")) <= 2  # by the command, and by its worker
        assert len(proxy.passed()) <= len(drawn.names) + 30
        proxy.follow()
        again = shardmill(*given)
        assert again.returncode == 0, again.stderr
        assert len(proxy.passed()) <= 10


def test_a_server_that_sends_whole_files_only_is_enough_for_images(
    served_list: tuple[str, str],
    web_proxy: FaultProxy,
    drawn: ListedSet,
    of_local: dict[str, str],
    out: Path,
) -> None:
    web_proxy.follow(rule("whole", "root"))
    run = shardmill(*command((drawn.path, served_list[1]), out, *WORDS))
    assert run.returncode == 0, run.stderr
    assert products(out) == of_local


@pytest.fixture
def lacking(tmp_path: Path) -> ListedSet:
    """A list that names images that are not there, and some that no address can have."""
    listed = draw_list(tmp_path / "lacking")
    listed.add("2000\t1\tcats/none.jpg", "2001\t1\t../outside.jpg", "2002\t1\t/absolute.jpg")
    return listed


def test_images_that_are_not_there_are_counted_and_named(
    bucket: Bucket, lacking: ListedSet, tmp_path: Path
) -> None:
    places = uploaded(bucket, lacking)
    store = ("--s3-endpoint", bucket.settings.endpoint)
    fails, skips, local = tmp_path / "fails", tmp_path / "skips", tmp_path / "local"
    run = shardmill(*command(places, fails, *store))
    assert run.returncode == 3, run.stdout + run.stderr
    assert "cats/none.jpg" in run.stderr
    assert "there is no such file" in run.stderr
    run = shardmill(*command(places, skips, *WORDS, *store, "--on-bad-image", "skip"))
    assert run.returncode == 4, run.stdout + run.stderr
    left_out = {each["source"] for each in manifest_of(skips, "recordio")["left_out"]}
    assert left_out == {"cats/none.jpg", "../outside.jpg", "/absolute.jpg"}
    assert lacking.prepare(local, *WORDS, "--on-bad-image", "skip").returncode == 4
    assert products(skips) == products(local)


def test_an_image_that_was_replaced_is_noticed_by_the_next_command(
    bucket: Bucket, drawn: ListedSet, out: Path, tmp_path: Path
) -> None:
    listed = draw_list(tmp_path / "own")
    given = command(uploaded(bucket, listed), out, "--s3-endpoint", bucket.settings.endpoint)
    assert shardmill(*given).returncode == 0
    before = products(out)
    content = (listed.root / "cats/0.jpg").read_bytes()
    other = content[:-20] + bytes([content[-20] ^ 1]) + content[-19:]
    bucket.put("images/cats/0.jpg", content=other)
    run = shardmill(*given)
    assert run.returncode == 0, run.stderr
    assert "already complete" not in run.stdout
    assert products(out) != before
    lay(listed.root / "cats/0.jpg", other)
    local = tmp_path / "local"
    assert listed.prepare(local).returncode == 0
    assert products(out) == products(local)


def test_an_image_of_the_same_size_is_noticed_where_no_version_is_told(
    web_proxy: FaultProxy, served: Path, out: Path, tmp_path: Path
) -> None:
    listed = draw_list(served / f"own-{tmp_path.name}", images=6)
    web_proxy.follow(rule("headers", headers={"ETag": None, "Last-Modified": None}))
    given = command((listed.path, f"{web_proxy.url}/{listed.path.parent.name}/root"), out)
    assert shardmill(*given).returncode == 0
    assert "already complete" in shardmill(*given).stdout
    before = products(out)
    image = listed.root / "cats/0.jpg"
    content = image.read_bytes()
    image.write_bytes(content[:-20] + bytes([content[-20] ^ 1]) + content[-19:])
    run = shardmill(*given)
    assert run.returncode == 0, run.stderr
    assert products(out) != before


def test_a_list_that_was_replaced_is_read_anew(bucket: Bucket, out: Path, tmp_path: Path) -> None:
    listed = draw_list(tmp_path / "own")
    given = command(uploaded(bucket, listed), out, "--s3-endpoint", bucket.settings.endpoint)
    assert shardmill(*given).returncode == 0
    assert "complete" in shardmill("status", out).stdout
    text = listed.path.read_text().splitlines(keepends=True)
    bucket.put("images.lst", content="".join(text[:-1]).encode())
    run = shardmill(*given, "--dry-run")
    assert run.returncode == 0, run.stderr
    assert "would run" in run.stdout


def test_a_folder_of_class_folders_in_a_store_is_prepared_as_a_local_one(
    bucket: Bucket, out: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "set"
    for number, name in enumerate(
        ("b/2.jpg", "a/1.jpg", "a/deep/3.jpg", "b/.hidden.jpg", "a/x.txt")
    ):
        lay(folder / name, encoded(number))
        bucket.put(f"set/{name}", content=encoded(number))
    store = ("--s3-endpoint", bucket.settings.endpoint)
    remote = shardmill("imagelist", f"{bucket.folder}/set", "--recursive", "--out", out, *store)
    assert remote.returncode == 0, remote.stderr
    local = tmp_path / "local"
    run = shardmill("imagelist", folder, "--recursive", "--out", local)
    assert run.returncode == 0, run.stderr
    assert products(out) == products(local)
    assert "passed over" in remote.stdout


def test_the_status_of_an_output_whose_list_cannot_be_seen_is_told_without_it(
    served_list: tuple[str, str], web_proxy: FaultProxy, out: Path
) -> None:
    given = command(served_list, out)
    assert shardmill(*given).returncode == 0
    for status in (403, 501):
        web_proxy.follow(rule("answer", status=status))
        told = shardmill("status", out)
        assert told.returncode == 0, told.stdout + told.stderr
        assert "complete" in told.stdout
        assert served_list[0] in told.stdout
        cleaned = shardmill("clean", out)
        assert cleaned.returncode == 0, cleaned.stdout + cleaned.stderr
        assert shardmill("verify", out).returncode == 0
        run = shardmill(*given)
        assert run.returncode in {1, 3}
        assert served_list[0] in run.stderr


@pytest.mark.parametrize("words", [("--extract",), ("--export", "imagefolder")])
def test_no_tree_is_made_of_images_at_an_address(
    bucket: Bucket, drawn: ListedSet, out: Path, words: tuple[str, ...]
) -> None:
    store = ("--s3-endpoint", bucket.settings.endpoint)
    run = shardmill(*command(uploaded(bucket, drawn), out, *store, *words))
    assert run.returncode == 2, run.stderr
    assert "at an address" in run.stderr


def test_a_list_or_root_that_is_not_there_is_refused(
    bucket: Bucket, drawn: ListedSet, out: Path
) -> None:
    listed, root = uploaded(bucket, drawn)
    store = ("--s3-endpoint", bucket.settings.endpoint)
    run = shardmill(*command((f"{listed}x", root), out, *store))
    assert (run.returncode, f"{listed}x" in run.stderr) == (2, True), run.stderr
    run = shardmill(*command((listed, f"{root}x"), out, *store))
    assert (run.returncode, "none of the images is there" in run.stderr) == (3, True), run.stderr


@pytest.mark.parametrize("line", documentation.lists_with_addresses())
def test_every_documented_list_at_an_address_is_prepared(
    line: str,
    bucket: Bucket,
    served_list: tuple[str, str],
    drawn: ListedSet,
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    uploaded(bucket, drawn)
    monkeypatch.chdir(drawn.path.parent)
    address = served_list[1].removesuffix("/root") if "https" in line else str(bucket.folder)
    program, *words = re.sub("(s3|https)://[A-Z]+", address, line).split()
    assert program == "shardmill"
    given = [
        str(out) if word == "OUT" else word.replace("listed/images", "listed/root")
        for word in words
    ]
    run = shardmill(*given, "--s3-endpoint", bucket.settings.endpoint)
    assert run.returncode == 0, run.stderr
