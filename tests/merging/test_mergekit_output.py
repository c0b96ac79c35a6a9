"""What a mergekit configuration leaves on disk: a folder that transformers loads, and its own provenance."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from merging import MergingError, merge_mergekit, read_configuration, read_merge, reference, write
from merging.__main__ import run
from merging.files.plain_yaml import read_yaml
from merging.mergekit.layers import read_layers

LINEAR = "merge_method: linear\nparameters: {weight: 1}\nmodels: [{model: a}, {model: b}]\n"
DARE = """\
merge_method: dare_ties
base_model: base
parameters: {weight: 0.5, density: 0.5}
models: [{model: a}, {model: b}]
out_dtype: bfloat16
mergescape: {seed: 3}
"""
STACK = """\
merge_method: passthrough
slices:
  - sources: [{model: a, layer_range: [0, 3]}]
  - sources: [{model: b, layer_range: [1, 3]}]
dtype: bfloat16
"""


def carried(text: str, folder: Path, out: Path, **more: object) -> dict[str, str]:
    return merge_mergekit(read_configuration(read_yaml(text)), folder, out, **more)


def message(call) -> str:
    with pytest.raises(MergingError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("shard", [2000, 10**9])
def test_transformers_loads_a_stack_of_layers(shard: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 24, "num_attention_heads": 2, "num_key_value_heads": 1}
    models = {}
    for who in "ab":
        models[who] = LlamaForCausalLM(LlamaConfig(**sizes, num_hidden_layers=3, vocab_size=32))
        models[who].save_pretrained(tmp_path / who)
    found = carried(STACK, tmp_path, tmp_path / "out", shard=shard)
    assert ("model.safetensors.index.json" in found) == (shard == 2000) and sorted(found) == sorted(
        os.listdir(tmp_path / "out")
    )
    model, told = AutoModelForCausalLM.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not told["missing_keys"] and not told["unexpected_keys"]
    assert model.config.num_hidden_layers == 5 and model.dtype == torch.bfloat16
    for layer, (who, number) in enumerate((("a", 0), ("a", 1), ("a", 2), ("b", 1), ("b", 2))):
        ours = model.model.layers[layer].mlp.down_proj.weight
        assert torch.equal(ours, models[who].model.layers[number].mlp.down_proj.weight.to(torch.bfloat16))
    assert torch.equal(model.model.embed_tokens.weight, models["a"].model.embed_tokens.weight.to(torch.bfloat16))
    assert torch.equal(model.lm_head.weight, models["b"].lm_head.weight.to(torch.bfloat16))
    assert model(torch.tensor([[1, 2, 3]])).logits.isfinite().all()


def test_lists_of_layers_in_the_configuration_are_stacked_too(llamas: Path, tmp_path: Path) -> None:
    shutil.copytree(llamas, tmp_path / "m")
    for who in "ab":
        config = json.loads((tmp_path / "m" / who / "config.json").read_text())
        config["layer_types"] = ["full", "sliding", "last"]
        (tmp_path / "m" / who / "config.json").write_text(json.dumps(config))
    carried(STACK, tmp_path / "m", tmp_path / "out")
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["layer_types"] == ["full", "sliding", "last", "sliding", "last"]


def test_the_written_configuration_makes_the_same_bytes_elsewhere(llamas: Path, tmp_path: Path) -> None:
    one = carried(DARE, llamas, tmp_path / "one")
    assert {"config.json", "tokenizer.json", "mergekit_config.yml", "model.safetensors"} == set(one)
    full = read_merge(tmp_path / "one" / "mergekit_config.yml")
    assert full.seed == 3 and set(full.own_names.values()) == {"base", "a", "b"}
    two = merge_mergekit(full, tmp_path / "one", tmp_path / "deep" / "two", shard=500)
    assert reference("m", tmp_path / "deep" / "two").fingerprint == reference("m", tmp_path / "one").fingerprint
    three = merge_mergekit(full, tmp_path / "one", tmp_path / "deep" / "three")
    assert three["model.safetensors"] == one["model.safetensors"] != two.get("model.safetensors")
    single = merge_mergekit(full, tmp_path / "one", tmp_path / "deep" / "m.safetensors")
    assert single["m.safetensors"] == one["model.safetensors"] and "m.recipe.yaml" in single
    assert carried(DARE.replace("3", "4"), llamas, tmp_path / "four")["model.safetensors"] != one["model.safetensors"]
    with safe_open(tmp_path / "one" / "model.safetensors", "pt") as opened:
        inside = json.loads(opened.metadata()["mergescape"])
    assert inside["seed"] == 3 and len(inside["fingerprints"]) == 3 and str(tmp_path) not in json.dumps(inside)
    assert json.loads((tmp_path / "one" / "config.json").read_text())["dtype"] == "bfloat16"


def test_a_model_that_has_changed_is_refused(llamas: Path, tmp_path: Path) -> None:
    shutil.copytree(llamas, tmp_path / "m")
    carried(LINEAR, tmp_path / "m", tmp_path / "out")
    state = load_file(tmp_path / "m" / "a" / "model.safetensors")
    write(tmp_path / "m" / "a" / "model.safetensors", {name: tensor + 1 for name, tensor in state.items()}, {})
    full = read_merge(tmp_path / "out" / "mergekit_config.yml")
    text = message(lambda: merge_mergekit(full, tmp_path / "out", tmp_path / "again"))
    assert "fingerprint" in text and not (tmp_path / "again").exists()


def test_paths_come_from_here_first(llamas: Path, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "here").mkdir()
    shutil.copytree(llamas / "c", tmp_path / "here" / "a")
    monkeypatch.chdir(tmp_path / "here")
    one_model = "merge_method: linear\nparameters: {weight: 1}\nmodels: [{model: a}]\n"
    carried(one_model, llamas, tmp_path / "out")
    assert reference("m", tmp_path / "out").fingerprint == reference("m", llamas / "c").fingerprint


@pytest.mark.parametrize("source", ["union", "base", "a"])
def test_one_vocabulary_is_carried_and_others_are_refused(source: str, llamas: Path, tmp_path: Path) -> None:
    text = LINEAR + f"tokenizer_source: {source}\nchat_template: '{{{{ messages }}}}'\n"
    found = carried(text, llamas, tmp_path / "out")
    assert "tokenizer.json" in found
    assert (tmp_path / "out" / "chat_template.jinja").read_text() == "{{ messages }}"
    shutil.copytree(llamas, tmp_path / "m")
    (tmp_path / "m" / "b" / "tokenizer.json").write_text('{"model": {"vocab": {"c": 0}}}')
    said = message(lambda: carried(text, tmp_path / "m", tmp_path / "no"))
    assert source in said and "another vocabulary" in said and "'" in said
    (tmp_path / "m" / "b" / "tokenizer.json").unlink()
    assert "has no tokenizer" in message(lambda: carried(text, tmp_path / "m", tmp_path / "no"))


def test_the_tokenizer_and_the_usual_template_are_those_asked_for(llamas: Path, tmp_path: Path) -> None:
    shutil.copytree(llamas, tmp_path / "m")
    for who, template in (("base", "{{ x }}"), ("a", "{{ y }}"), ("b", "{{ y }}")):
        facts = {"chat_template": template, "model_max_length": len(who)}
        (tmp_path / "m" / who / "tokenizer_config.json").write_text(json.dumps(facts))
    (tmp_path / "m" / "b" / "tokenizer_config.json").unlink()
    (tmp_path / "m" / "b" / "chat_template.jinja").write_text("{{ y }}\n")
    text = LINEAR + "base_model: base\ntokenizer_source: a\nchat_template: auto\n"
    carried(text, tmp_path / "m", tmp_path / "out")
    assert json.loads((tmp_path / "out" / "tokenizer_config.json").read_text())["model_max_length"] == 1
    assert (tmp_path / "out" / "chat_template.jinja").read_text() == "{{ y }}"
    again = (tmp_path / "out" / "mergekit_config.yml").read_text()
    assert (
        carried(again, tmp_path / "out", tmp_path / "two").keys()
        == carried(text, tmp_path / "m", tmp_path / "x").keys()
    )
    said = message(lambda: carried(text.replace("source: a", "source: nowhere"), tmp_path / "m", tmp_path / "no"))
    assert "'nowhere'" in said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (LINEAR.replace("model: b", "model: org/name"), ["'org/name'", "hf download"]),
        (LINEAR.replace("model: b", "model: a+b"), ["'b' in 'a+b' is not an adapter"]),
        (LINEAR.replace("model: b", "model: lora"), ["LoRA adapter"]),
        (STACK.replace("[1, 3]", "[1, 4]"), ["layer 3", "'b'", "0 to 2"]),
        (LINEAR.replace("weight: 1", "weight: {filter: mlp, value: 1}"), ["'weight'", "'lm_head.weight'", "'a'"]),
        (LINEAR.replace("weight: 1", "weight: 0"), ["sum to 0"]),
        (DARE.replace("dare_ties", "della"), ["della", "density 0.5"]),
        (LINEAR.replace("weight: 1", "weight: 1.0e+39, normalize: false") + "out_dtype: float16\n", ["float16"]),
    ],
)
def test_merges_that_cannot_be_leave_nothing(text: str, words: list[str], llamas: Path, tmp_path: Path) -> None:
    if "della" in text:
        text = text.replace("density: 0.5", "density: 0.5, epsilon: 0.6")
    said = message(lambda: carried(text, llamas, tmp_path / "out"))
    assert all(word.lower() in said.lower() for word in words), said
    assert not list(tmp_path.iterdir())


def test_models_that_differ_are_named(llamas: Path, tmp_path: Path) -> None:
    shutil.copytree(llamas, tmp_path / "m")
    state = load_file(tmp_path / "m" / "b" / "model.safetensors")
    short = {name: tensor for name, tensor in state.items() if name != "lm_head.weight"}
    write(tmp_path / "m" / "b" / "model.safetensors", short, {})
    assert "lacks 'lm_head.weight'" in message(lambda: carried(LINEAR, tmp_path / "m", tmp_path / "out"))
    wide = {**state, "lm_head.weight": torch.zeros(13, 8)}
    write(tmp_path / "m" / "b" / "model.safetensors", wide, {})
    assert "(12, 8)" in message(lambda: carried(LINEAR, tmp_path / "m", tmp_path / "out"))
    for who, value in (("a", 1), ("b", 2)):
        held = load_file(llamas / who / "model.safetensors") | {"ids": torch.tensor([value])}
        write(tmp_path / "m" / who / "model.safetensors", held, {})
    assert "'ids' differs" in message(lambda: carried(LINEAR, tmp_path / "m", tmp_path / "out"))


def test_the_command_line_takes_mergekits_yaml(llamas: Path, tmp_path: Path, capsys) -> None:
    path = llamas / "linear.yml"
    path.write_text(LINEAR)
    assert run([str(path), str(tmp_path / "out"), "--json"]) == 0
    assert "mergekit_config.yml" in json.loads(capsys.readouterr().out)["sha256"]
    assert run([str(path), str(tmp_path / "out")]) == 0  # an earlier merge is replaced
    path.write_text(LINEAR.replace("weight", "wieght"))
    assert run([str(path), str(tmp_path / "out")]) == 2
    shown = capsys.readouterr().err
    assert "'wieght'" in shown and "'weight'" in shown and shown.count("\n") == 1


def test_layers_are_read_from_names() -> None:
    names = ["h.0.w", "h.1.w", "h.1.experts.0.w", "visual.blocks.0.w", "embed.w", "odd.1.w", "0.w"]
    layers = read_layers(names)
    assert layers.counts == {"h.": 2, "visual.blocks.": 1}
    assert [layers.depth(name) for name in names] == [0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0]
    assert layers.only("m", 2) == "h." and "visual.blocks.* (1)" in message(lambda: layers.only("m", None))
