"""Directions prepared once and kept, and merges made from them: in memory for a trial, from files for an export."""
