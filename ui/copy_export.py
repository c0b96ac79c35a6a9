"""Every text of checking, exporting and sharing a mix."""

CHECK_BOTH = "Check this mix"
CHECK_BOTH_HELP = (
    "Blends it for real and measures it twice: on the examples used for trying out, and in the final check."
)
EXAM = "Do the final check"
EXAM_HELP = "On examples that played no part in the choice."
CHECKING = "Blending and measuring your mix ..."
CHECK_ENDED = "The check did not finish: {error}"
EXAMS_FIRST = "Nobody has seen the final check of this study yet. It is most honest the first time."
GUESSING = "Working out what this mix should score ..."
EXAMS = "The final check of this study was looked at for {n} mixes. The more often, the less honest it becomes."
EXAMS_ONE = "The final check of this study was looked at for one mix so far."
WITHIN = "The check agrees with the prediction: no score is below its range by more than the ± beside it."
LICENCES = "Licences of the parts"
LICENCE_LINE = "{part}: {licence}"
LICENCE_UNKNOWN = "{part}: its files state no licence. Find out before you share the mix."
LICENCE_ALL = "The mix may be used only as all of these allow."
BASE = "Starting model"
ROOM = "The files take about {need}; {free} are free on this disk."
ROOM_FULL = (
    "The export needs {need}, {free} are free on this disk. Free some space, or export to another disk by the command "
    "below."
)
NAME_TAKEN = "There is '{name}' already; this one will be '{free}'."
UNCHECKED = "You are about to export a mix that was never checked. Its scores are predictions; the export measures it."
REPORT = "Report"
REPORT_BUTTON = "Download the report (one HTML file)"
REPORT_HELP = "Scores, map, recipe and how it came about; opens anywhere, needs nothing from the internet."
FORM = "How exactly should it follow your strengths?"
FORMS = {False: "As on the map", True: "Worked out anew for your strengths"}
FORM_NOTES = (
    "What the sliders moved and the check measured.",
    "Who has the say where is settled for exactly these strengths; scores may come out a little different.",
)
FORM_HELP = (
    "This way of blending first settles which specialist has the say over which weights. The map settles that once, at "
    "equal strengths, so that every move of a slider is instant. Whichever you take is measured as it is written."
)
COMPARE_FORMS = "See how much the two differ"
COMPARE_FORMS_HELP = "Blends your mix in both forms and measures each. It takes about as long as two checks."
COMPARING = "Blending your mix in both forms and measuring them ..."
APART = "On your models the two differ by **{share}** of what blending changes. This is what it does to the scores:"
FORMS_FAILED = "The comparison did not finish: {error}"
WRITTEN = {
    "frozen": "This is the form of the map. Worked out anew for its strengths it would differ by {share}.",
    "exact": "This was worked out anew for its strengths. The form of the map differs from it by {share}.",
}
NO_WORD = "it was stopped from outside, and left no word."
COMMAND = "The same on the command line"
PUSH = "Share on a model hub"
PUSH_OUT = "You are not logged in to a hub on this computer. Run `hf auth login` in a terminal, then reload this page."
PUSH_NAME = "Name there (OWNER/NAME)"
PUSH_PUBLIC = "Visible to everybody"
PUSH_BUTTON = "Upload"
PUSHING = "Uploading ..."
PUSHED = "Uploaded: {address}"
PUSH_FAILED = "The upload did not finish: {error}"

REPORT_LEAD = "One model blended from {n} specialists with Mergescape ({method})."
REPORT_SCORES = "Scores"
REPORT_MIX = "How much of each specialist"
REPORT_MAP = "Every mix that was measured, and what is predicted in between"
REPORT_RECIPE = "Recipe"
REPORT_FILES = "Files (SHA-256)"
REPORT_LICENCES = "Licences"
REPORT_NOTE = (
    "Hollow circles are predictions, diamonds were measured. The final check uses examples that played no part in the "
    "choice. ± is one standard error."
)
