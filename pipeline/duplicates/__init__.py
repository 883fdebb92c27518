"""Images that an output has more than once, or nearly so: hashes, pairs, groups and their page."""
