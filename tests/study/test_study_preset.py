"""The eight CLIP tasks: published facts, a tiny local folder of the hub's form, and what is missing without one."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from study.errors import StudyError
from study.measuring.measure import Measurer
from study.preset import FACTS, preset
from study.settings import Samples

transformers: Any = pytest.importorskip("transformers", reason="transformers is not installed")
TOWER = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
TASKS = json.loads(FACTS.read_text(encoding="utf-8"))["tasks"]
CLASSES = {"sun397": 397, "cars": 196, "resisc45": 45, "eurosat": 10, "svhn": 10, "gtsrb": 43, "mnist": 10, "dtd": 47}


def test_the_facts_are_complete() -> None:
    assert {name: len(set(task["classes"])) for name, task in TASKS.items()} == CLASSES
    prompts = {name: len(task["templates"]) for name, task in TASKS.items()}
    assert prompts == {
        "sun397": 2,
        "cars": 8,
        "resisc45": 18,
        "eurosat": 3,
        "svhn": 1,
        "gtsrb": 3,
        "mnist": 1,
        "dtd": 8,
    }
    assert all("{}" in prompt for task in TASKS.values() for prompt in task["templates"])


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "config.json").write_text("{}")
    with pytest.raises(StudyError) as caught:
        preset("clip-vit-b-32-eight", tmp_path)
    text = str(caught.value)
    assert "16 of 17 parts" in text and "openai" not in text and "\n" not in text
    assert f"{tmp_path}/experts/cars (model tanganke/clip-vit-base-patch32_stanford-cars)" in text
    assert f"{tmp_path}/data/svhn (dataset ufldl-stanford/svhn)" in text
    with pytest.raises(StudyError, match="no preset 'eight'. Known: clip-vit-b-32-eight"):
        preset("eight", tmp_path)


def _local(folder: Path) -> None:
    """What the hub has, tiny: a CLIP pair, experts that are image towers only, Parquet shards of pictures."""
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.manual_seed(0)
    sight = {**TOWER, "image_size": 32, "patch_size": 8}
    words = {**TOWER, "vocab_size": 200, "max_position_embeddings": 24, "eos_token_id": 2, "bos_token_id": 1}
    config = transformers.CLIPConfig(text_config=words, vision_config=sight, projection_dim=12)
    pair = transformers.CLIPModel(config).eval()
    pair.save_pretrained(folder / "base")
    tower = {
        key: one
        for key, one in pair.state_dict().items()
        if key.startswith("vision_model.") and one.is_floating_point()
    }
    size = {"height": 32, "width": 32}
    transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=size).save_pretrained(folder / "base")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcdefghijklmnopqrstuvwxyz0123456789"]
    (folder / "vocab.txt").write_text("\n".join([*vocabulary, *(f"##{each}" for each in vocabulary[4:])]))
    transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder / "base")
    random = np.random.default_rng(0)
    for name, task in TASKS.items():
        expert = {key: one + 0.05 * torch.randn_like(one) for key, one in tower.items()}
        (folder / "experts" / name).mkdir(parents=True)
        save_file(expert, folder / "experts" / name / "model.safetensors", {"format": "pt"})
        data = folder / "data" / name / "data"
        data.mkdir(parents=True)
        for split in ("train", "test"):
            rows = []
            for _ in range(10):
                stored = io.BytesIO()
                Image.fromarray(random.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(stored, "PNG")
                rows.append({"bytes": stored.getvalue(), "path": None})
            count = len(task["classes"])
            labels = pa.array([int(each) for each in random.integers(0, count, 10)])
            facts = {"info": {"features": {"label": {"names": [str(c) for c in range(count)]}}}}
            table = pa.table({"image": rows, "label": labels})
            metadata = {"huggingface": json.dumps(facts)}
            pq.write_table(table.replace_schema_metadata(metadata), data / f"{split}-00000-of-00001.parquet")


def test_a_local_folder_of_the_same_form_is_a_study(tmp_path: Path) -> None:
    _local(tmp_path / "local")
    few = Samples(calibration=0, validation=6, test=6)
    study = preset("clip-vit-b-32-eight", tmp_path / "study", tmp_path / "local", few)
    with Measurer(study, "cpu") as measurer:
        result = measurer.measure(study.method(), dict.fromkeys(TASKS, 0.3))
        assert {name: one.shape for name, one in result.outputs.items()} == {n: (6, c) for n, c in CLASSES.items()}
        one = measurer.measure(study.method(), {name: float(name == "dtd") for name in TASKS}).outputs["dtd"]
        expert = transformers.CLIPModel.from_pretrained(tmp_path / "local" / "base")
        own = load_file(tmp_path / "local" / "experts" / "dtd" / "model.safetensors")
        assert not expert.load_state_dict(own, strict=False).unexpected_keys
        task = measurer.tasks["dtd"]
        with torch.inference_mode():
            pixels = torch.from_numpy(task.split("validation").inputs)
            answer = expert.eval().get_image_features(pixel_values=pixels)
            features = getattr(answer, "pooler_output", answer)
        expected = task.head(torch.nn.functional.normalize(features, dim=-1)).numpy()
        assert one == pytest.approx(expected, abs=1e-4)
