"""Dataset configurations: what is read, and that every mistake is named with its line."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from cputime import bounded_cpu

from pipeline.errors import ConfigError
from pipeline.resources import shipped
from pipeline.sources.ilsvrc2012 import dataset as config
from pipeline.sources.ilsvrc2012.dataset import SplitConfig
from pipeline.sources.inputs import Archive

TEXT = """\
# shards = 9, layout = "other": a comment is no setting
dataset = "fish"

[labels] # the label table
table = "table.tsv"

[archives.train]
file = "train.tar"
url = "https://example.org/train.tar#shards"
bytes = 100
md5 = "1D675B47D978889D74FA0DA5FADFB00E"

[archives.flat]
file = "flat.tar"
url = "-"
md5 = "29b22e2961454d5413ddabcf34fc5622"

[optional.extra]
file = "extra.tgz"
url = "-"
md5 = "fa75699e90414af021442c21a62c3abf"

[splits.train]
archive = "train"
layout = "class-tars" # not "flat"
counts = "labels:images"
boxes = "extra"
shards = 8

[splits.validation]
archive = "flat"
layout = "flat"
member = '(\\d+)\\.JPEG'
labels = "list.txt"
images = 5
blacklist = "numbers.txt"
folder = "val"
shards = 2
"""
BLACKLIST = 'blacklist = "numbers.txt"\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A configuration that is well-formed, beside the files that it names."""
    for name in ("table.tsv", "list.txt", "counts.tsv", "numbers.txt"):
        (tmp_path / name).touch()
    (tmp_path / "fish.toml").write_text(TEXT)
    return tmp_path / "fish.toml"


def refused(path: Path, text: str) -> ConfigError:
    path.write_text(text)
    with pytest.raises(ConfigError) as refusal:
        config.load(path)
    assert refusal.value.file == str(path)
    return refusal.value


def test_everything_that_is_written_is_read(path: Path) -> None:
    found = config.load(path)
    assert (found.path, found.dataset) == (path, "fish")
    assert found.label_table == path.parent / "table.tsv"
    url = "https://example.org/train.tar#shards"
    md5 = "1d675b47d978889d74fa0da5fadfb00e"
    assert found.archives["train"] == Archive("train", "train.tar", url, md5, 100)
    assert found.archives["flat"].bytes is None
    assert found.archive("extra.tgz") == found.optional["extra"]
    assert found.splits == {
        "train": SplitConfig(
            *("train", "train.tar", "train", "class-tars", 8),
            counts="labels:images",
            boxes="extra",
        ),
        "validation": SplitConfig(
            *("validation", "flat.tar", "val", "flat", 2),
            blacklist=path.parent / "numbers.txt",
            member=r"(\d+)\.JPEG",
            labels=path.parent / "list.txt",
            images=5,
        ),
    }


def test_a_flat_split_may_count_its_classes_instead(path: Path) -> None:
    path.write_text(TEXT.replace("images = 5", 'counts = "counts.tsv"').replace(BLACKLIST, ""))
    split = config.load(path).splits["validation"]
    assert (split.counts, split.images) == (str(path.parent / "counts.tsv"), None)


def test_a_flat_split_that_counts_its_classes_may_have_a_blacklist(path: Path) -> None:
    path.write_text(TEXT.replace("images = 5", 'counts = "counts.tsv"'))
    split = config.load(path).splits["validation"]
    assert split.counts == str(path.parent / "counts.tsv")
    assert split.blacklist == path.parent / "numbers.txt"


def test_a_flat_split_may_have_no_labels_and_lie_in_an_optional_archive(path: Path) -> None:
    text = TEXT.replace('labels = "list.txt"\n', "").replace(
        'archive = "flat"', 'archive = "extra"'
    )
    path.write_text(text.replace("extra.tgz", "extra.tar"))
    split = config.load(path).splits["validation"]
    assert (split.labels, split.optional) == (None, True)


def test_the_shipped_configuration_is_well_formed() -> None:
    found = config.load(shipped("config/ilsvrc2012.toml"))
    assert found.dataset == "ilsvrc2012"
    assert {name: split.shards for name, split in found.splits.items()} == {
        "train": 1024,
        "validation": 128,
        "test": 128,
    }
    assert [name for name, split in found.splits.items() if split.optional] == ["test"]
    assert found.archives["train"].bytes == 147_897_477_120
    assert set(found.optional) == {"devkit", "validation-boxes", "test"}


@pytest.mark.parametrize(
    ("old", "new", "expected", "found"),
    [
        ('dataset = "fish"', "dataset = 5", "a text", "5"),
        ('table = "table.tsv"', 'table = "absent.tsv"', "a file", "absent.tsv"),
        ('file = "flat.tar"', 'file = "a/flat.tar"', "a name without folders", "'a/flat.tar'"),
        ('table = "table.tsv"', r'table = "\u0000"', "a file", "\0"),
        ('table = "table.tsv"', f'table = "{"x" * 256}"', "a file", "x" * 256),
        ('file = "flat.tar"', 'file = ""', "a name without folders", "''"),
        ('file = "flat.tar"', r'file = "\u0000.tar"', "a name without folders", r"\x00"),
        ('file = "flat.tar"', f'file = "{"x" * 256}"', "a name without folders", "xxx"),
        ('file = "flat.tar"', 'file = "train.tar"', "a file for each archive", "train.tar"),
        ('file = "extra.tgz"', 'file = "flat.tar"', "a file for each archive", "flat.tar"),
        ('md5 = "29b', 'md5 = "x9b', "32 hex digits", "x9b22e2961454d5413ddabcf34fc5622"),
        ("bytes = 100", 'bytes = "100"', "a whole number", "'100'"),
        ("bytes = 100", "bytes = true", "a whole number", "True"),
        ("bytes = 100", "bytes = -1", "1 or more", "-1"),
        ('archive = "flat"', 'archive = "test"', "train, flat, extra", "test"),
        ('layout = "flat"', 'layout = "folders"', "class-tars or flat", "folders"),
        ("shards = 2", "shards = 0", "1 to 1,000,000", "0"),
        ("shards = 2", "shards = 2.0", "a whole number", "2.0"),
        ("shards = 2", f"shards = {2**63}", "a whole number", str(2**63)),
        ("shards = 2", f"shards = 0x{'f' * 4000}", "a whole number", "thousands of digits"),
        ("images = 5", "images = 0", "1 to 20,000,000", "0"),
        (r"'(\d+)\.JPEG'", r"'\d+\.JPEG'", "one group", "0 groups"),
        ("images = 5", "images = 2000000000", "1 to 20,000,000", "2000000000"),
        ("shards = 2", "shards = 2000000000", "1 to 1,000,000", "2000000000"),
        (r"'(\d+)\.JPEG'", r"'(\d+'", "one group", r"'(\\d+'"),
        (r"'(\d+)\.JPEG'", r"'(\d)\1'", "of RE2", "invalid escape sequence"),
        (r"'(\d+)\.JPEG'", r"'(\d+)(?!x)'", "of RE2", "invalid perl operator"),
        (r"'(\d+)\.JPEG'", "'(a{4294967296})'", "of RE2", "too large"),
        (r"'(\d+)\.JPEG'", "'(a{2000})'", "of RE2", "repetition size"),
        (r"'(\d+)\.JPEG'", "'([[a])'", "of RE2", "Possible nested set"),
        (r"'(\d+)\.JPEG'", f"'{'(' * 500}{')' * 500}'", "of RE2", "recursion"),
        (r"'(\d+)\.JPEG'", f"'({'x' * 1000})'", "of RE2", "1,002 characters"),
        ('labels = "list.txt"', 'labels = "absent.txt"', "a file", "absent.txt"),
        ("images = 5", 'images = 5\ncounts = "counts.tsv"', "images and counts", "both"),
        (f"images = 5\n{BLACKLIST}", 'counts = "absent.tsv"\n', "a file", "absent.tsv"),
        (
            f'labels = "list.txt"\nimages = 5\n{BLACKLIST}',
            'counts = "counts.tsv"\n',
            "images",
            "no labels",
        ),
        ('boxes = "extra"', 'boxes = "more"', "train, flat, extra", "more"),
        ('folder = "val"', 'folder = "../val"', "letters, digits, _ and -", "'../val'"),
        ('folder = "val"', 'folder = "train"', "a folder for each split", "train"),
        ('blacklist = "numbers.txt"', 'blacklist = "absent.txt"', "a file", "absent.txt"),
        ("[optional.extra]", "[optional.flat]", "a name of its own", "flat"),
        ("[splits.validation]", "[splits.val-2012]", "letters, digits, _", "val-2012"),
        ("[labels]", "labels = 5\n[optional.more]", "a table", "5"),
    ],
)
def test_a_wrong_value_is_refused_at_its_line(
    path: Path, old: str, new: str, expected: str, found: str
) -> None:
    assert TEXT.count(old) == 1
    error = refused(path, TEXT.replace(old, new))
    line = TEXT[: TEXT.index(old)].count("\n") + 1
    assert error.place == f"line {line}"
    assert expected in str(error.expected)
    assert found in str(error.found)


@pytest.mark.parametrize(
    ("old", "line", "expected"),
    [
        ('table = "table.tsv"\n', "[labels] #", "table"),
        ('file = "flat.tar"\n', "[archives.flat]", "file"),
        ('layout = "flat"\n', "[splits.validation]", "class-tars or flat"),
        ("member = '(\\d+)\\.JPEG'\n", "[splits.validation]", "member"),
    ],
)
def test_a_missing_key_is_refused_at_its_table(
    path: Path, old: str, line: str, expected: str
) -> None:
    text = TEXT.replace(old, "")
    error = refused(path, text)
    assert error.place == f"line {text[: text.index(line)].count(chr(10)) + 1}"
    assert error.expected == expected
    assert error.found


@pytest.mark.parametrize("section", ["labels", "archives", "splits"])
def test_a_missing_table_is_named(path: Path, section: str) -> None:
    error = refused(path, TEXT.replace(f"[{section}", "[optional.x"))
    assert f"lacks the key '{section}'" in error.what
    assert (error.expected, error.found) == (section, ", ".join(tomllib.loads(path.read_text())))


def test_a_configuration_without_splits_is_refused(path: Path) -> None:
    error = refused(path, TEXT[: TEXT.index("[splits")] + "[splits]\n")
    assert (error.place, error.expected) == ("line 23", "[splits.NAME]")


@pytest.mark.parametrize(
    ("old", "new", "remedy"),
    [
        ("shards = 2", "shard = 2", "did you mean 'shards'?"),
        ("bytes = 100", "byte = 100", "did you mean 'bytes'?"),
        ("shards = 8", "shards = 8\nlables = 3", "remove it, or correct its name"),
        ("[optional.extra]", "[optionals.extra]", "did you mean 'optional'?"),
    ],
)
def test_an_unknown_key_is_refused_with_what_was_perhaps_meant(
    path: Path, old: str, new: str, remedy: str
) -> None:
    error = refused(path, TEXT.replace(old, new))
    line = TEXT[: TEXT.index(old)].count("\n") + new.count("\n") + 1
    assert (error.place, error.remedy) == (f"line {line}", remedy)
    assert str(error.found) in new
    assert error.expected


@pytest.mark.parametrize(
    "split",
    [
        'splits.validation.layout = "folders"',
        'splits = { validation = { layout = "folders" } }',
        '[splits]\nvalidation = { layout = "folders" }',
        '[ splits . "validation" ]\n"layout" = "folders"',
    ],
)
def test_the_line_is_found_however_the_key_is_written(path: Path, split: str) -> None:
    head = TEXT[: TEXT.index("[labels]")]
    tables = TEXT[TEXT.index("[labels]") : TEXT.index("[splits")]
    text = f"{head}{split}\n{tables}" if "[" not in split else f"{head}{tables}{split}\n"
    error = refused(path, text)
    assert error.found == "folders"
    wanted = next(n for n, line in enumerate(text.split("\n"), 1) if "folders" in line)
    assert error.place == f"line {wanted}"


def test_what_is_no_toml_is_refused_with_its_place(path: Path) -> None:
    assert "line 3" in str(refused(path, 'dataset = "a"\n\nlabels = \n').place)
    assert "line 2" in str(refused(path, "[splits]\n[splits]\n").place)


@pytest.mark.parametrize(
    ("text", "place", "found"),
    [
        (f"dataset = 1\na{'.a' * 200_000} = 1\n", None, "400,018"),
        (f"dataset = 1\na{'.a' * 20_000} = 1\n", "line 2", "20,000"),
        (f"dataset = 1\n[a{' . a' * 5000}]\n", "line 2", "5,000"),
    ],
)
def test_more_text_than_any_configuration_has_is_refused_before_it_is_parsed(
    path: Path, text: str, place: str | None, found: str
) -> None:
    with bounded_cpu():
        error = refused(path, text)
    assert (error.place, error.found) == (place, found)
    assert "at most" in str(error.expected)


@pytest.mark.parametrize("value", ["[" * 5000, "9" * 5000])
def test_what_is_beyond_the_reader_of_toml_is_refused(path: Path, value: str) -> None:
    assert refused(path, f"dataset = {value}\n").what == "not valid TOML"


def test_what_is_no_text_is_refused(path: Path) -> None:
    path.write_bytes(b'dataset = "\xff"\n')
    with pytest.raises(ConfigError, match="not UTF-8") as refusal:
        config.load(path)
    assert "position 11" in str(refusal.value.place)


def test_a_configuration_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such configuration file") as refusal:
        config.load(tmp_path / "absent.toml")
    assert "--config" in str(refusal.value.remedy)


@pytest.mark.parametrize(("folder", "taken"), [("lists", ()), ("a", ("a", "b"))])
def test_a_folder_of_the_output_is_no_folder_of_a_split(
    path: Path, folder: str, taken: tuple[str, ...]
) -> None:
    path.write_text(TEXT.replace('folder = "val"', f'folder = "{folder}"'))
    with pytest.raises(ConfigError) as refusal:
        config.load(path, taken)
    assert f"none of {', '.join(sorted({*taken, 'lists'}))}" in str(refusal.value)


def test_md5s_and_numbers_of_images_may_be_left_out(path: Path) -> None:
    assert config.load(path).says_all
    for line in (
        'md5 = "29b22e2961454d5413ddabcf34fc5622"\n',
        "images = 5\n",
        'counts = "labels:images"\n',
    ):
        assert line in TEXT
        path.write_text(TEXT.replace(line, ""))
        assert not config.load(path).says_all
