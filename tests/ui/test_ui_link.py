"""Addresses: what is chosen survives the way through a link; anything else in it is harmless."""

from hypothesis import given
from hypothesis import strategies as st

from ui.link import LONGEST, parse_choice, write_choice

PAYLOAD = {
    "tasks": [{"name": "cars", "sign": 1.0}, {"name": "loss", "sign": -1.0}, {"name": "c d", "sign": 1.0}],
    "experts": [{"name": "a"}, {"name": "b"}],
    "unit": "kept",
}
strength = st.floats(0, 2).map(lambda v: round(v, 4))
mix = st.lists(strength, min_size=2, max_size=2)


@given(
    minimum=st.lists(st.none() | st.floats(-5, 5).map(lambda v: float(f"{v:.4g}")), min_size=3, max_size=3),
    lock=st.lists(st.booleans(), min_size=3, max_size=3),
    pick=mix,
    tray=st.lists(mix, max_size=4),
    x=st.integers(0, 2),
    y=st.integers(0, 2),
    unit=st.sampled_from(["kept", "score", "gain"]),
)
def test_there_and_back(minimum, lock, pick, tray, x, y, unit) -> None:  # type: ignore[no-untyped-def]
    choice = {"min": minimum, "lock": lock, "pick": pick, "tray": tray, "x": x, "y": y, "unit": unit}
    found, unknown = parse_choice(write_choice(choice, PAYLOAD), PAYLOAD)
    assert unknown == []
    assert found["min"] == minimum and found["lock"] == lock
    assert found["pick"] == pick and found["tray"] == tray
    assert found.get("x", 0) == x and found.get("y", 1) == y and found.get("unit", "kept") == unit


def test_unknown_names_are_reported_and_ignored() -> None:
    found, unknown = parse_choice({"min": "dtd:0.5~cars:0.8", "lock": "gone", "x": "nowhere"}, PAYLOAD)
    assert unknown == ["dtd", "gone", "nowhere"]
    assert found["min"] == [0.8, None, None]


@given(st.dictionaries(st.sampled_from(["min", "lock", "pick", "tray", "x", "y", "u"]), st.text(max_size=80)))
def test_no_address_breaks_the_page(query: dict[str, str]) -> None:
    found, _ = parse_choice(query, PAYLOAD)
    assert len(found["min"]) == 3 and len(found.get("pick", [0, 0])) == 2


def test_an_endless_choice_keeps_only_the_mix() -> None:
    many = {"tasks": [{"name": "task" * 20 + str(i), "sign": 1.0} for i in range(60)], "experts": [{}], "unit": "score"}
    choice = {"min": [0.5] * 60, "lock": [True] * 60, "pick": [0.25], "tray": [], "x": 0, "y": 1, "unit": "score"}
    found = write_choice(choice, many)
    assert found == {"pick": "0.25"} and len(str(found)) < LONGEST
