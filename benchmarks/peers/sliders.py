"""Three pages with a front on them: the act that moves a minimum, and what each shows when it has answered."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Page

TASK = 1  # the task whose minimum moves
LEFT = "Number(document.querySelector('.MuiTablePagination-displayedRows').textContent.split(' of ')[1])"
FOUND = "Array.from(document.querySelectorAll('*')).map(e => e.shadowRoot?.querySelector('.mx')).find(Boolean)"


@dataclass(frozen=True)
class Way:
    """A page and the act on it. number, root: JavaScript for the number of mixes left, and for the element around it;
    signal: JavaScript that calls told(count) whenever the plot is drawn; fits: is the number what the data say?"""

    title: str
    event: str
    root: str
    number: str
    signal: str
    step: Callable[[Page, int], None]
    fits: Callable[[Page, NDArray[np.float64], int], bool]


def _key(name: str) -> Callable[[Page, int], None]:
    def step(page: Page, number: int) -> None:
        slider = page.get_by_role("slider", name=name)
        slider.press("ArrowRight" if number % 20 < 10 else "ArrowLeft")

    return step


def _brush(page: Page, number: int) -> None:
    """The lower end of the range, three pixels up or down: one point of accuracy."""
    x, y = page.evaluate("window.brush")
    page.mouse.move(x, y + 1)
    page.mouse.move(x, y)
    page.mouse.down()
    y += -3 if number % 20 < 10 else 3
    page.mouse.move(x, y)
    page.mouse.up()
    page.evaluate("(place) => { window.brush = place; }", [x, y])


def _ours_fits(page: Page, Y: NDArray[np.float64], shown: int) -> bool:
    """The page writes the minimum with one digit of a percent."""
    told = page.get_by_role("slider", name="Minimum for Task 2").get_attribute("aria-valuetext") or ""
    least = float(told.split("at least ")[1].split()[0]) / 100
    return int((Y[:, TASK] > least + 0.0006).sum()) <= shown <= int((Y[:, TASK] > least - 0.0006).sum())


def _plain_fits(page: Page, Y: NDArray[np.float64], shown: int) -> bool:
    least = float(page.get_by_role("slider", name="Minimum for Task 2").get_attribute("aria-valuetext") or "nan")
    return shown == int((Y[:, TASK] >= round(least, 2)).sum())


def _dashboard_fits(page: Page, Y: NDArray[np.float64], shown: int) -> bool:
    low, high = page.evaluate(
        "Array.from(document.getElementById('plot-parallel-coordinate').data[0].dimensions)"
        f".map(d => d.constraintrange)[{TASK}]"
    )
    return shown == int(((Y[:, TASK] >= low) & (Y[:, TASK] <= high)).sum())


def _listened(plot: str, count: str) -> str:
    """Told by Plotly whenever it has drawn; Streamlit puts a new plot into the page for every step."""
    return f"""const seen = new WeakSet(), look = () => {{
      const plot = {plot};
      if (!plot?.on || seen.has(plot)) return;
      seen.add(plot);
      plot.on('plotly_afterplot', () => told({count}));
      if (plot.calcdata) told({count});
    }};
    look();
    new MutationObserver(look).observe(document.body, {{subtree: true, childList: true}});"""


WAYS = {
    "ours": Way(
        "Mergescape: a key on the slider of a minimum",
        "keydown",
        f"{FOUND}.querySelector('.limits')",
        f"Number({FOUND}.querySelector('.limits').textContent.match(/([0-9]+) of [0-9]+ are left/)?.[1])",
        f"const home = {FOUND}; new MutationObserver(() => told(window.times.seen ?? window.times.before))"
        ".observe(home, {attributes: true, attributeFilter: ['data-drawn']});",
        _key("Minimum for Task 2"),
        _ours_fits,
    ),
    "streamlit": Way(
        "a plain Streamlit page: a key on the same slider, and the script runs again",
        "keydown",
        "document.querySelector('[data-testid=stMetric]').parentElement",
        "Number(document.querySelector('[data-testid=stMetricValue]').textContent)",
        _listened("document.querySelector('.js-plotly-plot')", "plot.data[0].x._inputArray.length"),
        _key("Minimum for Task 2"),
        _plain_fits,
    ),
    "optuna-dashboard": Way(
        "Optuna's dashboard, two tasks: the lower end of a range on an axis, released",
        "mouseup",
        "document.querySelector('.MuiTablePagination-root').parentElement",
        LEFT,
        _listened("document.getElementById('graph-pareto-front')", "plot.data[2].x.length + plot.data[3].x.length"),
        _brush,
        _dashboard_fits,
    ),
}
