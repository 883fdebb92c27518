"""Imports libcurl so that it uses its own functions, whatever else this process has loaded.

TensorFlow shows the functions of a libcurl of its own, and of an SSL library, to all that is loaded
after it. They would stand in for those that pycurl comes with, which it notices and then cannot be
imported. What is loaded with ``RTLD_DEEPBIND`` looks at home first; where there is no such flag,
libraries do so anyway.
"""

from __future__ import annotations

import os
import sys

_before = sys.getdlopenflags()
sys.setdlopenflags(_before | getattr(os, "RTLD_DEEPBIND", 0))
try:
    import pycurl
finally:
    sys.setdlopenflags(_before)

__all__ = ["pycurl"]
