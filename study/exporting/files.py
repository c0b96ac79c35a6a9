"""What the files of an export are called."""

RECIPE = "recipe.yaml"
CARD = "README.md"
FACTS = "mergescape.json"
HEADS = "heads"
