"""Whole commands in forked processes: all of them real, but for what Python imports at its start.

A command of its own interpreter imports Arrow, NumPy and Luigi, and so does its worker: seconds,
where the work of a test's job takes some tenths of one. A fork of the test's process has imported
them already, and shares nothing else with it that a command could see: descriptors, handlers of
signals, caches, Luigi's and logging's state are those of a new process. What a test has
monkeypatched has an effect. What a new interpreter decides itself (``PYTHONHASHSEED``, ``-P``,
Luigi's own search for settings) is no matter for a fork: `support.shardmill` starts one for those.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import inspect
import logging
import multiprocessing
import multiprocessing.context
import os
import signal
import subprocess
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from typing import Any, NoReturn

import h5py  # noqa: F401 - forks would import it again and again; so would they what follows
import luigi
import luigi.cmdline
import lxml.etree  # noqa: F401
import numpy.ma  # noqa: F401
import PIL.features  # noqa: F401
import psutil
import pyarrow.dataset
import pyarrow.parquet  # noqa: F401
from killing import kill_tree
from luigi.setup_logging import InterfaceLogging

from pipeline.images.codec import distribution_version
from pipeline.sources.ilsvrc2012 import label_files
from tasks import cli
from tasks.cli import clean, display, im2rec, imagelist, imagenet, status, verify  # noqa: F401
from tasks.run import launch, standby, supervisor, worker
from tasks.run.assistant import launch as assistant_launch
from tasks.run.assistant import worker as assistant_worker

_POLL_S = 0.02
_WITHOUT_WAITS = (
    ("worker", "force_multiprocessing", "false"),
    ("worker", "wait_interval", "0.05"),
    ("worker", "wait_jitter", "0"),
    ("scheduler", "retry_delay", "0.1"),
)
# What is installed, and what a label table of a certain text is: a new interpreter finds the same.
_KEPT = (distribution_version, label_files._table)
_handlers = list[Any]()  # of the test's process: a worker that goes would close what is another's
_ARGUMENTS = inspect.signature(subprocess.Popen._execute_child)  # type: ignore[attr-defined]


def _work() -> NoReturn:
    """Be a worker that runs its tasks itself, one after another."""
    module: Any = worker
    shipped = module.apply_shipped_settings

    def apply() -> None:
        shipped()
        settings: Any = luigi.configuration.get_config
        for section, option, value in _WITHOUT_WAITS:
            settings().set(section, option, value)

    module.apply_shipped_settings = apply
    sys.argv[3] = "1"
    sys.exit(launch.main())


def _assist() -> NoReturn:
    """Be an assistant's worker, whose tasks have processes of their own, without long waits."""
    module: Any = assistant_worker
    shipped = module.apply_shipped_settings

    def apply() -> None:
        shipped()
        settings: Any = luigi.configuration.get_config
        for section, option, value in _WITHOUT_WAITS[1:]:
            settings().set(section, option, value)

    module.apply_shipped_settings = apply
    sys.exit(assistant_launch.main())


def _luigi() -> None:
    settings: Any = luigi.configuration.get_config
    # Its lock is by the command line, which all forks of all processes of the tests have in common.
    settings().set("core", "no_lock", "true")
    run: Any = luigi.cmdline.luigi_run
    run(sys.argv[1:])


def _luigid() -> None:
    run: Any = luigi.cmdline.luigid
    run(sys.argv[1:])


_MODULES = {
    "tasks.cli": cli.main,
    "tasks.run.launch": _work,
    "tasks.run.assistant.launch": _assist,
    "luigi": _luigi,
    "luigi.cmdline": _luigid,  # which as a module does nothing
}


def possible() -> bool:
    """Whether a fork would do what a new interpreter does: read the same settings, fail alike."""
    # A file system that fails is put in by `sitecustomize`, which only a new interpreter runs.
    return os.environ.keys().isdisjoint({"LUIGI_CONFIG_PARSER", "SHARDMILL_FAULT"})


class ForkedPopen(subprocess.Popen[Any]):
    """A `subprocess.Popen` that forks where a module of ours would be run."""

    def _execute_child(self, *given: Any) -> None:
        how = _ARGUMENTS.bind(self, *given).arguments
        words = list(how["args"])
        if "-m" not in words[:3] or (main := _MODULES.get(words[words.index("-m") + 1])) is None:
            super()._execute_child(*given)  # type: ignore[misc]
            return
        ends = {0: how["p2cread"], 1: how["c2pwrite"], 2: how["errwrite"]}
        with warnings.catch_warnings():  # from Python 3.12 on, of threads: the child starts none
            warnings.simplefilter("ignore", DeprecationWarning)
            self.pid = os.fork()
        if self.pid == 0:
            _become(main, words, ends, how)
        self._child_created = True
        for child, ours in (
            ("p2cread", "p2cwrite"),
            ("c2pwrite", "c2pread"),
            ("errwrite", "errread"),
        ):
            if how[child] != -1 and how[ours] != -1:
                os.close(how[child])
        if (devnull := getattr(self, "_devnull", None)) is not None:
            os.close(devnull)


def run(words: list[str], *, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Do what `subprocess.run` does with a command line, and return the same."""
    pipe = subprocess.PIPE
    with ForkedPopen(words, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            said = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(words, process.returncode, *said)


def kill_whole(started: ForkedPopen) -> None:
    """Kill a command with all of its processes."""
    _, *below = kill_tree(psutil.Process(started.pid))
    psutil.wait_procs(below)
    started.communicate()


def _become(
    main: Callable[[], object], words: list[str], ends: dict[int, int], how: dict[str, Any]
) -> NoReturn:
    """Be a new process that runs a main function, and end."""
    code = 70
    try:
        atexit._clear()
        _take_descriptors(ends, how["pass_fds"])
        if how["start_new_session"]:
            os.setsid()
        if how["cwd"]:
            os.chdir(how["cwd"])
        if how["env"] is not None:
            os.environ.clear()
            os.environ.update(how["env"])
        _forget()
        sys.argv = words[words.index("-m") + 1 :]
        code = _exit_code(main)
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
    finally:
        os._exit(code)


def _exit_code(main: Callable[[], object]) -> int:
    try:
        main()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
        return 1
    return 0


def _take_descriptors(ends: dict[int, int], kept: tuple[int, ...]) -> None:
    """Have the standard streams, and no other descriptor but those to keep."""
    gc.freeze()  # no file of the test's is ever closed here: its number may be another's
    copies = {fd: os.dup(end) for fd, end in ends.items() if end != -1}
    for fd, copy in copies.items():
        os.dup2(copy, fd)
    low = 3
    for fd in [*sorted(kept), 1 << 16]:
        os.closerange(low, fd)
        low = fd + 1
    for fd, name in ((0, "stdin"), (1, "stdout"), (2, "stderr")):
        stream = open(fd, "r" if fd == 0 else "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _forget() -> None:
    """Have the state of modules that a new interpreter would have."""
    warnings.resetwarnings()
    for kind in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
        warnings.simplefilter("ignore", kind)
    for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
        if signal.getsignal(number) not in (signal.SIG_DFL, signal.SIG_IGN, None):
            _handlers.append(signal.signal(number, signal.SIG_DFL))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    forget_caches()
    luigi.configuration.LuigiConfigParser._instance = None
    if (path := os.environ.get("LUIGI_CONFIG_PATH")) is not None:
        add: Any = luigi.configuration.add_config_path
        add(path)
    InterfaceLogging._configured = False
    for logger in (logging.root, *map(logging.getLogger, list(logging.root.manager.loggerDict))):
        logger.handlers = []
        logger.setLevel(logging.WARNING if logger is logging.root else logging.NOTSET)
    multiprocessing.process._children.clear()  # type: ignore[attr-defined]  # the test's own
    context: Any = multiprocessing.context
    context._default_context._actual_context = None
    context._concrete_contexts["spawn"] = context._concrete_contexts["fork"]
    subprocess.Popen = ForkedPopen  # type: ignore[misc]
    supervisor._POLL_S = supervisor._PAUSE_S = _POLL_S
    standby.POSSIBLE[0] = False  # a worker does what `_work` says
    os.fsync = os.fstat  # type: ignore[assignment]  # no test cuts the power


def forget_caches() -> None:
    """Forget what earlier commands of this process have resolved, but not what is in `_KEPT`."""
    names = [name for name in sys.modules if name.partition(".")[0] in ("pipeline", "tasks")]
    for clear in _clearing(tuple(names)):
        clear()
    register: Any = luigi.task_register.Register
    register.clear_instance_cache()


@functools.lru_cache(1)
def _clearing(names: tuple[str, ...]) -> list[Callable[[], None]]:
    """Return what clears each cache of these modules."""
    values = [value for name in names for value in vars(sys.modules[name]).values()]
    caches = [
        each for each in values if not isinstance(each, type) and hasattr(each, "cache_clear")
    ]
    return [each.cache_clear for each in caches if each not in _KEPT]
