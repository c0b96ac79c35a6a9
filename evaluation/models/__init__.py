"""Models that merged weights are poured into: one file per library."""
