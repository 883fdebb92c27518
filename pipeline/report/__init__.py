"""A page for people: what an output holds, with its images, as files that need no network."""
