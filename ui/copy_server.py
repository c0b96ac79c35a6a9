"""The words of the page that says what this server allows, and of the way in."""

TITLE = "What this server allows"
LOCAL = "It listens to this computer only. Whoever uses this computer may do everything."
OPEN = "It listens to other computers, at {address}."
OPEN_ALONE = "There is no login: everybody who reaches it may use it."
OPEN_LOGIN = "People log in before they may use it."
ROOTS_ANY = "Models and data may lie in any folder that this computer can read."
ROOTS = "Models and data may lie in these folders only. Links that lead out of them are refused."
UPLOAD = "A study that is sent in may have up to {size}."
STUDY = "A study may hold up to {size}; beyond that nothing more is started in it."
JOBS = "At most {jobs} studies are measured at a time."
UNLIMITED = "There is no limit on how large a study grows or how many are measured at a time."
HUB = "Models may be fetched from a model hub, and exports published to one, in this computer's name."
NO_HUB = "Nothing is fetched from a model hub and nothing is published to one."
KEPT = (
    "Which model files were read is kept in this folder (`MERGESCAPE_CACHE`), so that files nobody has touched since "
    "are not read again. It holds a fingerprint of each, and nothing else of it."
)
NOT_KEPT = (
    "Nothing is kept of the model files that were read: they are read anew each time (`MERGESCAPE_CACHE` is empty)."
)
CODE = "Files are read as data. Code inside them (pickles, a model's own Python) is never run."
OWNER = "The owner of the server sets this where it is started; `docs/deploy.md` says how."
LOGIN = "Log in"
LOGIN_LEAD = "This Mergescape is for people who are known to its owner."
LOGOUT = "Log out"
STRANGER = "You are logged in as {who}, who may not use this server. Ask its owner."
WARNING = (
    "Mergescape listens on {address}: other computers can reach it{login}. Only the studies folder may be read and "
    "written; name more folders in MERGESCAPE_ROOTS. See docs/deploy.md."
)
WARNING_NO_LOGIN = ", and there is no login"
