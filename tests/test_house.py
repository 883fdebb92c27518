"""Rules of the house, read off the source tree: who may import, name and do what.

Each rule is one test over the whole tree. Where a rule does not hold yet, the modules that break it
are listed beside it: such a list may only become shorter, and the test fails when it could be.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from sourcecode import (
    PIPELINE,
    PROGRAM,
    TASKS,
    attributes,
    called,
    calls,
    import_without,
    imported,
    imports_from,
    imports_of,
    module_name,
    nodes,
    offenders,
    outside,
    relative,
    spelled,
    strings,
)
from support import ROOT

OF_FRAMEWORKS: Final = {
    "pipeline/loaders/dali.py": {"nvidia"},
    "pipeline/loaders/grain.py": {"grain"},
    "pipeline/loaders/mxnet.py": {"mxnet"},
    "pipeline/loaders/tfdata.py": {"tensorflow"},
    "pipeline/loaders/torch.py": {"torch"},
}
"""The loaders, and the framework that each alone imports."""
FRAMEWORKS: Final = {"tensorflow", "mxnet", "nvidia", "torch", "grain", "torchdata", "webdataset"}
SOURCES: Final = {"ilsvrc2012", "imagelist", "openimages", "shardset"}
USE_A_SOURCE: Final = (
    # MXNet's im2rec.py reads and writes image lists: a user of that source, not a part of the
    # preparation.
    "pipeline/im2rec",
    "tasks/cli/im2rec.py",
    "tasks/cli/listreport.py",
    "pipeline/sample",  # draws the archives of ILSVRC2012, and the files of Open Images
    # Open Images is collected before it is a source; these commands are about nothing else.
    "tasks/openimages",
    "tasks/cli/collecting.py",
    "tasks/cli/collecting_display.py",
    "tasks/cli/collecting_report.py",
    "tasks/cli/collecting_status.py",
    "tasks/cli/openimages_split.py",
    "tasks/cli/openimages_download.py",
    "tasks/cli/openimages_download_report.py",
    "tasks/cli/classes.py",
)
"""What is about one source by its purpose, and may name it."""
FORMATS: Final = {"tfrecord", "recordio", "webdataset", "hfparquet", "mds", "arrayrecord"}
FORMAT_NAMES: Final = FORMATS | {"hf-parquet"}
USE_A_FORMAT: Final = (
    "pipeline/loaders",  # each opens the shards of a format that its name says
    # MXNet's im2rec.py writes one RecordIO file of an image list: a user of that format, not a
    # part of the preparation.
    "pipeline/im2rec",
    "pipeline/documents/packed.py",
    "pipeline/verification/packcheck.py",
    "tasks/cli/im2rec.py",
)
"""What is about one format by its purpose, and may name it."""
EXPORTS: Final = {
    path.stem
    for path in (ROOT / "pipeline" / "exports").iterdir()
    if path.stem not in {"__init__", "__pycache__", "base", "registry", "tree"}
}
EXPORT_NAMES: Final = {
    *("parquet", "croissant", "imagefolder", "dbcollection", "raw256"),
    *("coco", "voc", "yolo", "yolo-segments", "class-tree", "label-map", "attribution"),
}
USE_AN_EXPORT: Final = ("tasks/cli/dbcollection_cache.py",)
"""What is about one export by its purpose, and may name it."""
OUTPUT_NAMES: Final = {"manifest.json", "facts.parquet", ".shardmill", "current", "idx"}
REMOVERS: Final = {"unlink", "rmdir", "rmtree", "removedirs"}
RENAMERS: Final = {"rename", "renames", "replace", "link", "move", "glob", "iglob", "rglob"}
LOOKERS: Final = {
    *(
        "exists",
        "is_dir",
        "is_file",
        "is_symlink",
        "iterdir",
        "lstat",
        "scandir",
        "listdir",
        "walk",
    ),
    *("isdir", "isfile", "islink", "lexists", "getsize", "getmtime", "realpath", "samefile"),
}
LOOKING_METHODS: Final = {"stat", "readlink", "resolve"}
"""Methods of paths and functions of `os`; functions of these names are others."""
TOP_MODULES: Final = 8
LONGEST_FILE: Final = 330
LONGEST_TASKS_FILE: Final = 250

DASK: Final = "tasks/engines/dask.py"
"""What alone imports Dask, which few installations have."""
REMOTE: Final = {
    "pipeline/storage/s3": {"boto3", "botocore"},
    "pipeline/storage/http": {"pycurl"},
}
"""Where remote places are read and written, and what those folders alone may import."""


@pytest.mark.parametrize("met", [False, True], ids=["of local places", "of remote places"])
def test_modules_import_without_what_they_do_not_need(met: bool) -> None:
    """The library without Luigi and its tasks, nothing with a framework, and of local places.

    Neither boto3 nor libcurl is imported before a remote place is met: boto3 takes a third of a
    second.
    """
    # Beside their folders: what carries `shardmill fetch` out makes a transfer at once.
    local = {*outside(*REMOTE, "tasks/cli/fetch_report.py")}
    local.add(ROOT / "pipeline/storage/s3/settings.py")
    refused = FRAMEWORKS if met else FRAMEWORKS.union(*REMOTE.values())
    # Loaders are imported where their framework is; that of TensorFlow long was without.
    loaders = {ROOT / path for path in OF_FRAMEWORKS if path != "pipeline/loaders/tfdata.py"}
    library = [path for path in PIPELINE if (path in local) != met and path not in loaders]
    others = {ROOT / DASK, ROOT / "tasks/cli/__main__.py"}
    tasks = [path for path in TASKS if (path in local) != met and path not in others]
    assert library
    assert tasks
    refused = refused | {"dask", "distributed"}
    import_without(({"luigi", "tasks", *refused}, library), (refused, tasks))


def test_modules_are_imported_when_it_is_known_that_they_are_needed() -> None:
    """Arrow and Luigi not for ``--version``, and Rich not where no terminal shows bars."""
    command, preparing = ROOT / "tasks/cli/__init__.py", ROOT / "tasks/cli/preparing.py"
    import_without(({"pyarrow", "numpy", "luigi", "rich"}, [command]), ({"rich"}, [preparing]))


def test_only_one_module_imports_dask() -> None:
    files = outside(DASK)
    assert offenders(files, lambda path: imports_from(path, {"dask", "distributed"})) == set()
    assert len((ROOT / DASK).read_text().splitlines()) < 100


@pytest.mark.parametrize("room", REMOTE)
def test_no_other_module_names_boto3_or_libcurl(room: str) -> None:
    assert offenders(outside(room), lambda path: imports_from(path, REMOTE[room])) == set()


def test_the_library_knows_no_luigi_and_no_tasks() -> None:
    assert offenders(PIPELINE, lambda path: imports_from(path, {"luigi", "tasks"})) == set()


def test_only_loaders_know_a_training_framework() -> None:
    refused = FRAMEWORKS | {"pipeline.loaders"}
    files = outside("pipeline/loaders")
    assert offenders(files, lambda path: imports_from(path, refused)) == set()


@pytest.mark.parametrize("loader", OF_FRAMEWORKS)
def test_a_framework_is_imported_by_its_loader_alone(loader: str) -> None:
    of_it = OF_FRAMEWORKS[loader]
    # What measures loaders beside the usual ways of their frameworks knows all of them.
    files = outside(loader, "pipeline/loaders/usual.py")
    assert offenders(files, lambda path: imports_from(path, of_it)) == set()
    assert not imports_from(ROOT / loader, FRAMEWORKS - of_it)


def test_sources_formats_and_exports_know_nothing_of_each_other() -> None:
    rooms = ("sources", "formats", "exports")
    assert {
        (relative(path), name)
        for room in rooms
        for path in (ROOT / "pipeline" / room).rglob("*.py")
        for name in imports_from(path, {f"pipeline.{other}" for other in rooms if other != room})
    } == set()


def names_one_of(room: str, concrete: set[str], *users: str) -> set[str]:
    """Return the files outside a room and its users that import one of its concrete modules."""
    packages = {f"pipeline.{room}.{name}" for name in concrete}
    files = outside(f"pipeline/{room}", *users)
    return offenders(files, lambda path: imports_from(path, packages))


def test_no_module_outside_sources_names_a_source() -> None:
    assert names_one_of("sources", SOURCES, *USE_A_SOURCE) == set()


def test_no_module_outside_sources_calls_a_class_a_wnid() -> None:
    """Others speak of the id of a class; columns and keys of outputs are called as they were."""

    def calls_it_so(path: Path) -> bool:
        names = {node.id for node in nodes(path) if isinstance(node, ast.Name)}
        names |= {node.attr for node in nodes(path) if isinstance(node, ast.Attribute)}
        names |= {node.arg for node in nodes(path) if isinstance(node, ast.arg)}
        return any("wnid" in name.lower() for name in names)

    files = outside("pipeline/sources/ilsvrc2012", "pipeline/sample")
    assert offenders(files, calls_it_so) == set()


def test_no_module_outside_formats_names_a_format() -> None:
    assert names_one_of("formats", {*FORMATS, "facts"}, *USE_A_FORMAT) == set()
    files = outside("pipeline/formats", *USE_A_FORMAT)
    assert offenders(files, lambda path: FORMAT_NAMES & set(strings(path))) == set()


def test_a_format_names_no_other_format() -> None:
    rooms = {ROOT / "pipeline" / "formats" / name for name in (*FORMATS, "facts")}
    assert {
        (relative(path), name)
        for room in rooms
        for path in room.rglob("*.py")
        for name in imports_from(path, {module_name(each) for each in rooms - {room}})
    } == set()
    assert all(any(room.rglob("*.py")) for room in rooms)


def test_no_module_outside_exports_names_an_export() -> None:
    assert len(EXPORTS) > 5
    assert names_one_of("exports", EXPORTS, *USE_AN_EXPORT) == set()
    files = outside("pipeline/exports", *USE_AN_EXPORT)
    assert offenders(files, lambda path: EXPORT_NAMES & set(strings(path))) == set()


def test_only_storage_renames_lists_by_pattern_or_names_boto3() -> None:
    refused = {"boto3", "botocore", "glob", "shutil", "os.rename", "os.replace", "os.link"}
    files = outside("pipeline/storage")
    assert offenders(files, lambda path: imports_from(path, refused)) == set()
    assert offenders(files, lambda path: list(_renames(path))) == set()


def _renames(path: Path) -> Iterator[str]:
    for node in calls(path):
        if isinstance(node.func, ast.Attribute) and node.func.attr in RENAMERS:
            # `str.replace` takes two arguments, and is no function of `os`.
            text = node.func.attr == "replace" and len(node.args) == 2
            if not text or spelled(node.func).startswith("os."):
                yield spelled(node)


def test_only_storage_asks_what_files_there_are() -> None:
    def asks(path: Path) -> set[str]:
        parts = [each.rpartition(".") for each in called(path)]
        asked = {name for owner, _, name in parts if owner != "storage"}
        methods = {name for owner, _, name in parts if owner not in {"", "storage"}}
        return (asked & LOOKERS) | (methods & LOOKING_METHODS)

    assert offenders(outside("pipeline/storage"), asks) == set()


def test_only_storage_takes_paths_apart() -> None:
    def takes_apart(path: Path) -> bool:
        return "os.path" in attributes(path) or bool(imports_from(path, {"os.path", "posixpath"}))

    assert offenders(outside("pipeline/storage"), takes_apart) == set()


def test_only_one_module_removes_files_and_folders() -> None:
    files = outside("pipeline/storage/local/deleting.py")
    refused = {"shutil", "os.remove", *(f"os.{name}" for name in REMOVERS)}

    def removes(path: Path) -> bool:
        names = attributes(path)
        removers = {name for name in names if name.rpartition(".")[2] in REMOVERS}
        return bool(removers | ({"os.remove"} & names) or imports_from(path, refused))

    assert offenders(files, removes) == set()


def test_only_paths_spells_the_names_of_the_output_tree() -> None:
    def spells(path: Path) -> bool:
        steps = {
            id(node.value)
            for node in nodes(path)
            if (isinstance(node, ast.Assign) and spelled(node.targets[0]) == "step")
            or (isinstance(node, ast.keyword) and node.arg == "step")
        }
        return any(
            isinstance(node, ast.Constant) and node.value in OUTPUT_NAMES and id(node) not in steps
            for node in nodes(path)
        )

    # Beside it: which folder of this host stands for one of the output tree.
    owners = ("pipeline/paths.py", "pipeline/storage/host_state.py")
    assert offenders(outside(*owners), spells) == set()


def test_one_function_names_files_and_publishes_them_with_their_mark() -> None:
    def hashes(path: Path) -> bool:
        return any(
            isinstance(node, ast.Attribute) and node.attr == "content_hash" for node in nodes(path)
        )

    # A cache names each of its files by its hash.
    cache = "pipeline/loaders/file_cache.py"
    owners = ("pipeline/manifest.py", "pipeline/storage/staged_file.py", cache)
    assert offenders(outside(*owners), hashes) == set()
    # Beside it: lists and a drawn sample, which have no mark.
    files = outside("pipeline/storage", cache)
    assert offenders(files, lambda path: "storage.publish" in called(path)) == {
        "pipeline/im2rec/lists.py",
        "pipeline/manifest.py",
        "pipeline/sample/publishing.py",
        "pipeline/sources/openimages/selecting/single_class.py",
    }
    files = outside("pipeline/manifest.py")
    assert offenders(files, lambda path: "manifest.serialise" in called(path)) == set()
    # Beside it: entries that another document or a table holds already.
    assert offenders(PROGRAM, lambda path: called(path) & {"FileEntry", "manifest.FileEntry"}) == {
        "pipeline/exports/croissant_export.py",
        "pipeline/manifest.py",
        "pipeline/verification/productcheck.py",
    }


def test_a_file_is_read_to_be_hashed_only_where_something_is_verified() -> None:
    # Of pack.py it is the list, which is an input.
    readers = {"hash_file", "manifest.hash_file"}
    assert offenders(PROGRAM, lambda path: called(path) & readers) == {
        "pipeline/im2rec/api.py",
        "pipeline/im2rec/pack.py",
        "pipeline/im2rec/recorded.py",
        "pipeline/loaders/file_cache.py",
        "pipeline/manifest.py",
        "pipeline/state/withdrawal.py",
        "pipeline/verification/findings.py",
        "tasks/exports.py",
    }


def test_documents_are_parsed_in_one_place() -> None:
    parsers = {"json.load", "json.loads", "manifest.load", "manifest.parse"}
    # Beside the sealed ones: another program's cache, samples in tars, what shards say of their
    # columns, an argument of Luigi's command, a luigid's answer; and parameters that are compared
    # as they were written.
    assert offenders(PROGRAM, lambda path: called(path) & parsers) == {
        "pipeline/manifest.py",
        "pipeline/exports/dbcollection/cache.py",
        "pipeline/exports/dataset_card.py",
        "pipeline/formats/hfparquet/shard.py",
        "pipeline/formats/mds/columns.py",
        "pipeline/formats/mds/shard.py",
        "pipeline/formats/webdataset/shard.py",
        "pipeline/verification/notbegun.py",
        "tasks/arguments.py",
        "tasks/run/exchange.py",
    }


def test_the_library_has_few_modules_beside_its_packages() -> None:
    top = {path for path in PIPELINE if path.parent == ROOT / "pipeline"}
    assert len(top - {ROOT / "pipeline" / "__init__.py"}) <= TOP_MODULES


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Imports for annotations alone do not count: they are not carried out."""
    modules = {module_name(path): path for path in PROGRAM}

    def needs(path: Path) -> set[str]:
        names = set(imported(path)) - set(imports_of(_for_annotations(path)))
        owners = (each if each in modules else each.rpartition(".")[0] for each in names)
        return {each for each in owners if each in modules}

    remaining = {name: needs(path) for name, path in modules.items()}
    while free := {name for name, wanted in remaining.items() if not wanted & remaining.keys()}:
        remaining = {name: wanted for name, wanted in remaining.items() if name not in free}
    assert remaining == {}


def _for_annotations(path: Path) -> Iterator[ast.AST]:
    for node in nodes(path):
        if isinstance(node, ast.If) and spelled(node.test) == "TYPE_CHECKING":
            yield from ast.walk(node)


def test_what_finds_duplicates_knows_no_page_and_what_reads_outputs_neither() -> None:
    above = {"pipeline/duplicates": {"pipeline.report"}}
    above["pipeline/finished"] = {"pipeline.report", "pipeline.duplicates"}
    for room, refused in above.items():
        files = list((ROOT / room).rglob("*.py"))
        assert files
        assert offenders(files, lambda path: imports_from(path, refused)) == set()  # noqa: B023


def test_no_file_is_too_long_to_read() -> None:
    def too_long(path: Path) -> bool:
        limit = LONGEST_TASKS_FILE if path in TASKS else LONGEST_FILE
        return len(path.read_text().splitlines()) > limit

    assert offenders(PROGRAM, too_long) == set()


def test_no_file_names_a_folder_of_some_machine() -> None:
    machine = ("/home/", "/root/", "/Users/", "/tmp/")  # noqa: S108
    assert offenders(PROGRAM, lambda p: [s for s in strings(p) if s.startswith(machine)]) == set()


def test_an_image_has_one_word() -> None:
    # Beside it: the keys and words that documents keep.
    files = outside("pipeline/documents/first_words.py")
    assert offenders(files, lambda path: "picture" in path.read_text().lower()) == set()


def test_the_library_neither_prints_nor_exits() -> None:
    refused = {"print", "sys.exit", "exit", "os._exit"}
    assert offenders(PIPELINE, lambda path: called(path) & refused) == set()


def test_only_the_table_declares_options() -> None:
    declares = {"click.option", "click.argument", "click.Option", "click.Argument"}
    declares |= {"GroupedOption", "GroupedArgument"}
    # Beside it, the words of another program's command line.
    assert offenders(outside("tasks/cli/options.py"), lambda path: called(path) & declares) == {
        "tasks/cli/im2rec.py"
    }


def test_only_one_place_says_something_to_people() -> None:
    says = {"click.echo", "click.secho", "print"}
    assert offenders(TASKS, lambda path: called(path) & says) == {"tasks/cli/saying.py"}
