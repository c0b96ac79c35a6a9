"""Evaluation turns weights into measurements. It knows models and tasks; it never sees a coefficient.

Importing this package, `metric` and `task` costs no torch; `evaluate`, `device` and `models` do.
"""
