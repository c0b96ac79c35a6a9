"""report.html: what an export is, on one page that needs nothing else. Pure; no streamlit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from ui import copy_export as told
from ui import figures

Json = Mapping[str, Any]
STYLE = (
    "body{font:16px/1.55 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1d2a33;"
    "background:#fff}table{border-collapse:collapse}th,td{text-align:left;padding:.3rem 1rem .3rem 0;"
    "border-bottom:1px solid #d3dde3}pre{background:#f3f7f9;padding:1rem;overflow-x:auto}h1{font-size:1.9rem}"
)


def report(title: str, method: str, scores: Sequence[Json], export: Json, recipe: str, front: Json) -> str:
    """The page. ``scores``: rows of the score table; ``export``: coefficients, sha256, licences of the parts."""
    mix = [{"": name, "strength": f"{value:g}"} for name, value in export["coefficients"].items()]
    files = "\n".join(f"{value}  {name}" for name, value in export["sha256"].items())
    lead = told.REPORT_LEAD.format(n=len(export["coefficients"]), method=method)
    parts = [
        f"<h1>{escape(title)}</h1><p>{escape(lead)}</p>",
        f"<h2>{told.REPORT_SCORES}</h2>{_table(scores)}<p>{told.REPORT_NOTE}</p>",
        f"<h2>{told.REPORT_MIX}</h2>{_table(mix)}",
        *_maps(front),
        f"<h2>{told.REPORT_LICENCES}</h2><ul>{''.join(f'<li>{escape(line)}</li>' for line in export['licences'])}</ul>",
        f"<h2>{told.REPORT_RECIPE}</h2><pre>{escape(recipe)}</pre>",
        f"<h2>{told.REPORT_FILES}</h2><pre>{escape(files)}</pre>",
    ]
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    return (
        f'<!doctype html><html lang="en"><head>{head}<style>{STYLE}</style></head><body>{"".join(parts)}</body></html>'
    )


def _table(rows: Sequence[Json]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{escape(str(name))}</th>" for name in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row.values()) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _maps(front: Json) -> list[str]:
    """One map per neighbouring pair of tasks; the drawing library is inside the page, once."""
    tasks = list(front["tasks"])
    pairs = list(zip(tasks, tasks[1:], strict=False))
    drawn = []
    for number, (x, y) in enumerate(pairs):
        figure = figures.basic_map(front["predicted"], front["measured"], front.get("baselines", {}), x, y, None)
        drawn.append(figure.to_html(full_html=False, include_plotlyjs=number == 0, config={"displaylogo": False}))
    return [f"<h2>{told.REPORT_MAP}</h2>", *drawn] if drawn else []
