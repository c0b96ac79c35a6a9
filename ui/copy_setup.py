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

METRIC_HELP = (
    "How answers become one number. If you are not sure, keep 'Right answers'.\n\n"
    "**The worst class**: the share of right answers in the class that does worst.\n\n"
    "**Macro F1**: weighs answers that are missed against false alarms, class by class.\n\n"
    "**Negative log-likelihood, Brier score, Calibration error**: whether the model is as sure as it is right.\n\n"
    "**Area under the ROC curve**: how well yes and no are told apart.\n\n"
    "**Matthews correlation**: right answers, less what guessing would get.\n\n"
    "**Spearman**: whether grades come in the right order.\n\n"
    "**Close calls**: an answer that is nearly right counts nearly as much; a finer measure on few examples."
)
KIND_UNKNOWN = (
    "Kind of model: there is none called '{name}'. {near} Or give timm:NAME, torchvision:NAME, or the path of a model "
    "description (.json) or of a Hugging Face folder."
)
KIND_PATH = "Kind of model: there is nothing at '{path}'. Give a model description (.json), a folder, or a name."
KIND_EMPTY = "Kind of model: say which, for example ViT-B-32."

GALLERY_FIND = "Find a way of blending"
GALLERY_FIND_HELP = "A name or a word of the description."
GROUPS = {
    "first": "Good ones to begin with",
    "linear": "Quick and exact",
    "frozen": "Settle conflicts between specialists",
    "span": "Averages that keep the strength",
    "nonlinear": "Worked out anew for every mix (slower)",
    "learned": "Learn from your examples",
}
GROUP_HELP = {
    "first": "Tried on most kinds of models. If you are not sure, keep the first one.",
    "linear": "Every mix costs only one pass over the weights.",
    "frozen": "They first decide, once per study, which specialist has the say where. Then every mix is quick.",
    "span": "For few specialists that are much alike.",
    "nonlinear": "Often the strongest, but each mix takes longer to make.",
    "learned": "They look at a few of your examples once, before the first mix. Most need no right answers: the ? of "
    "each says so.",
}
CLASS_HELP = {
    "linear": "Every mix takes one pass over the weights.",
    "frozen": "Settles once per study which specialist has the say where; for the export that can be worked out anew.",
    "span": "Every mix is an average of the whole specialists.",
    "nonlinear": "Every mix is worked out anew, which takes longer.",
}
METHOD_LEARNS = {
    "inputs": "Learns once from a few examples of each task, which are used for nothing else. It needs no right "
    "answers.",
    "inputs + validation": "Learns once from a few examples of each task, which are used for nothing else, without "
    "their right answers; when to stop is read off the examples for trying out.",
    "inputs + labels + validation": "Learns once from a few examples of each task and their right answers; they are "
    "used for nothing else. When to stop is read off the examples for trying out.",
    "inputs + labels": "Learns once from a few examples of each task and their right answers; they are used for "
    "nothing else.",
}
FIRST = ("task_arithmetic", "ties", "tsv_m", "weighted_average")
UNFIT = "Needs {need}; you have {have} specialists."
EXACTLY, AT_LEAST = "exactly {n} specialists", "at least {n} specialists"
NOTHING = "No way of blending matches that."
CHOSEN = "Chosen: {list}."
CHOSEN_NONE = "Choose at least one way of blending."
SOURCE = "From: {authors} {year}."
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

TASK_OF = "Compared with the specialist {name}."
TASK_HELD = "No specialist has this name: a task nobody was trained for, compared with the best of all specialists."
AXES = "More to trade off"
AXES_HELP = "Each of these becomes one more side of the map, beside the scores of the tasks: you see what it costs."
PROPERTY = {
    "distance": "Distance from the starting model (less is better)",
    "megabytes": "Size of the file (less is better)",
    "milliseconds": "Time per example (less is better)",
}
PROPERTY_HELP = {
    "distance": "How much blending changes the starting model, compared with its own size. A mix that stays near it "
    "keeps more of what it could do before.",
    "megabytes": "The same for all mixes of one study. It helps when studies of different precision are compared.",
    "milliseconds": "As measured on this computer, so it differs a little from run to run.",
}
HELD = "A task that nobody was trained for can be a side of the map too: add it above, under a name of its own."
ADD_COPY = "Add a spoiled copy of a task"
REMOVE_COPY = "Remove the last copy"
COPY_HELP = "The same examples, blurred, noisy or with typing errors: how well does a mix hold up on bad input?"
COPY_LATER = "Spoiled copies of a task can be added once there is a task."
COPY_OF = "Copy {n}: of"
COPY_KIND = "Copy {n}: how it is spoiled"
COPY_SEVERITY = "Copy {n}: how much"
COPY_TWICE = "{of} is spoiled twice in the same way ({kind}, {severity}). Change or remove one of the copies."
KINDS = {
    "noise": "noise",
    "shot_noise": "grain, as in bad light",
    "blur": "blur",
    "contrast": "little contrast",
    "brightness": "too bright",
    "pixelate": "coarse pixels",
    "jpeg": "strong compression (JPEG)",
    "typos": "typing errors",
}
FEW = "Search on few examples first"
FEW_HELP = (
    "Most mixes are then measured on the first few examples of each task only, in a part of the time. The best of them "
    "are measured on all examples in the end, and only those are compared with others."
)
FEW_ON = "Try out mixes on few examples, the best ones on all"
FEW_COUNT = "Examples per task while searching"
FINALISTS = "Mixes that are measured on all examples"
FINALISTS_HELP = "Taken from the best that the search found. They come on top of the number of mixes below."
FEW_TOO_MANY = (
    "Searching on {few} examples per task saves nothing with {many} examples for trying out. Lower the first "
    "number, or raise the second."
)
FEW_FIXED = "Searches on {few} examples per task; the {best} best mixes are then measured on all."
LAYERS = "Strengths along the layers"
LAYERS_LABEL = "How many strengths each specialist gets"
LAYERS_HELP = (
    "Early and late layers of a network may want different strengths. Several per specialist can give a better mix, "
    "and need more mixes to be tried."
)
LAYERS_WORDS: dict[int | str | None, str] = {
    None: "one for the whole specialist (recommended first)",
    "slope": "two: for the first and the last layers, and a straight line between",
}
LAYERS_GROUPS = "{n}: one for each of {n} groups of layers"
LAYERS_NONE = "The starting model has no row of numbered layers that could be divided."
LAYERS_COUNT = "{n} strengths are searched; the map appears after {need} mixes."
LAYERS_MANY = "{n} strengths are more than a few dozen mixes can tell apart: fewer groups give a better map."
TOO_FEW = "{n} strengths need {need} mixes before there is a map; {budget} are chosen. {cure}"
MORE_MIXES = "Choose more mixes."
FEWER_LAYERS = "Choose more mixes, or fewer groups of layers."
BY_CODE = (
    "This study's model is a Python file of your own. It is measured on the command line, where the file is named: "
    "python -m study run FOLDER --code FILE.py."
)
LATER = "Trade off more, or give each specialist several strengths"
LATER_NOTE = (
    "Make a new study from this one (History, More) and open Advanced there; or change this one on the command line, "
    "while it is not running. What was measured is kept."
)
CARRIED = "Kept from the study that you are changing: {list}."
