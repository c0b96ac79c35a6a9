"""Every text of the guided demo."""

NUMBER = "Guide, {n} of 5"
STEPS = (
    (
        "Mixes are tried.",
        "Each mark is one blend, measured on real examples. As soon as the map is ready, press the button.",
    ),
    (
        "Look around.",
        "Every point is a possible mix; the best ones lie top right. Move a slider: what must a task reach at least?",
    ),
    ("Choose.", "Press + for a little more of something and see what it costs. Happy? Press 'Use this mix'."),
    ("Check it.", "So far this is a prediction. One click measures it for real."),
    ("Take it home.", "Write the model file, then download it. That is all there is to it."),
)
LEAVE = "Leave the guide"
