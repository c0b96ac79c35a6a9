"""A Python file as a model: what it gives is checked, what is wrong with it is said with its line."""

import random

import numpy as np
import pytest
import torch

from evaluation.errors import EvaluationError
from evaluation.models.code import code_model

CPU = torch.device("cpu")
BUILD = "import torch\ndef build():\n    return torch.nn.Linear(2, 1)\n"


def _file(tmp_path, text):
    (tmp_path / "m.py").write_text(text, encoding="utf-8")
    return tmp_path / "m.py"


def test_numbers_and_pairs_are_read_and_drawn_numbers_come_from_the_seed(tmp_path):
    text = (
        "import random\nimport numpy as np\n" + BUILD + "def metrics(model, split):\n"
        "    return {'a': 1, 'b': (torch.rand(()), 0.5), 'c': np.random.rand(), 'd': random.random(), split: 2.0}\n"
    )
    model = code_model(_file(tmp_path, text), CPU)
    kept = torch.random.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    found = model.metrics("test", 3)
    assert found["a"] == (1.0, 0.0) and found["b"][1] == 0.5 and found["test"] == (2.0, 0.0)
    assert model.metrics("test", 3) == found != model.metrics("test", 4)
    assert torch.equal(torch.random.get_rng_state(), kept[0]) and random.getstate() == kept[2]
    assert (np.random.get_state()[1] == kept[1]).all()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = (\n", "m.py', line 1: the file failed with SyntaxError"),
        ("import nothing_like_it\n", "m.py', line 1: the file failed with ModuleNotFoundError: No module named"),
        ("def build(): pass\n", "has no function metrics. Write: def build() -> nn.Module"),
        ("def metrics(model): pass\n", "has no function build"),
        ("def build():\n    return 3\ndef metrics(m): pass\n", "build in '{file}' gave 3, not an nn.Module"),
        ("def build():\n    return 1 / 0\ndef metrics(m): pass\n", "line 2: build failed with ZeroDivisionError"),
        (BUILD + "def metrics(m):\n    return m.nothing\n", "line 5: metrics failed with AttributeError"),
        (BUILD + "def metrics(m):\n    return 0.5\n", "metrics in '{file}' gave 0.5. It must give {{name: value}}"),
        (BUILD + "def metrics(m):\n    return {'a': 'b'}\n", "gave 'b' for 'a'. Give a number, or (value, standard"),
        (BUILD + "def metrics(m):\n    return {'a': float('nan')}\n", "gave nan ± 0 for 'a'. Give finite numbers"),
        (BUILD + "def metrics(m):\n    return {'a': (1, -1)}\n", "gave 1 ± -1 for 'a'"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_one_line(tmp_path, text, said):
    file = _file(tmp_path, text)
    with pytest.raises(EvaluationError) as caught:
        code_model(file, CPU).metrics("validation", 0)
    assert said.format(file=file) in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(EvaluationError, match="nothing.py' cannot be read: No such file"):
        code_model(tmp_path / "nothing.py", CPU)
