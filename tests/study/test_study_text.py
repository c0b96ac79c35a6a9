"""Text experts with a classifier each: encoders are merged, classifiers are kept and exported with the model."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evaluation.models.head import read_head
from study.export import Order, export
from study.exporting.loading import loading
from study.measuring.measure import Measurer
from study.measuring.outputs import load_outputs
from study.preflight.doctor import doctor
from study.run import run
from study.settings import BaseChoice, ExpertChoice, MethodChoice, Samples, Settings, TaskChoice
from study.study import Study, create

transformers: Any = pytest.importorskip("transformers", reason="transformers is not installed")

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"good bad film book red green blue one two three".split()]
LABELS = {"mood": ["bad", "good"], "tone": ["red", "green", "blue"]}
SIZES = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}


def _network(kind: str, whole: bool, labels: list[str]) -> Any:
    named = {"id2label": dict(enumerate(labels)), "label2id": {name: at for at, name in enumerate(labels)}}
    config = transformers.AutoConfig.for_model(
        kind, **SIZES, vocab_size=len(WORDS), max_position_embeddings=24, pad_token_id=0, **(named if whole else {})
    )
    auto = transformers.AutoModelForSequenceClassification if whole else transformers.AutoModel
    return auto.from_config(config).eval()


def _write(folder: Path, kind: str) -> Study:
    """A base and two experts that moved from it, with heads; 60 texts per task."""
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.manual_seed(0)
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(WORDS), encoding="utf-8")
    base = _network(kind, False, [])
    base.save_pretrained(folder / "base")
    transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder / "base")
    random = np.random.default_rng(0)
    for name, labels in LABELS.items():
        expert = _network(kind, True, labels)
        body = getattr(expert, expert.base_model_prefix)
        moved = {k: v + 0.1 * torch.randn_like(v) if v.is_floating_point() else v for k, v in base.state_dict().items()}
        body.load_state_dict(moved, strict=False)
        expert.save_pretrained(folder / name)
        rows = {" ".join(random.choice(WORDS[5:], 6)): labels[at % len(labels)] for at in range(60)}
        lines = [json.dumps({"text": text, "label": label}) for text, label in rows.items()]
        (folder / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    counts = Samples(calibration=0, validation=25, test=25)
    settings = Settings(
        name="texts",
        base=BaseChoice(model="base", weights="base/model.safetensors"),
        experts=tuple(ExpertChoice(name=name, weights=name) for name in LABELS),
        tasks=tuple(TaskChoice(name=name, data=f"{name}.jsonl", samples=counts) for name in LABELS),
        methods=(MethodChoice(name="task_arithmetic"),),
    )
    return create(folder / "study", settings.model_copy(update=_relative(settings)))


def _relative(settings: Settings) -> dict[str, Any]:
    up = {"base": settings.base.model_copy(update={"model": "../base", "weights": "../base/model.safetensors"})}
    experts = tuple(one.model_copy(update={"weights": f"../{one.weights}"}) for one in settings.experts)
    tasks = tuple(one.model_copy(update={"data": f"../{one.data}"}) for one in settings.tasks)
    return {**up, "experts": experts, "tasks": tasks}


@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert"])
def test_the_whole_way_with_a_classifier_per_task(tmp_path: Path, kind: str) -> None:
    study = _write(tmp_path / kind, kind)
    own = {"mood": {"mood": 1.0, "tone": 0.0}, "tone": {"mood": 0.0, "tone": 1.0}}
    words = transformers.AutoTokenizer.from_pretrained(tmp_path / kind / "base")
    with Measurer(study, "cpu") as measurer:
        texts = {}
        for name, labels in LABELS.items():
            # All of one expert and nothing of the other is that expert, classifier and all.
            outputs = measurer.measure(study.method(), own[name]).outputs[name]
            task = measurer.tasks[name]
            texts[name] = [str(task.source.read(each)) for each in task.split("validation").ids]
            expert = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / kind / name)
            with torch.inference_mode():
                expected = expert(**words(texts[name], padding=True, return_tensors="pt")).logits.numpy()
            order = [labels.index(each) for each in task.classes]
            assert outputs == pytest.approx(expected[:, order], abs=1e-4)
    if kind == "bert":
        _run_and_export(study, tmp_path / "out", texts, words)


def _run_and_export(study: Study, out: Path, texts: dict[str, list[str]], words: Any) -> None:
    report = doctor(study, "cpu")
    aside = [one for one in report.findings if "not merged, but kept" in one.text]
    assert report.level != "stop" and len(aside) == len(LABELS)
    assert run(study, 3, device="cpu").measured >= 3
    trial = study.done()[-1]
    value = export(study, Order(study.method(), trial.coefficients), out, "cpu")
    assert {"model.safetensors", "heads/mood.safetensors", "heads/tone.safetensors"} <= set(value["sha256"])
    encoder = transformers.AutoModel.from_pretrained(out)
    for name in LABELS:
        head = read_head(out / "heads" / f"{name}.safetensors", torch.device("cpu"))
        with torch.inference_mode():
            found = head(encoder(**words(texts[name], padding=True, return_tensors="pt")).pooler_output)
        assert load_outputs(study, trial.id)[name] == pytest.approx(found.numpy(), abs=1e-4)
        told: dict[str, Any] = {"text": texts[name][0]}
        exec(loading(out, str(out), name), told)
        assert told["logits"].tolist()[0] == pytest.approx(found[0].tolist(), abs=1e-4)
