"""study.yaml: a right one survives a round trip; a wrong one gets one line with line, field, value and cure."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.errors import StudyError
from study.folder.study_file import dump, parse
from study.settings import Settings

GOOD = """name: my study
base: {model: ViT-B-32, weights: base.safetensors}
experts:
  - {name: digits, weights: a.safetensors}
  - {name: signs, weights: b.safetensors}
tasks:
  - {name: digits, data: tasks/digits, metric: accuracy, samples: {validation: 400, test: 1000, calibration: 64}}
methods: [task_arithmetic]
bounds: [0.0, 1.0]
seed: 0
"""


EXPERTS = GOOD[GOOD.index("experts:") : GOOD.index("tasks:")]


def test_the_example_of_the_contract_is_read() -> None:
    settings = parse(GOOD)
    assert [expert.name for expert in settings.experts] == ["digits", "signs"]
    assert settings.tasks[0].samples.test == 1000
    assert settings.methods[0].name == "task_arithmetic"
    assert settings.bounds == (0.0, 1.0)


def test_a_round_trip_changes_nothing() -> None:
    settings = parse(GOOD.replace("[task_arithmetic]", "[task_arithmetic, {name: ties, settings: {density: 0.2}}]"))
    assert parse(dump(settings)) == settings


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("seed: 0", "seeds: 0", ["line 10", "seeds", "unknown field", "Did you mean 'seed'?"]),
        ("weights: b.safetensors}", "weight: b.safetensors}", ["line 5", "experts.2", "weight"]),
        ("seed: 0", "seed: -1", ["line 10", "seed", "greater than or equal to 0", "-1"]),
        ("validation: 400", "validation: many", ["line 7", "tasks.1.samples.validation", "'many'"]),
        ("bounds: [0.0, 1.0]", "bounds: [1.0, 0.0]", ["bounds", "lower one first"]),
        ("bounds: [0.0, 1.0]", "bounds: [0.0, .inf]", ["bounds", "finite"]),
        ("name: signs", "name: digits", ["two experts are called 'digits'"]),
        ("name: signs", "name: '../up'", ["line 5", "experts.2.name", "'../up'"]),
        (EXPERTS, "experts: []\n", ["line 3", "experts", "at least 1"]),
        ("name: my study\n", "", ["name", "missing"]),
        ("seed: 0", "seed: [", ["not valid YAML"]),
        ("name: my study", "name: !!python/object/apply:os.system [ls]", ["not valid YAML"]),
        ("name: my study", "name: &a x\nbase2: *a", ["alias"]),
    ],
)  # fmt: skip
def test_a_wrong_file_gets_one_clear_line(old: str, new: str, parts: list[str]) -> None:
    text = GOOD.replace(old, new)
    assert text != GOOD
    with pytest.raises(StudyError) as caught:
        parse(text)
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


def test_a_file_without_experts_says_what_is_missing() -> None:
    with pytest.raises(StudyError, match="experts: missing"):
        parse(GOOD.replace(EXPERTS, ""))


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused_with_one_line(text: str) -> None:
    try:
        assert isinstance(parse(text), Settings)
    except StudyError as error:
        assert "\n" not in str(error)


LEAVES = st.none() | st.booleans() | st.floats() | st.text(max_size=5)
FIELDS = st.sampled_from(["name", "base", "experts", "tasks", "methods", "samples", "x"])
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=4), max_leaves=12
)


@given(TREES)
def test_any_yaml_is_read_or_refused_with_one_line(value: object) -> None:
    import yaml

    try:
        assert isinstance(parse(yaml.safe_dump(value)), Settings)
    except StudyError as error:
        assert "\n" not in str(error)
