"""Sheets, image folders and task specifications: read right, and refused with the reason."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evaluation.data.opening import open_source
from evaluation.data.source import digest
from evaluation.errors import EvaluationError
from evaluation.task import TaskSpec


def test_sheet_gives_back_every_tile(tmp_path, colours):
    images, labels = colours.tiles(23)
    source = open_source(colours.sheet(tmp_path / "s", images, labels))
    assert source.classes == ("red", "green", "blue") and source.title == "Colours"
    assert [item.target for item in source.items] == labels
    for item, image in zip(source.items, images, strict=True):
        assert (np.asarray(source.read(item.id)) == np.asarray(image)).all()


def test_sheet_labels_may_be_names(tmp_path, colours):
    images, labels = colours.tiles(5)
    names = [["red", "green", "blue"][label] for label in labels]
    source = open_source(colours.sheet(tmp_path / "s", images, labels, labels=names))
    assert [item.target for item in source.items] == labels


def test_folder_gives_back_every_image(tmp_path, colours):
    images, labels = colours.tiles(12)
    source = open_source(colours.folder(tmp_path / "f", images, labels))
    assert source.classes == ("blue", "green", "red")
    for item in source.items:
        place = int(Path(item.id).stem)
        assert source.classes[item.target] == ["red", "green", "blue"][labels[place]]
        assert digest(source.read(item.id)) == digest(images[place])


def test_fingerprint_follows_the_data(tmp_path, colours):
    images, labels = colours.tiles(20)
    first = open_source(colours.sheet(tmp_path / "a", images, labels))
    copy = open_source(colours.sheet(tmp_path / "b", images, labels))
    other = open_source(colours.sheet(tmp_path / "c", images[::-1], labels))
    assert first.fingerprint == copy.fingerprint != other.fingerprint


def test_digest_sees_pixels_not_files():
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (9, 9, 3), dtype=np.uint8))
    stored = io.BytesIO()
    image.convert("RGBA").save(stored, "PNG")
    assert digest(Image.open(stored)) == digest(image) != digest(image.rotate(90))


def _sheet_error(tmp_path, colours, **changed) -> str:
    path = colours.sheet(tmp_path / "s", *colours.tiles(23), **changed)
    with pytest.raises(EvaluationError) as caught:
        open_source(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"labels": [0] * 31}, "is 320 x 96 pixels; 31 labels in rows of 10 tiles of 32 x 32 need 320 x 128"),
        ({"labels": [0, 1, 3]}, "unknown label 3 at tile 2. Labels are class names or numbers from 0 to 2"),
        ({"labels": [0, "gren"]}, "unknown label 'gren' at tile 1"),
        ({"labels": [0, True]}, "unknown label True at tile 1"),
        ({"labels": []}, "no list of labels"),
        ({"tile": 0}, "tile = 0. It must be a whole number from 1 on"),
        ({"columns": "ten"}, "columns = 'ten'"),
        ({"classes": ["red"]}, "at least 2"),
        ({"classes": ["red", "red"]}, "all different"),
        ({"classes": "red"}, "must be a list of words"),
    ],
)
def test_wrong_sheet_is_named(tmp_path, colours, changed, text):
    assert text in _sheet_error(tmp_path, colours, **changed)


def test_near_label_is_suggested(tmp_path, colours):
    assert "Nearest: 'green'." in _sheet_error(tmp_path, colours, labels=["gren"])


def test_broken_sheet_files_are_named(tmp_path, colours):
    path = colours.sheet(tmp_path / "s", *colours.tiles(23))
    whole = (path / "sheet.png").read_bytes()
    (path / "sheet.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(EvaluationError, match="sheet.png' cannot be read"):
        open_source(path)
    (path / "sheet.json").write_text("{", encoding="utf-8")
    with pytest.raises(EvaluationError, match="Sheet .* cannot be read"):
        open_source(path)
    (path / "sheet.json").write_text("[]", encoding="utf-8")
    with pytest.raises(EvaluationError, match="not an object"):
        open_source(path)


def test_broken_image_is_named(tmp_path, colours):
    path = colours.folder(tmp_path / "f", *colours.tiles(12))
    source = open_source(path)
    victim = source.items[3].id
    whole = (path / victim).read_bytes()
    (path / victim).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(EvaluationError, match=f"{victim}' cannot be read.*Replace or remove"):
        source.read(victim)


def test_wrong_folders_are_named(tmp_path, colours):
    with pytest.raises(EvaluationError, match="There are no data at"):
        open_source(tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("x", encoding="utf-8")
    with pytest.raises(EvaluationError, match="a file of a kind that is not known"):
        open_source(tmp_path / "notes.txt")
    path = colours.folder(tmp_path / "f", *colours.tiles(12))
    (path / "violet").mkdir()
    with pytest.raises(EvaluationError, match="Class folder '.*violet' has no images"):
        open_source(path)
    lonely = tmp_path / "lonely"
    (lonely / "cat").mkdir(parents=True)
    with pytest.raises(EvaluationError, match="has 1 class folders"):
        open_source(lonely)


def test_divided_folder_needs_the_same_classes(tmp_path, colours):
    path = tmp_path / "f"
    colours.folder(path / "val", *colours.tiles(12))
    colours.folder(path / "test", *colours.tiles(12, seed=1))
    assert {item.pool for item in open_source(path).items} == {"val", "test"}
    (path / "test" / "violet").mkdir()
    Image.new("RGB", (4, 4)).save(path / "test" / "violet" / "a.png")
    with pytest.raises(EvaluationError, match=r"other classes in 'val' than in 'test': \['violet'\]"):
        open_source(path)


def test_class_called_test_is_a_class(tmp_path):
    for name in ("test", "exam"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (4, 4)).save(tmp_path / name / "a.png")
    assert open_source(tmp_path).classes == ("exam", "test")


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"name": " "}, "no name"),
        ({"metric": "accurate"}, "Unknown metric 'accurate'. Nearest: 'accuracy'."),
        ({"samples": {"validate": 3}}, "unknown split 'validate'. Nearest: 'validation'."),
        ({"samples": {"validation": -3}}, "samples.validation = -3. Give a whole number from 0 on."),
        ({"samples": {"validation": 0.5}}, "samples.validation = 0.5"),
        ({"samples": {"validation": 0}}, "asks for no samples"),
        ({"templates": ("a photo",)}, "without a place for the class name"),
    ],
)
def test_wrong_spec_is_named(changed, text):
    facts = {"name": "t", "title": "T", "data": Path("x"), "samples": {"validation": 3}, **changed}
    with pytest.raises(EvaluationError) as caught:
        TaskSpec(**facts)
    assert text in str(caught.value) and "\n" not in str(caught.value)


def test_folder_name_is_safe():
    assert TaskSpec("../my task: 1", "T", Path("x")).folder == "_my_task_1"
    assert json.dumps(TaskSpec("..", "T", Path("x")).folder) == '"task"'
