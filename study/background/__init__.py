"""Processes beside the one that draws pages: the worker, one that waits with everything imported, one that fits."""
