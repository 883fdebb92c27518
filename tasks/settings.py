"""Luigi's settings: those that are shipped, where the user has none."""

from __future__ import annotations

import configparser

import luigi.configuration

from pipeline import resources


def apply_shipped_settings() -> None:
    """Give every Luigi setting that the user has not set its shipped value."""
    shipped = configparser.ConfigParser(interpolation=None)
    shipped.read(resources.shipped("luigi.cfg"))
    settings = luigi.configuration.get_config()
    for section in shipped.sections():
        for option, value in shipped.items(section):
            if not settings.has_option(section, option):
                settings.set(section, option, value)
