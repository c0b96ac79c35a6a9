"""YAML as plain data: nothing is run, nothing is read twice, and nothing small stands for something huge."""

import re
from typing import Any

import yaml

from merging.errors import MergingError

LARGEST = 200_000  # characters of a recipe; YAML is read at some 50,000 a second
MOST = 100_000  # values of a recipe


class _Loader(yaml.SafeLoader):
    """Safe YAML that refuses a key written twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = key_node.value
            if not isinstance(key_node, yaml.ScalarNode):
                raise MergingError(
                    f"Line {key_node.start_mark.line + 1}: a name must be one word, not a list or mapping."
                )
            if key in seen:
                raise MergingError(f"Line {key_node.start_mark.line + 1}: '{key}' is written twice.")
            seen.add(key)
        return super().construct_mapping(node, deep)


# YAML 1.1 takes 1e-5 for a word; people mean a number
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def _size(node: yaml.Node | None, known: dict[int, int]) -> int:
    """How many values a tree has once every alias (*name) is written out: a few lines can stand for billions."""
    if node is None or not isinstance(node.value, list):
        return 1
    if id(node) not in known:
        known[id(node)] = MOST + 1  # what an alias to a value that it is itself part of amounts to
        parts = [part for item in node.value for part in (item if isinstance(item, tuple) else (item,))]
        known[id(node)] = 1 + sum(_size(part, known) for part in parts)
    if known[id(node)] > MOST:
        raise MergingError(f"Line {node.start_mark.line + 1}: this stands for more than {MOST:,} values.")
    return known[id(node)]


def read_yaml(text: str) -> dict[str, Any]:
    """Read YAML whose top level is a mapping. Raises MergingError with the line otherwise."""
    if len(text) > LARGEST:
        raise MergingError(f"This has {len(text):,} characters; a recipe has at most {LARGEST:,}.")
    try:
        loader = _Loader(text)  # a SafeLoader: builds plain data only
        node = loader.get_single_node()
        _size(node, {})
        data = None if node is None else loader.construct_document(node)
    except MergingError:
        raise
    except RecursionError as error:
        raise MergingError("This is nested too deeply for a recipe.") from error
    except (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"Line {mark.line + 1}: " if mark else ""
        if "expected a single document" in str(getattr(error, "context", "")):
            raise MergingError(
                f"{where}a second document begins here ('---'); one file is one merge.",
                "Of mergekit-multi's files, write each document into a file of its own and merge them in order.",
            ) from error
        raise MergingError(f"{where}this is not YAML: {getattr(error, 'problem', error)}.") from error
    if not isinstance(data, dict):
        raise MergingError(f"A recipe is a YAML mapping; this is {type(data).__name__}.")
    return {str(key): value for key, value in data.items()}
