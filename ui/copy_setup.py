"""Every text of choosing models, tasks and ways of blending that is not in `ui.copy`."""

GLANCE_OK = "OK · {count} weights"
GLANCE_SAME = "OK · same shape as the starting model"
GLANCE_LATER = "Found. This kind of file is looked into when the study is made."
GLANCE_SHAPE = (
    "{name} does not match the starting model: {n} of {all} weights have other shapes (first: {first}, {found}, "
    "expected {expected}). Only models fine-tuned from the same start can be blended."
)
GLANCE_MISSING = (
    "{name} lacks {n} of the {all} weights of the starting model (first: {first}). Is it of the same family?"
)
GLANCE_EXTRA = (
    "{name} has {n} weights that the starting model does not have (first: {first}). Is it of the same family?"
)
ADD_FOLDER = "Add every model in a folder"
FOLDER_LABEL = "Folder with the specialists' files"
FOLDER_BUTTON = "Add them"
FOLDER_EMPTY = "There is no model file in '{path}'. Looked for: {kinds}."
FOLDER_MANY = "Only the first {n} were added: more specialists than that are never blended at once."

GALLERY_FIND = "Find a way of blending"
GALLERY_FIND_HELP = "A name or a word of the description."
GROUPS = {
    "first": "Good ones to begin with",
    "linear": "Quick and exact",
    "frozen": "Settle conflicts between specialists",
    "span": "Averages that keep the strength",
    "nonlinear": "Worked out anew for every mix (slower)",
    "learned": "Learn from your examples (no labels needed)",
}
GROUP_HELP = {
    "first": "Tried on most kinds of models. If you are not sure, keep the first one.",
    "linear": "Every mix costs only one pass over the weights.",
    "frozen": "They first decide, once per study, which specialist has the say where. Then every mix is quick.",
    "span": "For few specialists that are much alike.",
    "nonlinear": "Often the strongest, but each mix takes longer to make.",
    "learned": "They look at a few of your examples once, to see which weights matter.",
}
FIRST = ("task_arithmetic", "ties", "tsv_m", "weighted_average")
UNFIT = "Needs {need}; you have {have} specialists."
EXACTLY, AT_LEAST = "exactly {n} specialists", "at least {n} specialists"
NOTHING = "No way of blending matches that."
SOURCE = "{authors} {year}"
SETTINGS = "Settings of {name}"
SETTINGS_NONE = "There is nothing to set."
BAD_TEXT = "{name}: write it like this: {form}."
ADVANCED = "Advanced"
SURROGATE = "How scores are predicted between the mixes"
SURROGATE_BEST = "the best by its own error (recommended)"
SURROGATE_HELP = "The map shows how far each is off; you can change it there too."
BOUNDS = "Least and most of each specialist"
BOUNDS_HELP = "1 is the whole specialist. More than 1 exaggerates what it learned."
CHECK_FIRST = "Create the study and look at the models"
CHECK_FIRST_HELP = "Reads every file once, times one small batch, and tells how long the run will take."
START_NOW = "Create and start at once"
TEST_NONE = "At least {n} examples should be kept back, or the final check will be too rough."
