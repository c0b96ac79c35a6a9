"""Every text of the page Run and of what the doctor found."""

PHASES = {
    "starting": "Getting ready ...",
    "reading checkpoints": "Reading the models ...",
    "loading the model": "Loading the models ...",
    "preparing samples": "Preparing the examples ...",
    "preparing the method": "Working out what each specialist changed ...",
    "compiling the model": "Making the model fast ...",
    "starting workers": "Waking up the other machines ...",
    "learning from samples": "Learning from the examples ...",
    "solving": "Working out each layer from the examples ...",
    "learning block by block": "Learning from the examples, layer after layer ...",
    "calibrating block by block": "Fitting the mix to the examples, layer after layer ...",
    "correcting the features": "Fitting the mix to the examples ...",
    "asking the experts": "Asking the specialists about the examples ...",
    "measuring the Fisher information": "Finding out what each specialist is sure of ...",
    "training": "Training on the examples ...",
    "training the chunks": "Training on the examples, in finer parts ...",
    "stepping towards experts": "Stepping towards the specialists ...",
    "tuning the pulls": "Trying out how strongly to learn ...",
    "measuring": "Blending and checking mixes ...",
    "finished": "Finished.",
    "cancelled": "Stopped. What was measured stays usable.",
    "failed": "Stopped with an error.",
}
PHASE_STEP = "{phase} {done} of {total}"
PHASE_MOST = "{phase} {done} of at most {total}"
ENDS_EARLY = ("training", "training the chunks")  # they stop once it gets no better
AND_MEASURED = "{done} of {total} mixes are measured so far"
LEFT_OF_STEP = "about {time} left for this"
LEFT_AT_MOST = "at most about {time} left for this"
PAUSE = "Pause"
PAUSING = "Pausing after the current mix ..."
PAUSED = (
    "Paused. Everything stays in memory, so going on takes no time. Mixes that you ask to check are still measured."
)
GO_ON = "Go on"
SURE = "Stop after the current mix? The {done} finished results stay usable, and you can go on later."
STOP = "Stop"
STOP_NOW = "Stop"
STOPPING = "Stopping ..."
SURE_NOW = (
    "Stop now? The {done} finished results stay usable, and you can go on later; the step that is going on begins anew."
)
LEFT = "about {time} left ({span})"
INTERRUPTED = (
    "This run was interrupted: the program or the computer was stopped, or memory ran out. {done} results are safe."
)
STALLED_HELP = "Wait a little longer, or start again from mix {n}: no result is lost."
RESTART = "Start again from mix {n}"
NO_MEMORY = "Memory ran out. Close other programs and go on, or use the processor instead of the graphics card."
ON_CPU = "Go on with the processor (slower)"
MAP_AT_ALL = "The map appears once {need} mixes are measured on all examples; {done} are so far."
MAP_PART = "What is measured so far can be explored already."
LOG = "Log of the run"
LOG_DOWNLOAD = "Download the whole log"
TABLE_CSV = "Download as CSV"
TABLE_PARQUET = "Download as Parquet"
BLENDING = "way of blending"
SEEN = "examples per task"
SEEN_ALL = "all"
COMMAND = "The same on the command line"
MIXES = "{n} mixes"
MIXES_EACH = "{n} mixes for each of {ways} ways of blending"
ESTIMATE = "{mixes}: about {time} ({span}), by what was measured on this computer."
ESTIMATE_LEARNS = "The time to learn from your examples comes on top: it is spent once, before the first mix."
ESTIMATE_LONG = "That is a while. A quick look first shows whether it is worth it; you can add mixes later."
ESTIMATE_NONE = "How long it takes is known once the models have been looked at."

DOCTOR_TITLE = "Do the models belong together?"
DOCTOR_RUNNING = "Looking at the models and the examples ... ({time} so far)"
DOCTOR_AGAIN = "Look again"
DOCTOR_START = "Look at models and examples now"
DOCTOR_LEAD = "Nothing is measured for this: every file is read once, and one small batch is timed."
DOCTOR_FINE = "Everything fits together."
DOCTOR_STOP = "Something must be mended before this study can run:"
CHANGE_HELP = "Back to the first step, with everything filled in as it is."
FIELDS = {  # of study.yaml: what the form calls them
    "samples.validation": "'Examples for trying out'",
    "samples.test": "'Examples kept back for the final check'",
    "samples.calibration": "'Examples to learn from'",
}
DOCTOR_FAILED = "The look at the models did not finish: {error}"
LEVELS = {"stop": "Must be mended", "warn": "Look at this first", "note": "Good to know"}
ROOM = "Memory while it runs: {need} of {free} free. Disk: {disk} of {disk_free} free."
OVERLAP_TITLE = "Overlap between the specialists"
OVERLAP_WORDS = (
    "0 means that two specialists changed different things, and mixing them costs little. Towards 1 they changed the "
    "same things in the same way; below 0 they pull against each other."
)
DISTANCE = "{name}: changed by {share} of the starting model's size"
