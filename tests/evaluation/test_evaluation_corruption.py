"""Corrupted copies: the same samples, spoiled as published, alike for one seed, refused for the wrong kind."""

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from evaluation.data.corruption import KINDS, LARGE, LITTLE, Corruption, corrupted
from evaluation.data.opening import open_source
from evaluation.errors import EvaluationError
from evaluation.samples import preprocessed, recorded
from evaluation.task import TaskSpec


class Raw:
    """A preprocessor without a network."""

    preprocessing = "raw"

    def preprocess(self, samples):
        return np.stack([np.asarray(each, dtype=np.float32) for each in samples])


def _pixels(source, id):
    return np.asarray(source.read(id), dtype=np.float64) / 255


def _seen(source, kind, severity, seed=0):
    return _pixels(corrupted(source, Corruption(kind, severity), seed), source.items[3].id)


@pytest.fixture
def photo(tmp_path):
    """A large picture with edges, in a folder of two classes."""
    y, x = np.mgrid[0:224, 0:224]
    made = np.stack([(x // 7 + y // 7) % 2 * 155 + 50, x / 2 + 60, 255 - y / 2], axis=-1).astype(np.uint8)
    for name in ("a", "b"):
        (tmp_path / "p" / name).mkdir(parents=True)
        for number in range(2):
            Image.fromarray(made).save(tmp_path / "p" / name / f"{number}.png")
    return open_source(tmp_path / "p")


@pytest.mark.parametrize("kind", LARGE)
def test_the_same_seed_spoils_alike_and_more_severity_spoils_more(photo, kind):
    clean = _pixels(photo, photo.items[3].id)
    off = [np.abs(_seen(photo, kind, severity) - clean).mean() for severity in (1, 5)]
    assert 0 < off[0] < off[1]
    assert (_seen(photo, kind, 2) == _seen(photo, kind, 2)).all()
    random = kind in ("noise", "shot_noise")
    assert (_seen(photo, kind, 2, seed=1) == _seen(photo, kind, 2)).all() != random


def test_levels_are_the_published_ones(photo, sheet):
    """Numbers of make_imagenet_c.py and make_cifar_c.py, hendrycks/robustness at 20caed9 and ca36008."""
    clean, little = _pixels(photo, photo.items[3].id), open_source(sheet)
    small = _pixels(little, little.items[3].id)
    centre = (clean > 0.3) & (clean < 0.7)
    assert (_seen(photo, "noise", 1) - clean)[centre].std() == pytest.approx(0.08, rel=0.03)
    for source, before, level in ((photo, clean, 0.2), (little, small, 0.4)):
        middle = before.mean(axis=(0, 1), keepdims=True)
        assert _seen(source, "contrast", 3) == pytest.approx((before - middle) * level + middle, abs=1 / 255)
    blurred = gaussian_filter(clean, (3, 3, 0), mode="nearest")
    assert _seen(photo, "blur", 3) == pytest.approx(blurred, abs=1 / 255)
    raised = _seen(photo, "brightness", 1).max(axis=-1)
    assert raised == pytest.approx(np.minimum(clean.max(axis=-1) + 0.1, 1), abs=2 / 255)
    assert len(np.unique(_seen(little, "pixelate", 5)[:, 0])) <= 3 * 20  # int(32 · 0.65) = 20 columns
    assert set(LARGE) == set(LITTLE)


def test_a_corrupted_copy_has_the_same_samples_and_other_inputs(sheet, tmp_path):
    source, cache = open_source(sheet), tmp_path / "cache"
    clean = TaskSpec("c", "C", sheet, samples={"validation": 20, "test": 20})
    spoiled = TaskSpec("c", "C", sheet, samples=clean.samples, corruption=Corruption("noise", 4))
    one, two = (recorded(spec, source, 5, cache).splits["validation"] for spec in (clean, spoiled))
    other = recorded(spoiled, source, 6, cache).splits["validation"]
    assert one.ids == two.ids and one.targets == two.targets
    assert len({one.fingerprint, two.fingerprint, other.fingerprint}) == 3
    shown = corrupted(source, spoiled.corruption, 5)
    before = preprocessed(clean, "validation", one, source, Raw(), cache)
    after = preprocessed(spoiled, "validation", two, shown, Raw(), cache)
    assert before.shape == after.shape and np.abs(before - after).mean() > 5
    assert (after == preprocessed(spoiled, "validation", two, shown, Raw(), tmp_path / "again")).all()


def test_typos_swap_inner_letters_and_nothing_else(tmp_path):
    text = " ".join(f"wordy{number}" for number in range(200))
    (tmp_path / "t.csv").write_text(f"text,label\n{text},a\nother,b\n", encoding="utf-8")
    source = open_source(tmp_path / "t.csv")
    shares = []
    for severity in (1, 3, 5):
        said = corrupted(source, Corruption("typos", severity), 0).read("1")
        pairs = list(zip(text.split(), said.split(), strict=True))
        assert all(sorted(a) == sorted(b) and a[0] == b[0] and a[-1] == b[-1] for a, b in pairs)
        shares.append(sum(a != b for a, b in pairs) / 200)
    assert shares == pytest.approx([0.05, 0.2, 0.5], abs=0.09)


@pytest.mark.parametrize(
    ("kind", "severity", "text"),
    [
        ("blurr", 3, "Unknown corruption 'blurr'. Nearest: 'blur'."),
        ("blur", 0, "has severity 0. Give a whole number from 1 to 5."),
        ("blur", 2.5, "has severity 2.5"),
        ("blur", True, "has severity True"),
    ],
)
def test_wrong_corruptions_are_named(kind, severity, text):
    with pytest.raises(EvaluationError) as caught:
        Corruption(kind, severity)
    assert text in str(caught.value)


def test_pictures_have_no_typos_and_texts_no_blur(sheet, tmp_path):
    (tmp_path / "t.csv").write_text("text,label\nx,a\ny,b\n", encoding="utf-8")
    with pytest.raises(EvaluationError, match="'typos' cannot be done to .* holds pictures. Use noise, shot_noise"):
        corrupted(open_source(sheet), Corruption("typos"), 0).read("0")
    with pytest.raises(EvaluationError, match="'blur' cannot be done to .* holds texts. Use typos"):
        corrupted(open_source(tmp_path / "t.csv"), Corruption("blur"), 0).read("1")
    assert set(KINDS) == {*LARGE, "typos"}
