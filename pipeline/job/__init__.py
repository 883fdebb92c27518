"""A job: its options, what they may be, and the paths and digests that follow from them."""
