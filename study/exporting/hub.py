"""An export to a model hub, for people who are logged in there. Nothing is ever sent without being asked for."""

from __future__ import annotations

import re
from pathlib import Path

from study.errors import StudyError
from study.exporting.files import FACTS

NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?")


def logged_in() -> bool:
    """Whether a token for the hub is on this computer (its value is not looked at)."""
    from huggingface_hub import get_token  # here: every screen would wait for it otherwise

    return get_token() is not None


def push(out: Path, repo: str, private: bool = True) -> str:
    """Upload the folder of an export as the model ``repo`` (NAME or OWNER/NAME); its address.

    Files go up in pieces from the disk. A repository that exists gets a new commit.

    Raises:
        StudyError: not an export, a bad name, not logged in, or what the hub answered, in one line.
    """
    out = out.expanduser().resolve()
    if not (out / FACTS).is_file():
        raise StudyError(f"'{out}' is not an export.", "Name a folder that `python -m study export` wrote.")
    if not NAME.fullmatch(repo):
        raise StudyError(f"'{repo[:100]}' is no name for a model.", "Write NAME or OWNER/NAME: letters, digits, . _ -.")
    if not logged_in():
        raise StudyError("You are not logged in to a model hub.", "Run `hf auth login`, or set HF_TOKEN.")
    from huggingface_hub import HfApi

    api = HfApi()
    try:
        address = api.create_repo(repo, private=private, exist_ok=True)
        api.upload_folder(folder_path=out, repo_id=address.repo_id, commit_message="Merged with Mergescape")
    except Exception as error:  # the client's transport, and with it the kinds of its errors, differ between versions
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise StudyError(f"The hub refused '{repo}': {line[:300]}.", "Nothing was changed on this computer.") from None
    return str(address)
