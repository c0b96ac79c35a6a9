"""Merging: checkpoints and coefficients in, weights out. Knows tensors; no data sets, metrics or screens.

What a merge is made of stands here, one noun a file; the folders hold how that is done (CONTRIBUTING.md says what
belongs where).
"""

import sys

from merging.ahead import begin_for_command

begin_for_command(sys.orig_argv, sys.argv)  # before torch is loaded

from merging.access import NEEDS, Access
from merging.checkpoint import Checkpoint, reference
from merging.combining.directions import Directions, fingerprint, prepare
from merging.combining.distance import frozen_distance
from merging.combining.in_memory import combine_into
from merging.combining.stream import OpenRecipe, merge_plan, merge_tensors
from merging.describing.description import describe
from merging.errors import MergingError
from merging.files.tensors import Tensors, open_tensors
from merging.files.writing import Slot, atomic, write
from merging.groups import Groups, groups_in, importance, names_of
from merging.mergekit import Configuration, from_mergekit, read_configuration, to_mergekit
from merging.mergekit.carrying import merge_mergekit
from merging.method import (
    CLASSES,
    Coefficient,
    Method,
    Paper,
    method,
    method_settings,
    methods,
    ordered,
)
from merging.output.adapter import AdapterReport, merge_to_adapter
from merging.output.weights import merge
from merging.reading import read_merge, read_recipe
from merging.recipe import Part, Recipe, new_recipe
from merging.setting import Setting
from merging.task_vector import Entry, Layout, TaskVectors, task_vectors

__all__ = [
    "Access",
    "AdapterReport",
    "CLASSES",
    "Checkpoint",
    "Coefficient",
    "Configuration",
    "Directions",
    "Entry",
    "Groups",
    "Layout",
    "MergingError",
    "Method",
    "NEEDS",
    "OpenRecipe",
    "Paper",
    "Part",
    "Recipe",
    "Setting",
    "Slot",
    "TaskVectors",
    "Tensors",
    "atomic",
    "combine_into",
    "describe",
    "fingerprint",
    "from_mergekit",
    "frozen_distance",
    "groups_in",
    "importance",
    "merge",
    "merge_mergekit",
    "merge_plan",
    "merge_tensors",
    "merge_to_adapter",
    "method",
    "method_settings",
    "methods",
    "names_of",
    "new_recipe",
    "open_tensors",
    "ordered",
    "prepare",
    "read_configuration",
    "read_merge",
    "read_recipe",
    "reference",
    "task_vectors",
    "to_mergekit",
    "write",
]
