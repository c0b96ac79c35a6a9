"""Whole studies: listed, copied, packed, repaired, written as a table."""
