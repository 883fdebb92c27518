"""The masks of what is selected: which are needed, where they come from, and what comes of each."""
