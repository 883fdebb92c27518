"""Downloads of whole files that survive a cut at any place: parts, kept and checked by hashes."""
