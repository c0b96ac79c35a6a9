"""Coefficients in, measurements and per-sample outputs out: the only place where merging and evaluation meet."""
