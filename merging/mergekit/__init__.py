"""mergekit's YAML: read strictly, carried out tensor by tensor, and translated from and to recipes."""

from merging.mergekit.as_recipe import from_mergekit
from merging.mergekit.from_recipe import to_mergekit
from merging.mergekit.schema import Configuration, is_mergekit, read_configuration
from merging.mergekit.writing import to_yaml

__all__ = ["Configuration", "from_mergekit", "is_mergekit", "read_configuration", "to_mergekit", "to_yaml"]
