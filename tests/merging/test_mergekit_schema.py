"""Wrong mergekit configurations: one clear line each, where mergekit itself often says nothing."""

import pytest

from merging import MergingError, read_configuration
from merging.files.plain_yaml import read_yaml
from merging.mergekit import to_yaml
from merging.mergekit.parameters import RULES, at, read_setting

GOOD = """\
merge_method: ties
base_model: base
models:
  - {model: a, parameters: {weight: 0.5, density: 0.4}}
  - {model: b, parameters: {weight: 0.7}}
parameters: {normalize: false, lambda: 0.5}
dtype: float32
"""
STACK = """\
merge_method: passthrough
slices:
  - sources: [{model: a, layer_range: [0, 2]}]
  - sources: [{model: b, layer_range: [1, 3], parameters: {scale: 0.5}}]
"""


def message(call) -> str:
    with pytest.raises(MergingError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("density: 0.4", "densty: 0.4", ["'densty'", "models[0]", "'density'"]),
        ("parameters: {norm", "paramters: {norm", ["'paramters'", "'parameters'"]),
        ("{weight: 0.7}}", "{weight: 0.7}, paramters: {}}", ["'paramters'", "'parameters'"]),
        ("merge_method: ties", "merge_method: tie", ["'tie'", "'ties'"]),
        ("merge_method: ties\n", "", ["merge_method"]),
        ("base_model: base\n", "", ["needs a base_model"]),
        ("models:", "slices:", ["slices[0]", "'model'"]),
        ("models:", "layers: []\nmodels:", ["'layers'"]),
        ("dtype: float32", "slices: [{}]", ["exactly one", "models, slices"]),
        ("normalize: false", "normalize: 3", ["'normalize'", "3", "true or false"]),
        ("normalize: false", "normalize: [true, 2]", ["'normalize'", "2"]),
        ("normalize: false", "normalize: yes please", ["'normalize'", "'yes please'"]),
        ("lambda: 0.5", "lambda: .inf", ["'lambda'", "inf"]),
        ("lambda: 0.5", "lambda: much", ["'lambda'", "'much'"]),
        ("lambda: 0.5", "lambda: []", ["'lambda'", "empty list"]),
        ("lambda: 0.5", "lambda: {filter: mlp}", ["'lambda'", "without a value"]),
        ("lambda: 0.5", "lambda: {filter: 3, value: 1}", ["'lambda'", "filter", "3"]),
        ("lambda: 0.5", "lambda: {filtr: mlp, value: 1}", ["'filtr'", "'filter'"]),
        ("lambda: 0.5", "lambda: [{value: 1}, 2]", ["'lambda'", "mixes"]),
        ("lambda: 0.5", "gamma: 0.5", ["'gamma'", "'ties'"]),
        ("density: 0.4", "density: 1.4", ["'density'", "1.4", "0 to 1"]),
        ("weight: 0.7", "weight: 0.7, normalize: true", ["'normalize'", "models[1]", "all models"]),
        ("dtype: float32", "dtype: int4", ["dtype", "int4", "float32"]),
        ("dtype: float32", "out_dtype: int64", ["out_dtype", "int64"]),
        ("dtype: float32", "tokenizer: {source: base, tokens: {x: {}}}", ["tokenizer.tokens", "vocabulary"]),
        ("dtype: float32", "tokenizer: {source: base, pad_to_multiple_of: 8}", ["pad_to_multiple_of"]),
        ("dtype: float32", "tokenizer: {sourse: base}", ["'sourse'", "'source'"]),
        ("dtype: float32", "tokenizer: {source: base}\ntokenizer_source: base", ["Keep one"]),
        ("dtype: float32", "chat_template: chatml", ["'chatml'", "Jinja"]),
        ("dtype: float32", "nam: mine", ["'nam'", "'name'"]),
        ("dtype: float32", "dtype: float32\n---\nmerge_method: linear", ["second document", "mergekit-multi"]),
        ("dtype: float32", "mergescape: {seed: -1}", ["seed", "-1"]),
        ("dtype: float32", "mergescape: {sed: 1}", ["'sed'", "'seed'"]),
        ("{model: b,", "{model: a,", ["'a' stands twice"]),
        ("{model: b,", "{model: {model: b, revision: 3},", ["'revision'"]),
        ("{model: b,", "{model: {model: {path: b, revision: x}},", ["revision"]),
        ("{model: b,", "{model: {model: b, override_architecture: X},", ["architecture"]),
        ("{model: b,", "{model: 3,", ["models[1]", "3"]),
        ("- {model: b, parameters: {weight: 0.7}}", "- b", ["models[1]", "'b'"]),
    ],
)
def test_a_wrong_key_or_value_is_named(old: str, new: str, words: list[str]) -> None:
    assert old in GOOD
    text = message(lambda: read_configuration(read_yaml(GOOD.replace(old, new, 1))))
    assert all(word in text for word in words), text


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[0, 2]", "[2, 2]", ["slices[0].sources[0]", "[2, 2]"]),
        ("[0, 2]", "[0, x]", ["layer_range"]),
        ("layer_range: [0, 2]", "layers: [0, 2]", ["'layers'", "layer_range"]),
        ("[0, 2]}]", "[0, 2]}, {model: b, layer_range: [0, 2]}]", ["'passthrough'", "exactly 1", "slices[0] has 2"]),
        ("[0, 2]}]", "[0, 2]}, {model: b, layer_range: [0, 3]}]", ["different numbers of layers"]),
        ("[0, 2]}]", "[0, 2]}]\n    residual_weight: 0.5", ["residual_weight"]),
        ("scale: 0.5", "weight: 0.5", ["'passthrough'", "'weight'"]),
        ("slices:", "modules:", ["modules"]),
    ],
)
def test_wrong_slices_are_named(old: str, new: str, words: list[str]) -> None:
    assert old in STACK
    text = message(lambda: read_configuration(read_yaml(STACK.replace(old, new, 1))))
    assert all(word in text for word in words), text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "merge_method: slerp\nbase_model: a\nparameters: {t: 1}\nmodels: [{model: b}, {model: c}]",
            ["exactly 2 models, the base counted", "has 3"],
        ),
        (
            "merge_method: nuslerp\nparameters: {weight: 1}\nmodels: [{model: b}]",
            ["exactly 2 models besides the base", "has 1"],
        ),
        ("merge_method: model_stock\nbase_model: a\nmodels: [{model: b}]", ["at least 3"]),
        ("merge_method: arcee_fusion\nbase_model: a\nparameters: {t: 1}\nmodels: [{model: b}]", ["'t'", "takes none"]),
        (
            "merge_method: linear\nmodules: {text: {models: [{model: a}]}, vision: {models: [{model: a}]}}",
            ["2 modules", "text, vision"],
        ),
        ("merge_method: linear\nmodules: {text: {parameters: {}}}", ["modules.text", "models or slices"]),
        (
            "merge_method: task_arithmetic\nbase_model: z\nslices: [{sources: [{model: a, layer_range: [0, 1]}]}]",
            ["'z'", "slices[0]"],
        ),
    ],
)
def test_wrong_numbers_of_models_are_named(text: str, words: list[str]) -> None:
    found = message(lambda: read_configuration(read_yaml(text)))
    assert all(word in found for word in words), found


@pytest.mark.parametrize("text", [GOOD, STACK])
def test_writing_and_reading_a_configuration_changes_nothing(text: str) -> None:
    configuration = read_configuration(read_yaml(text))
    assert read_configuration(read_yaml(to_yaml(configuration))) == configuration


def test_values_over_layers_and_filters() -> None:
    number, switch = RULES["ties"].parameters["density"], RULES["ties"].parameters["normalize"]
    ramp = read_setting([0, 0.5, 0.25], number, "density")
    assert [at(ramp, "x", t) for t in (0, 0.25, 0.5, 0.75, 1)] == [0.0, 0.25, 0.5, 0.375, 0.25]
    steps = read_setting([True, False], switch, "normalize")  # 1 to 0: on until it is 0, as numbers are to mergekit
    assert [at(steps, "x", t) for t in (0, 0.9, 1)] == [True, True, False]
    steps = read_setting([False, 1], switch, "normalize")
    assert [at(steps, "x", t) for t in (0, 0.1, 1)] == [False, True, True]
    assert at(read_setting("0.25", number, "density"), "x", 0) == 0.25
    rows = read_setting([{"filter": "mlp", "value": 0.2}, {"filter": "*", "value": 0.3}], number, "density")
    assert (at(rows, "layers.0.mlp.up", 0), at(rows, "layers.0.attn", 0)) == (0.2, 0.3)
    assert at(read_setting({"filter": "mlp", "value": 1}, number, "density"), "attn", 0) is None


def test_spellings_that_mergekit_takes_are_taken() -> None:
    text = GOOD.replace("normalize: false", "normalize: 0").replace(
        "dtype: float32", "dtype: torch.float32\nname: mine"
    )
    assert read_configuration(read_yaml(text)) == read_configuration(read_yaml(GOOD))
