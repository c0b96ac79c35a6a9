"""Run in a process of its own: load a downloaded model with open_clip alone and measure it on the test examples.

Arguments: the folder with the downloaded files, the study's folder. Prints {task: right answers / examples} as JSON.
"""

import json
import logging
import sys
from pathlib import Path

import open_clip
import torch
from safetensors.torch import load_file

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from study.measuring.samples import drawn
from study.study import open_study

logging.disable(logging.WARNING)
torch.set_num_threads(1)
folder, study = Path(sys.argv[1]), open_study(sys.argv[2])
model, preprocess = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
model.eval()
found = {}
for task in study.tasks:
    head = load_file(folder / "heads" / f"{task.name}.safetensors")["weight"]
    source, split = drawn(study, task.name, "test")
    right = 0
    with torch.inference_mode():
        for name, target in zip(split.ids, split.targets, strict=True):
            features = model.encode_image(preprocess(source.read(name)).unsqueeze(0), normalize=True)
            right += int((features @ head.T).argmax()) == target
    found[task.name] = right / len(split.ids)
sys.stdout.write(json.dumps(found))
