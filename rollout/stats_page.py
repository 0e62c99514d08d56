"""`ise stats --html`: the table and its plots as one page that needs nothing else.

Plots are SVG written here: a histogram and a heat map are a few rectangles each, and a page
without scripts can be opened anywhere. Names come from traces and are escaped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape

from ise_env.rollout.stats import Distribution, Statistics
from ise_env.rollout.stats_table import percent, sections, who

_TOOLS = 16
"""Tools in the heat map, the most used ones."""
_BARS = 40
"""Most bars of a histogram."""

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --line: light-dark(#dde0e6, #31353f);
  --faint: light-dark(#5f6775, #98a0ae); }}
body {{ max-width: 60rem; margin: 2rem auto; padding: 0 1rem; font: 15px/1.5 system-ui, sans-serif;
  background: light-dark(#fff, #16181d); color: light-dark(#1c1f26, #dfe2e8); }}
h1 {{ font-size: 1.3rem; }} h2 {{ font-size: 1rem; margin-top: 2rem; }}
table {{ border-collapse: collapse; width: 100%; font-size: .9rem; }}
td, th {{ text-align: right; padding: .15rem .5rem; border-top: 1px solid var(--line); }}
td:first-child, th:first-child {{ text-align: left; white-space: pre-wrap; }}
td:last-child, th:last-child, p {{ color: var(--faint); }}
.gap td {{ border: 0; padding: .5rem; }}
svg {{ width: 100%; height: auto; max-width: 46rem; }}
svg text {{ font: 11px system-ui, sans-serif; fill: currentColor; }}
rect {{ fill: light-dark(#0b62a8, #6cb6f5); }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{who}</p>
{body}
</body>
</html>
"""


def page(title: str, statistics: Statistics) -> str:
    """Render the page.

    Args:
        title: Name of the run.
        statistics: Of its episodes.
    """
    parts = [
        _table(sections(statistics)),
        "<h2>User turns of an episode</h2>",
        _histogram(statistics.user_turns, "user turns"),
        "<h2>Tool calls of an episode</h2>",
        _histogram(statistics.tool_calls, "tool calls"),
        "<h2>Tools used together</h2><p>Share of episodes that use both; on the diagonal, that "
        "use the tool at all.</p>",
        _together(statistics),
        "<h2>Which tool follows which</h2><p>Share of the steps from the tool on the left.</p>",
        _follows(statistics),
    ]
    return _PAGE.format(title=escape(title), who=escape(who(statistics)), body="\n".join(parts))


def _table(groups: Iterable[Sequence[tuple[str, str, str]]]) -> str:
    rows = ["<tr><th></th><th>this run</th><th>ISETrace, published</th></tr>"]
    for number, group in enumerate(groups):
        if number:
            rows.append('<tr class="gap"><td colspan="3"></td></tr>')
        for row in group:
            # A number and its unit stay on one line, however narrow the screen.
            cells = (escape(cell.replace(" %", "\u00a0%")) for cell in row)
            rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return "<table>" + "".join(rows) + "</table>"


def _histogram(distribution: Distribution, what: str) -> str:
    """Bars over the values; several values share one where there are too many."""
    top = distribution.maximum
    if top is None:
        return "<p>nothing to show</p>"
    width = top // _BARS + 1
    bars: Counter[int] = Counter()
    for value, count in distribution.counts.items():
        bars[value // width] += count
    places = top // width + 1
    step, height, highest = 700 / places, 160, max(bars.values())
    drawn = []
    for place in range(places):
        tall = height * bars[place] / highest
        span = f"{place * width}" if width == 1 else f"{place * width}-{(place + 1) * width - 1}"
        drawn.append(
            f'<rect x="{20 + place * step:.1f}" y="{10 + height - tall:.1f}" '
            f'width="{step * 0.85:.1f}" height="{tall:.1f}">'
            f"<title>{span} {what}: {bars[place]} episodes</title></rect>"
        )
        if place % max(1, places // 14) == 0:
            drawn.append(_label(20 + (place + 0.4) * step, height + 26, str(place * width)))
    return f'<svg viewBox="0 0 740 {height + 34}" role="img">{"".join(drawn)}</svg>'


def _together(s: Statistics) -> str:
    names = [name for name, _ in s.using.most_common(_TOOLS)]
    shares = {
        (a, b): (s.using[a] if a == b else s.together[min(a, b), max(a, b)]) / s.valid
        for a in names
        for b in names
    }
    return _heat_map(names, shares)


def _follows(s: Statistics) -> str:
    names = [name for name, _ in s.using.most_common(_TOOLS)]
    leaving = {a: sum(n for (x, _), n in s.topology.follows.items() if x == a) for a in names}
    shares = {
        (a, b): s.topology.follows[a, b] / leaving[a] if leaving[a] else 0.0
        for a in names
        for b in names
    }
    return _heat_map(names, shares)


def _heat_map(names: Sequence[str], shares: dict[tuple[str, str], float]) -> str:
    if not names:
        return "<p>nothing to show</p>"
    left, top, cell = 130, 96, 42
    drawn = []
    for row, a in enumerate(names):
        y = top + row * cell
        drawn.append(_label(left - 8, y + cell * 0.6, a, "end"))
        x = left + (row + 0.5) * cell
        turned = f"rotate(-45 {x:.0f} {top - 8})"
        drawn.append(
            f'<text x="{x:.0f}" y="{top - 8}" transform="{turned}">{escape(_short(a))}</text>'
        )
        for column, b in enumerate(names):
            share = shares[a, b]
            drawn.append(
                f'<rect x="{left + column * cell}" y="{y}" width="{cell - 2}" '
                f'height="{cell - 2}" opacity="{0.04 + 0.96 * share:.2f}">'
                f"<title>{escape(a)}, {escape(b)}: {percent(share)}</title></rect>"
            )
    width, height = left + len(names) * cell + 60, top + len(names) * cell + 10
    return f'<svg viewBox="0 0 {width} {height}" role="img">{"".join(drawn)}</svg>'


def _label(x: float, y: float, text: str, anchor: str = "middle") -> str:
    shown = escape(_short(text))
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{shown}</text>'


def _short(name: str) -> str:
    return name if len(name) <= 18 else name[:17] + "…"
