"""The Hugging Face hub: what is fetched from it, and the one line when it cannot be."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from evaluation.errors import EvaluationError


def fetch(
    repository: str, kind: Literal["model", "dataset"], patterns: Sequence[str], folder: Path | None = None
) -> Path:
    """A folder with the files of a repository that match the patterns: `folder`, or the library's own cache.

    Raises: EvaluationError naming the repository and the reason.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repository, repo_type=kind, allow_patterns=list(patterns), local_dir=folder))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise EvaluationError(
            f"{kind.capitalize()} '{repository}' is no file here and cannot be fetched from the hub: {reason}",
            "Check the name and the network, or give a folder that has its files.",
        ) from None
