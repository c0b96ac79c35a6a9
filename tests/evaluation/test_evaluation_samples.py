"""Splits: disjoint, seeded, in proportion, recorded; inputs: cached once, whole or not at all."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from evaluation.data.opening import open_source
from evaluation.errors import EvaluationError
from evaluation.samples import draw, preprocessed, recorded, replacing
from evaluation.task import TaskSpec


class Halves:
    """A real preprocessor without a network: pixels over 255."""

    def __init__(self, preprocessing: str = "halves 1") -> None:
        self.preprocessing = preprocessing
        self.calls = 0

    def preprocess(self, samples):
        self.calls += 1
        return np.stack([np.asarray(each, dtype=np.float32).transpose(2, 0, 1) / 255 for each in samples])


class Failing(Halves):
    """Stops after the first chunk, as a full disk or a kill would."""

    def preprocess(self, samples):
        if self.calls:
            raise KeyboardInterrupt
        return super().preprocess(samples)


def _spec(data, **samples):
    return TaskSpec("colours", "Colours", data, samples=samples)


@pytest.fixture(params=["sheet", "folder", "parquet", "arrow", "shards"])
def data(request, tmp_path, colours):
    """120 tiles, 20 of them exact copies of the first 20."""
    images, labels = colours.tiles(100)
    return getattr(colours, request.param)(tmp_path / "data", images + images[:20], labels + labels[:20])


def test_asking_for_more_than_there_is(data):
    spec = _spec(data, calibration=10, validation=41, test=50)
    with pytest.raises(EvaluationError) as caught:
        draw(spec, open_source(data), 0)
    assert str(caught.value) == (
        "Task 'colours' asks for 10 calibration + 41 validation + 50 test samples; "
        f"'{data}' holds 120, 20 of them exact copies of others, and only 49 are left for test. "
        "Lower samples.test to 49 or less, or add data."
    )


def test_same_seed_same_samples_other_seed_others(data):
    source, spec = open_source(data), _spec(data, validation=30, test=30)
    assert draw(spec, source, 7) == draw(spec, source, 7)
    assert draw(spec, source, 7).splits["validation"].ids != draw(spec, source, 8).splits["validation"].ids


def test_more_of_one_split_leaves_the_other_alone(sheet):
    source = open_source(sheet)
    few = draw(_spec(sheet, validation=20, test=20), source, 0).splits
    more = draw(_spec(sheet, validation=60, test=20), source, 0).splits
    later = draw(_spec(sheet, validation=20, test=70), source, 0).splits
    assert few["test"] == more["test"] and few["validation"] == later["validation"]
    assert few["validation"].ids == more["validation"].ids[:20] and few["test"].ids == later["test"].ids[:20]


def test_more_test_samples_never_change_what_was_searched_on(data):
    source = open_source(data)
    few, more = (draw(_spec(data, validation=40, test=n), source, 0).splits for n in (10, 60))
    assert few["validation"] == more["validation"]


def test_order_of_the_files_does_not_matter_but_moving_is_free(tmp_path, colours):
    images, labels = colours.tiles(60)
    first = colours.folder(tmp_path / "a", images, labels)
    second = colours.folder(tmp_path / "b", images, labels)
    spec = {"validation": 20, "test": 20}
    one, two = (draw(_spec(path, **spec), open_source(path), 0) for path in (first, second))
    assert one == two


def test_classes_keep_their_proportions(tmp_path, colours):
    images, labels = colours.tiles(300)
    labels = [0 if place < 200 else 1 + place % 2 for place in range(300)]
    path = colours.sheet(tmp_path / "s", images, labels)
    drawn = draw(_spec(path, calibration=30, validation=60, test=90), open_source(path), 0)
    for split in drawn.splits.values():
        counts = np.bincount(split.targets, minlength=3) / len(split.targets)
        assert counts == pytest.approx([2 / 3, 1 / 6, 1 / 6], abs=0.07)


def test_divided_folder_feeds_each_split_from_its_own(tmp_path, colours):
    path = tmp_path / "f"
    images, labels = colours.tiles(90)
    colours.folder(path / "train", images[:30], labels[:30])
    colours.folder(path / "val", images[30:60], labels[30:60])
    colours.folder(path / "test", images[60:] + images[30:32], labels[60:] + labels[30:32])
    drawn = draw(_spec(path, calibration=10, validation=30, test=30), open_source(path), 0)
    for split, top in (("calibration", "train/"), ("validation", "val/"), ("test", "test/")):
        assert all(each.startswith(top) for each in drawn.splits[split].ids)
    # A copy that leaked from val into test is not tested on.
    with pytest.raises(EvaluationError, match="only 30 are left for test"):
        draw(_spec(path, validation=30, test=31), open_source(path), 0)


def test_folder_without_val_shares_train(tmp_path, colours):
    path = tmp_path / "f"
    images, labels = colours.tiles(90)
    colours.folder(path / "train", images[:50], labels[:50])
    colours.folder(path / "test", images[50:], labels[50:])
    drawn = draw(_spec(path, calibration=10, validation=30, test=30), open_source(path), 0)
    both = drawn.splits["calibration"].ids + drawn.splits["validation"].ids
    assert len(set(both)) == 40 and all(each.startswith("train/") for each in both)


def test_record_is_readable_and_read(sheet, tmp_path):
    source, cache = open_source(sheet), tmp_path / "cache"
    spec = _spec(sheet, validation=20, test=30)
    first = recorded(spec, source, 3, cache)
    (path,) = (cache / "colours").glob("samples-*.json")
    facts = json.loads(path.read_text(encoding="utf-8"))
    assert facts["seed"] == 3 and facts["splits"]["test"]["ids"] == list(first.splits["test"].ids)
    stamp = path.stat().st_mtime_ns
    assert recorded(spec, source, 3, cache) == first and path.stat().st_mtime_ns == stamp
    path.write_text(path.read_text(encoding="utf-8")[:100], encoding="utf-8")
    assert recorded(spec, source, 3, cache) == first == recorded(spec, source, 3, cache)
    assert recorded(spec, source, 4, cache) != first


def test_fingerprint_is_of_content(tmp_path, colours):
    images, labels = colours.tiles(40)
    paths = [colours.sheet(tmp_path / name, images, labels, title=name) for name in "ab"]
    one, two = (draw(_spec(path, validation=20), open_source(path), 0).splits["validation"] for path in paths)
    assert one.fingerprint == two.fingerprint
    other = draw(_spec(paths[0], validation=20), open_source(paths[0]), 1).splits["validation"]
    assert other.fingerprint != one.fingerprint


def test_inputs_are_made_once_and_mapped(sheet, tmp_path):
    source, cache = open_source(sheet), tmp_path / "cache"
    spec = _spec(sheet, validation=100)
    drawn = draw(spec, source, 0).splits["validation"]
    seen = []
    maker = Halves()
    inputs = preprocessed(spec, "validation", drawn, source, maker, cache, lambda *at: seen.append(at))
    assert isinstance(inputs, np.memmap) and inputs.dtype == np.float32 and inputs.shape == (100, 3, 32, 32)
    assert maker.calls == 2 and seen == [(64, 100), (100, 100)]
    expected = np.asarray(source.read(drawn.ids[77]), dtype=np.float32).transpose(2, 0, 1) / 255
    assert (inputs[77] == expected).all()
    again = preprocessed(spec, "validation", drawn, source, maker, cache)
    assert maker.calls == 2 and (again == inputs).all()
    preprocessed(spec, "validation", drawn, source, Halves("halves 2"), cache)
    assert len(list((cache / "colours").glob("*.npy"))) == 2


def test_interrupted_or_damaged_inputs_are_made_again(sheet, tmp_path):
    source, cache = open_source(sheet), tmp_path / "cache"
    spec = _spec(sheet, validation=100)
    drawn = draw(spec, source, 0).splits["validation"]
    with pytest.raises(KeyboardInterrupt):
        preprocessed(spec, "validation", drawn, source, Failing(), cache)
    assert list((cache / "colours").iterdir()) == []
    whole = preprocessed(spec, "validation", drawn, source, Halves(), cache).copy()
    (path,) = (cache / "colours").glob("*.npy")
    assert path.stat().st_mode & 0o777 == 0o644
    path.write_bytes(path.read_bytes()[:5000])
    assert (preprocessed(spec, "validation", drawn, source, Halves(), cache) == whole).all()


def test_replacing_keeps_the_old_file_on_failure(tmp_path):
    path = tmp_path / "deep" / "x.txt"
    with replacing(path) as temporary:
        temporary.write_text("old", encoding="utf-8")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half", encoding="utf-8")
        raise RuntimeError
    assert path.read_text(encoding="utf-8") == "old" and os.listdir(path.parent) == ["x.txt"]


def test_truncated_image_stops_the_draw_by_name(tmp_path, colours):
    path = colours.folder(tmp_path / "f", *colours.tiles(12))
    Image.new("RGB", (8, 8)).save(path / "red" / "odd.png")
    (path / "red" / "odd.png").write_bytes((path / "red" / "odd.png").read_bytes()[:40])
    with pytest.raises(EvaluationError, match="odd.png' cannot be read"):
        draw(_spec(path, validation=13), open_source(path), 0)
