"""All words on the screen, in one place. Plain words first; the nouns of the design in "details for experts".

mix = merged model, specialist = expert, starting model = base, strength = coefficient, checked = measured.
"""

from __future__ import annotations

from ui.copy_explorer import EXPLORER as EXPLORER

APP = "Mergescape"
TITLE = "Blend several specialist models into one"
LEAD = (
    "You have models that are each good at one thing. Mergescape mixes them into a single model, shows you every "
    "balance that is possible, and hands you the one you choose, checked on real examples."
)
NAV = {
    "home": "Home",
    "experts": "1 Specialists",
    "setup": "2 Tasks & method",
    "run": "3 Run",
    "explore": "4 Explore",
    "export": "5 Check & export",
    "history": "History",
    "compare": "Compare",
    "server": "What this server allows",
}

NOT_YET = "🔒"
WAIT_STUDY = "Not yet: open or start a study first."
WAIT_MODELS = "Not yet: first choose the models in step 1."
WAIT_MAP = "Not yet: the map needs {need} measured mixes; there are {done}."
WAIT_MIX = "Not yet: choose a mix in step 4 first. The map there needs {need} measured mixes; there are {done}."

# Home
DEMO_BUTTON = "Try the demo"
DEMO_HINT = (
    "Three small specialists: digits, road signs and flags. No downloads; ready to explore in about half a minute."
)
OWN_BUTTON = "Use my own models"
OWN_HINT = "A starting model and two or more models that were trained further from it, as files on this computer."
STEPS = (
    ("Pick specialists", "models trained from the same starting model"),
    ("Say what counts", "the tasks the mix should be good at"),
    ("Try some mixes", "a few dozen, measured on real examples"),
    ("Choose a balance", "sliders show what each wish costs"),
    ("Check and export", "one file, with its recipe and its scores"),
)
STEP_WORDS = ("specialist", "task", "mix", "map", "final check")  # explained on hover, from docs/glossary.md
HOW_TITLE = "How it works"
RECENT_TITLE = "Your studies"
RECENT_LINE = "{state} · {done} mixes · {when}"
RECENT_EMPTY = "No studies yet. The demo needs no downloads."
DEMO_PICK = "Choose other specialists for the demo"
DEMO_PICK_LABEL = "Specialists in the demo"
DEMO_PICK_HELP = "Two or more. With all six, the specialists get in each other's way: the hard mode."
DEMO_PICK_BUTTON = "Start this demo"
DEMO_FAILED = "The demo could not be written: {error}"
OPEN = "Open"

# Header
DEMO_BADGE = "Demo"
STATES = {
    "new": "not started",
    "running": "running",
    "cancelling": "stopping",
    "stalled": "no sign of life",
    "failed": "stopped with an error",
    "cancelled": "stopped",
    "paused": "paused",
    "interrupted": "interrupted",
    "done": "finished",
}
NO_STUDY = "No study is open. Start with the demo, or with your own models."
LINK_UNKNOWN = "This link mentions '{name}', which is not in this study."
GO_HOME = "Go to the start page"
UNEXPECTED = "Something went wrong on this page: {error}"
UNEXPECTED_HELP = "Nothing of your study was changed. Reload the page; the details are in the log of the program."

# 1 Specialists
EXPERTS_TITLE = "Which models do you want to blend?"
EXPERTS_LEAD = (
    "One starting model, and at least two specialists that were fine-tuned from it: trained further, each on a task of "
    "its own."
)
EXPERTS_FIXED = "The models of this study. They stay as they are, so that all its results can be compared."
NEW_STUDY = "Start a new study"
STUDY_NAME = "Name of the study"
MODEL_LABEL = "Kind of model"
MODEL_HELP = (
    "The architecture: its open_clip name (ViT-B-32), timm:NAME, torchvision:NAME, or the path of a model description "
    "(.json) or of a Hugging Face folder."
)
TOKENIZER_LABEL = "Tokenizer: file (only where the model brings its own)"
BASE_LABEL = "Starting model: file"
PATH_HELP = "The path of a .safetensors or .pt file on this computer. Nothing is uploaded or copied."
EXPERT_NAME = "Specialist {n}: name"
EXPERT_PATH = "Specialist {n}: file"
ADD_EXPERT = "Add a specialist"
REMOVE_EXPERT = "Remove the last one"
FILE_MISSING = "{name}: there is no file '{path}'. Type the full path of a file on this computer."
FILES_EMPTY = "Add one starting model and at least two specialists that were fine-tuned from it."
FILES_NEEDED = "Still needed: {list}."
NEEDED_BASE = "the starting model"
NEEDED = {1: "one more specialist", 2: "two specialists"}
FILES_ABOVE = "Something above does not fit yet."
FILES_TWICE = "{name} and {other} are the same file. Blending a model with itself changes nothing."
FILES_FOUND = "All files are there. Whether they fit together is checked when the study starts."
FILE_KIND = "{name}: this is not a model file. Allowed: {kinds}, or a folder with a model."
FOLDER_BARE = (
    "{name}: there is no model file in this folder. Type the full path of a model file, or of a folder with one."
)
FILE_DAMAGED = "{name}: this file is damaged or not complete: its beginning cannot be read. Fetch it once more."
ANOTHER = "another of the specialists"
FILE_LOCKED = "{name}: this file may not be read by you."
NAME_TWICE = "Two are called {name}. Give each a name of its own."
BASE_NAME = "Starting model"
SPECIALISTS = "Specialists"
STUDY_NAME_EXAMPLE = "for example: cars and digits"
TASKS_EMPTY = "Add at least one task: a folder with example pictures."
DATA_MISSING = "{name}: there is nothing at '{path}'. Type the full path of a folder with one sub-folder per answer."
SCORE = "Score"
STRENGTHS = "How much of each specialist is in it"
CHANGE_DRAFT = "Change the models or tasks"
NEXT_TASKS = "Next: tasks and method"
NEXT_RUN = "Next: try out mixes"
BACK_TO_MODELS = "Choose the models first"

# 2 Tasks & method
SETUP_TITLE = "What should the mix be good at?"
SETUP_LEAD = (
    "One task per thing that counts. Each needs examples with the right answer: a folder of pictures with one "
    "sub-folder per answer, or a table of texts."
)
DATA_HELP = (
    "A folder with one sub-folder of pictures per answer, or a table of texts (.csv, .tsv, .jsonl) with one line per "
    "example. Also Parquet files, WebDataset shards (.tar) and what `datasets.save_to_disk` wrote."
)
SETUP_FIXED = "The tasks and the method of this study."
SETUP_FIRST = "First choose the models: step 1."
TASK_NAME = "Task {n}: name"
TASK_DATA = "Task {n}: folder with the examples"
TASK_METRIC = "Task {n}: score"
TASK_SAMPLES = "Examples for trying out"
TASK_TEST = "Examples kept back for the final check"
TASK_LEARN = "Examples to learn from"
TASK_LEARN_HELP = (
    "Set aside for the ways of blending that learn from a few examples; they are used for nothing else. 0 will do if "
    "you choose none of those."
)
SAMPLES_HELP = "More examples take longer and give steadier numbers."
NOISE_NOTE = "With {n} examples a score is known to about ± {points:.1f} points. Smaller differences look the same."
ADD_TASK = "Add a task"
REMOVE_TASK = "Remove the last task"
METHOD_TITLE = "How should the models be blended?"
METHOD_LEAD = "If you are not sure, keep the first one. Choose several to compare them with the same number of mixes."
METHODS_LOADING = "Reading the list of methods ..."
METHODS_MISSING = "The list of methods could not be read: {error}"
BUDGET_TITLE = "How thorough?"
BUDGETS = {12: "Quick: 12", 30: "Good: 30", 60: "Thorough: 60"}
BUDGET_LABEL = "Mixes to try"
BUDGET_EACH = "Mixes to try for each way of blending"
START = "Start"
DETAILS = "Details for experts"

# 3 Run
RUN_TITLE = "Trying out mixes"
RUN_NEW = "Nothing has been measured yet. Start when you are ready; you can stop at any time and keep what is there."
PROGRESS = "{done} of {total} mixes measured"
TIME_LEFT = "about {time} left"
CANCEL = "Stop after this mix"
CANCELLING = "Stopping after the current mix ..."
CLOSE_TAB = "You may close this tab. The work goes on; this address brings you back to it."
MAP_AT = "The map appears after {need} mixes; {done} are measured so far."
MAP_READY = "The map is ready. It gets sharper while more mixes are measured."
MAP_DONE = "All mixes are measured. Now choose your balance."
EXPLORE_BUTTON = "Explore and choose"
RUN_MORE = "Measure {n} more mixes"
RUN_MORE_EACH = "Measure {n} more mixes for each way of blending"
RESUME = "Go on from here ({done} of {total})"
STALLED = "No sign of life for {seconds:.0f} seconds. It may be loading a large file."
FAILED = "The run stopped: {error}"
FAILED_SAFE = "{done} results are safe. You can go on where it stopped."
SOME_FAILED = "{n} of the mixes could not be measured. The last reason: {error}"
SHOW_LOG = "Show the log"
LIVE_TITLE = "Every mix so far"
LIVE_WORDS = "Further right and further up is better. Squares and triangles show what you already have."
RESULTS_TITLE = "All results as a table"

# 4 Explore
EXPLORE_EMPTY = "Nothing to explore yet."
EXPLORE_WAIT = "{done} of {need} mixes are measured; the map appears at {need}."
TO_RUN = "Go to the run"
EXPLORE_TITLE = "Choose your balance"
EXPLORE_LEAD = "Move a slider to say what a task must reach at least. Press + to ask for a little more."
METHOD_SHOWN = "Blended by"
METHOD_LINE = "**{title}**: {summary}"
NEW_RESULT = "One new result is in."
NEW_RESULTS = "{n} new results are in."
UPDATE_MAP = "Update the map"
CHECK_QUEUED = "Checking your mix on the real examples ..."
CHECK_WAIT = "Your mix is being blended and measured on the real examples: about {time} once the models are loaded."
CHECK_NEXT = "Your mix is measured on the real examples next: about {time}."
CHECK_DONE = "Checked. Your mix is now a diamond on the map."
CHECK_FAILED = "The check failed: {error}"
CHECK_MORE = "A run is going on; your mix is measured next."
TRUST = "How far to believe the predictions"
TRUST_WORDS = (
    "Leaving one checked mix out at a time and predicting it from the others misses by {list}. "
    "The thin bars show where a checked score will lie in about 9 of 10 cases."
)
TRUST_NONE = "Too few mixes are measured for predictions. The map shows only what was measured."
NOISY = "{task} differs by less than its noise everywhere; it will not help you choose."
BASIC_TOGGLE = "Plain charts instead of the fast map"
BASIC_HELP = "Slower, but with nothing that is not standard: sliders, a chart, a table."
BASIC_LEFT = "{alive} of {n} mixes keep all your minimums; the most balanced ones first."
BASIC_PICK = "Your mix: {list}."
FAST_AGAIN = "Try the fast map again"
ROUGH = "The map is still rough: predictions miss by about {list}."
ROUGH_MISS = "{miss:.1f} points on {task}"
ROUGH_HELP = "Each measured mix was left out in turn and predicted from the others."
ROUGH_RUNNING = "More mixes are being measured; it gets sharper by itself until you choose something."
ROUGH_BUTTON = "Check {n} more mixes in this area, about {time}"
ROUGH_ASKED = "{n} mixes near yours are being checked. The map gets sharper when they are in."
DETAILS_MAP = "For experts: predictions, recipe, command line"
SURROGATE = "How predictions are made"
SURROGATE_BEST = "the one that was least off (leave-one-out)"
SURROGATE_HELP = "The regression from strengths to scores that the map is drawn from."
OFF_TITLE = "Predicted against measured"
OFF_NOTE = (
    "Every mix predicted from all the others ({name}). The closer to the dotted line, the better; bars: 90 % range."
)
OFF_TASK = "Task"
SAVE_HTML = "Save as a page (HTML)"
LEARNED_TITLE = "How it learned"
LEARNED_NOTE = "Scores on the validation samples while it trained. The weights of step {step} were kept."
RECIPE_TITLE = "Recipe"
RECIPE_SAVE = "Save the recipe"
RECIPE_NOTE = "Put it into the study's folder; then: python -m merging recipe.yaml OUT"
COMMANDS_TITLE = "The same on the command line"
COMPONENT_FAILED = "The fast view could not start in this browser ({error}). Showing basic charts."
MAKING_MAP = "Drawing the map ..."

# 5 Check & export
EXPORT_TITLE = "Check your mix and take it home"
EXPORT_NONE = "No mix is chosen yet. Choose one on the map first."
TO_MAP = "Go to the map"
EXPORT_MIX = "Your mix"
COLUMNS = {
    "task": "Task",
    "predicted": "Predicted",
    "checked": "Checked",
    "test": "Final check (unseen examples)",
    "specialist": "Specialist alone",
    "average": "Plain average",
}
KEEPS = "{score} (the mix keeps {share})"
NOT_CHECKED = "This mix is a prediction so far. Check it first: one click measures it on the real examples."
CHECK_NOW = "Check this mix"
IS_CHECKED = "This mix has been checked on the real examples."
MISSED = (
    "{task} came out {points:.1f} points below the prediction, outside its likely range. The map is corrected nearby."
)
FLATTERING = (
    "The checked column is usually a bit flattering, because you chose a good-looking mix on it. "
    "The final check uses examples that played no part in the choice; it is the honest one."
)
EXPORT_SECTION = "Export"
EXPORT_NAME = "Name"
EXPORT_NAME_BAD = (
    "Use letters, digits, dots, dashes and underscores, at most 60 of them, beginning with a letter or digit."
)
EXPORT_DTYPE = "Precision"
EXPORT_DTYPE_HELP = (
    "How exactly each number of the model is kept. 16 bit halves the file and hardly changes what the mix can do; "
    "the scores shown in the end are measured on the file as it is written."
)
DTYPES = {
    "as base": "as the starting model",
    "float32": "32 bit",
    "float16": "16 bit (half the size)",
    "bfloat16": "16 bit, bfloat",
}
EXPORT_BUTTON = "Write the model file"
EXPORT_ANYWAY = "Export it unchecked"
EXPORT_RUNNING = "Writing the model and doing the final check ..."
EXPORT_BUSY = (
    "More mixes are still being measured{left}. You can export once that has ended, or is stopped in step 3; "
    "this page notices by itself."
)
EXPORT_LEFT = " (about {time} left)"
EXPORT_DONE = "Saved on this computer, in this folder:"
EXPORT_FAILED = "The export '{name}' did not finish: {error}"
EXPORTS_TITLE = "Exported so far"
DOWNLOAD = "Download {name} ({size})"
OTHER_FILES = "Download the other files: recipe, model card, the tasks' answer heads"
FILES_TITLE = "Files and their checksums (SHA-256)"
LOAD_TITLE = "Load it in Python"
FINAL_TITLE = "Scores of the exported model"
