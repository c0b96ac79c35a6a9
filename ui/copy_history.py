"""Every text of the pages History and Compare."""

TITLE = "Your studies"
EMPTY = "Studies appear here. They survive restarts."
LINE = "{state} · {done} mixes · {when} · {size}"
FIND = "Find by name"
NONE_FOUND = "No study is called that."
RENAME = "Rename"
MORE = "More"
DUPLICATE = "Duplicate"
DUPLICATE_HELP = "A copy with everything that was measured."
CHANGE = "New study from this one"
CHANGE_HELP = "The same models and tasks as a draft: change what you like; nothing is measured again for this study."
REMOVE = "Remove"
REMOVE_RUNNING = "It is running. Stop it first."
DOWNLOAD = "Download as a file"
DOWNLOAD_NOTE = "Everything measured, in one zip ({size}). Exported models and models outside the folder are not in it."
COMMAND = "The same on the command line"
FOLDER = "Folder: {path}"
REMOVED = "'{name}' is in the trash."
UNDO = "Bring it back"
TRASH = "Trash ({n})"
TRASH_LINE = "{name} · removed {when}"
EMPTY_TRASH = "Delete all of these for good"
EMPTY_SURE = "Type 'delete' to confirm"
EMPTY_WORD = "delete"
IMPORT_TITLE = "Bring in a study"
IMPORT_LEAD = "A zip file that somebody downloaded here or made with `python -m study pack`."
IMPORT = {
    "label": "Choose a zip file",
    "sending": "Reading the file:",
    "reading": "Unpacking ...",
    "failed": "The file could not be sent. Reload the page and try again.",
}
IMPORTED = "'{name}' is here now."
JOURNEY = "What was tried and chosen"
JOURNEY_EMPTY = "Nothing was chosen yet."
EXAMS_NONE = "The final check has not been looked at yet."
EXAMS = (
    "The final check was done for {n} mixes. The more often one looks at it while choosing, the less honest it becomes."
)
EXAMS_ONE = "The final check was done for one mix."
STEP = {"checked": "checked by hand", "exported": "exported as {name}", "exam": "final check"}

# Compare
COMPARE_LINK = "Compare two studies or two ways of blending"
COMPARE_TITLE = "Which is better where?"
COMPARE_LEAD = "Two studies, or two ways of blending within one, on the same map."
COMPARE_EMPTY = "There is nothing to compare yet: at least two measured ways of blending are needed."
FIRST, SECOND = "First", "Second"
AXIS_X, AXIS_Y = "Across", "Upwards"
SAME_CHOICE = "Choose two different ones."
ALWAYS = "{winner} is better wherever you set {task} (by about {gap} on {x})."
WHERE = "{winner} is better {where} (by about {gap} on {x})."
DRAW = "The two are about the same {where}."
DRAW_ALL = "On these two tasks they are about the same: the differences are smaller than the noise."
AT_LEAST = "when {task} must reach {low} or more"
BELOW = "when {low} of {task} is enough"
BETWEEN = "when {task} must reach {low} to {high}"
BEATEN = (
    "On all shared tasks together, {p0} of {first}'s mixes are beaten by one of {second}'s, and {p1} the other way."
)
PREDICTED_NOTE = "Hollow circles are predictions, diamonds were checked."
ONE_TASK = "They share only one task: {task}. The best of each: {first} {a}, {second} {b}."
