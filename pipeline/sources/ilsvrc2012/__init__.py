"""ILSVRC2012 from its archives or from an unpacked tree of class folders."""
