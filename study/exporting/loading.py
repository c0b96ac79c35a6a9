"""How an exported folder is loaded in Python: the lines that its model card and the screens both show. No torch.

The kind of model is read off the files that stand beside the weights, so it can be told of any export.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evaluation.models.architecture import FIRST_TOKEN, is_head
from study.headers import shapes

HERE = "."
ANY = "TASK"

_OPEN_CLIP = """import open_clip
from safetensors.torch import load_file

model, preprocess = open_clip.create_model_from_pretrained("local-dir:FOLDER")
head = load_file("FOLDER/heads/TASK.safetensors")["weight"]
logits = model.eval().encode_image(preprocess(picture).unsqueeze(0), normalize=True) @ head.T
"""

_PAIR = """from safetensors.torch import load_file
from transformers import AutoImageProcessor, AutoModel

model, processor = AutoModel.from_pretrained("FOLDER"), AutoImageProcessor.from_pretrained("FOLDER")
features = model.get_image_features(**processor(picture, return_tensors="pt"))
features = getattr(features, "pooler_output", features)  # older releases give the tensor itself
head = load_file("FOLDER/heads/TASK.safetensors")["weight"]
logits = features / features.norm(dim=-1, keepdim=True) @ head.T
"""

_ENCODER = """from pathlib import Path

from evaluation.models.head import read_head  # of Mergescape; or read the few tensors yourself
from transformers import AutoModel, PREPARES

encoder, prepare = AutoModel.from_pretrained("FOLDER"), PREPARES.from_pretrained("FOLDER")
head = read_head(Path("FOLDER/heads/TASK.safetensors"), encoder.device)
answer = encoder(**prepare(SAMPLE, return_tensors="pt"))
logits = head(answer.FEATURES)
"""

_CLASSIFIER = """from transformers import BUILDS, PREPARES

model, prepare = BUILDS.from_pretrained("FOLDER"), PREPARES.from_pretrained("FOLDER")
logits = model(**prepare(SAMPLE, return_tensors="pt")).logits
answer = model.config.id2label[int(logits.argmax())]
"""

_NAMED = """import json
from pathlib import Path
from LIBRARY import BUILD
from safetensors.torch import load_file

named = json.loads(Path("FOLDER/model.json").read_text())  # the architecture's name
network = BUILD(named["architecture"])
network.load_state_dict(load_file("FOLDER/model.safetensors"), strict=False)  # a task's own head is in heads/
"""

_CODE = """from safetensors.torch import load_file
from my_model import build  # the Python file that the study was measured with

network = build()
network.load_state_dict(load_file("FOLDER/model.safetensors"))
"""


def loading(folder: Path, shown: str = HERE, task: str = ANY) -> str:
    """The lines of Python that load the model in ``folder`` and read one task with it.

    ``shown`` is how the lines call the folder, ``task`` the name of a file in its heads/.
    """
    lines = _lines(folder)
    return lines.replace("FOLDER", shown).replace("TASK", task).rstrip("\n")


def weights_of(hashes: Mapping[str, str]) -> str:
    """The name of the merged checkpoint among the files of an export."""
    return next(name for name in hashes if "/" not in name)


def _lines(folder: Path) -> str:
    if (folder / "open_clip_config.json").exists():
        return _OPEN_CLIP
    if (folder / "model.json").exists():
        timm = _read(folder / "model.json").get("library") == "timm"
        library, build = ("timm", "create_model") if timm else ("torchvision.models", "get_model")
        return _NAMED.replace("LIBRARY", library).replace("BUILD", build)
    if (folder / "config.json").exists():
        return _transformers(folder, _read(folder / "config.json"))
    return _CODE


def _transformers(folder: Path, config: Mapping[str, Any]) -> str:
    """A pair of towers, or an encoder of pictures or of texts, with its own classifier or with one per task."""
    if "text_config" in config:
        return _PAIR
    pictures = (folder / "preprocessor_config.json").exists()
    whole = any(is_head(name) for name in shapes(folder) or ())
    feature = "last_hidden_state[:, 0]" if config.get("model_type") in FIRST_TOKEN else "pooler_output"
    words = {
        "PREPARES": "AutoImageProcessor" if pictures else "AutoTokenizer",
        "BUILDS": "AutoModelForImageClassification" if pictures else "AutoModelForSequenceClassification",
        "SAMPLE": "picture" if pictures else "text, truncation=True",
        "FEATURES": feature,
    }
    lines = _CLASSIFIER if whole else _ENCODER
    for place, word in words.items():
        lines = lines.replace(place, word)
    return lines


def _read(path: Path) -> Mapping[str, Any]:
    value: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value
