"""Comparing merged values with other merging software, each in an environment of its own."""
