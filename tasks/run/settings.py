"""Luigi's settings: the user's own, those shipped, and which win.

Some of Luigi's settings run code (``logging_conf_file``, ``task_process_context``,
``metrics_custom_import``) or send what is done elsewhere (e-mail, a scheduler's address). A
command that is started in a folder of somebody else must not obey a ``luigi.cfg`` that lies there.
"""

from __future__ import annotations

import configparser
import os
from functools import cache
from pathlib import Path

import luigi.configuration
from luigi.configuration import LuigiConfigParser

from pipeline import resources, storage

_OF_MACHINE = ("/etc/luigi/client.cfg", "/etc/luigi/luigi.cfg")
_OF_FOLDER = ("client.cfg", "luigi.cfg")
_VARIABLE = "LUIGI_CONFIG_PATH"
_YES_OR_NO = ("true", "false")
_SECONDS, _LONG, _WHOLE = (0.0, 3600.0), (0.0, 1e7), (0, 10_000_000)
_TAKEN: dict[str, dict[str, tuple[str, ...] | tuple[float, float]]] = {
    "core": {
        "log_level": ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
        "rpc_retry_attempts": (0, 10_000),
        "rpc_retry_wait": (0, 3600),
    },
    "worker": {
        "force_multiprocessing": _YES_OR_NO,
        "keep_alive": _YES_OR_NO,
        "max_reschedules": (0, 1000),
        "ping_interval": (0.1, 3600.0),
        "timeout": _WHOLE,
        "wait_interval": (0.01, 3600.0),
        "wait_jitter": _SECONDS,
    },
    "scheduler": {
        "disable_persist": _WHOLE,
        "disable_window": _WHOLE,
        "prune_on_get_work": _YES_OR_NO,
        "remove_delay": _LONG,
        "retry_count": (0, 1000),
        "retry_delay": _LONG,
        "stable_done_cooldown_secs": _WHOLE,
        "worker_disconnect_delay": _LONG,
    },
}
"""What is taken of a file in the working folder: words, or numbers from a least to a greatest."""
_WITHOUT_EFFECT = {"retcode": None, "resources": None, "core": {"autoload_range"}}
"""What has no effect on shardmill, whoever sets it, and is left out without a word."""


def apply_shipped_settings() -> None:
    """Give every Luigi setting that the user has not set its shipped value."""
    settings = luigi.configuration.get_config()
    apply_users_settings()
    shipped = configparser.ConfigParser(interpolation=None)
    shipped.read(resources.shipped("luigi.cfg"))
    for section in shipped.sections():
        for option, value in shipped.items(section):
            if not settings.has_option(section, option):
                settings.set(section, option, value)


def send_no_mails() -> None:
    """Have Luigi send no mail of a task: the command sends one of all that has failed."""
    luigi.configuration.get_config().set("email", "format", "none")


@cache
def apply_users_settings() -> tuple[str, ...]:
    """Have Luigi forget what it has read in the working folder, but for what is harmless.

    The files of the machine and the one that ``LUIGI_CONFIG_PATH`` names are read as they are.

    Returns:
        What of the working folder is not taken: section and option.
    """
    settings = luigi.configuration.get_config()
    named = [name for name in (os.environ.get(_VARIABLE),) if name]
    if not isinstance(settings, LuigiConfigParser):  # TOML: nothing of the folder
        settings.read([str(Path(name).with_suffix(".toml")) for name in _OF_MACHINE] + named)
        return ()
    folder = [name for name in _OF_FOLDER if not any(_same(name, each) for each in named)]
    given = _read(folder)
    settings.clear()
    for option in tuple(settings.defaults()):
        settings.remove_option(settings.default_section, option)
    settings.read(_OF_MACHINE)
    left_out = []
    for section, option, value in given:
        if _harmless(section, option, value):
            settings.set(section, option, value)
        elif not _without_effect(section, option):
            left_out.append(f"[{section}] {option}")
    settings.read(named)
    return tuple(left_out)


def luigid_patience() -> tuple[float, float]:
    """Return how long to pause between two tries to reach a luigid, and to try in all, seconds."""
    apply_shipped_settings()
    settings = luigi.configuration.get_config()
    pause = float(settings.get("core", "rpc_retry_wait"))
    return pause, float(settings.get("core", "rpc_retry_attempts")) * pause


def _read(files: list[str]) -> list[tuple[str, str, str]]:
    parser = configparser.RawConfigParser(default_section="")
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(files)
    return [
        (section, option.replace("-", "_"), value)
        for section in parser.sections()
        for option, value in parser.items(section)
    ]


def _harmless(section: str, option: str, value: str) -> bool:
    allowed = _TAKEN.get(section, {}).get(option)
    match allowed:
        case None:
            return False
        case (float() | int() as least, float() | int() as greatest):
            try:
                return least <= type(least)(value) <= greatest
            except ValueError:
                return False
    return value in allowed or value.lower() in allowed


def _without_effect(section: str, option: str) -> bool:
    options = _WITHOUT_EFFECT.get(section, set())
    return options is None or option in options


def _same(one: str, other: str) -> bool:
    return storage.resolved(Path(one)) == storage.resolved(Path(other))
