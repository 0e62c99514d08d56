"""The report of a pool: PNG plots, a JSON of the numbers, and one HTML page with both.

Needs matplotlib and scikit-learn (extra `report`).
"""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from ise_env.errors import ConfigError
from ise_env.intents.diversity import Coverage
from ise_env.intents.embedders import Vectors
from ise_env.intents.measure import PUBLISHED_CURVE, Measures, Sketch, projection

_INK = "#1f2933"
_MUTED = "#9aa5b1"
_TSNE_LEAST = 10


def require_plotting() -> None:
    """Refuse to begin where the end could not be drawn.

    Raises:
        ConfigError: The plotting libraries are not installed.
    """
    try:
        import matplotlib as mpl  # type: ignore[import-not-found,unused-ignore]
        import sklearn  # type: ignore[import-untyped,import-not-found,unused-ignore] # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"report: {error.name} is not installed; pip install 'ise-env[report]'"
        ) from error
    mpl.use("Agg")


def write_report(directory: Path, sketch: Sketch, vectors: Vectors, measures: Measures) -> Path:
    """Write `measures.json`, the plots and `index.html` into a directory.

    Returns:
        The page.

    Raises:
        ConfigError: The plotting libraries are not installed.
    """
    require_plotting()
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "measures.json").write_text(measures.model_dump_json(indent=1) + "\n")
    plots = {"curve.png": _curve(measures), "coverage.png": _coverage(sketch.coverage())}
    if len(vectors) >= _TSNE_LEAST:
        plots["tsne.png"] = _tsne(sketch, vectors)
    for name, figure in plots.items():
        figure.savefig(directory / name, dpi=130, facecolor="white")
    page = directory / "index.html"
    page.write_text(_page(directory, list(plots), sketch, measures), encoding="utf-8")
    return page


def _figure(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Any, Any]:
    from matplotlib.figure import Figure  # type: ignore[import-not-found,unused-ignore]

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns)
    for axis in np.atleast_1d(axes).ravel():
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(colors=_INK, labelsize=8)
    return figure, axes


def _curve(measures: Measures) -> Any:
    figure, axis = _figure(7, 4)
    axis.plot(
        list(measures.curve),
        list(measures.curve.values()),
        "o-",
        color="#0b6e99",
        label=f"this pool, {measures.embedder}",
    )
    axis.plot(
        list(PUBLISHED_CURVE),
        list(PUBLISHED_CURVE.values()),
        "s--",
        color=_MUTED,
        label="ISETrace as published, all-mpnet-base-v2",
    )
    axis.set_xscale("log")
    axis.set_ylim(bottom=0)
    axis.set_xlabel("intents")
    axis.set_ylabel("Vendi score, q = 1")
    axis.legend(frameon=False, fontsize=8, loc="lower right")
    return figure


def _coverage(coverage: Sequence[Coverage]) -> Any:
    shown = [item for item in coverage if item.dimension in {"domain", "task", "industry", "tier"}]
    figure, axes = _figure(9, 9, 2, 2)
    for axis, item in zip(axes.ravel(), shown, strict=False):
        names = list(item.counts)[:30]
        axis.barh(names[::-1], [item.counts[name] for name in names[::-1]], color="#0b6e99")
        axis.tick_params(axis="y", labelsize=6 if len(names) > 14 else 7)
        more = f", first 30 of {len(item.counts)}" if len(item.counts) > 30 else ""
        axis.set_title(f"{item.dimension}{more}", fontsize=9, loc="left")
    for axis in axes.ravel()[len(shown) :]:
        axis.remove()
    return figure


def _tsne(sketch: Sketch, vectors: Vectors) -> Any:
    from matplotlib import colormaps  # type: ignore[import-not-found,unused-ignore]

    points = projection(vectors)
    first = [sketch.domains[int(i)][0] if sketch.domains[int(i)] else "none" for i in points[:, 0]]
    figure, axis = _figure(7, 6)
    for number, domain in enumerate(sorted(set(first))):
        mask = np.array([value == domain for value in first])
        colour = colormaps["tab10"](number % 10)
        axis.scatter(points[mask, 1], points[mask, 2], s=5, color=colour, label=domain, alpha=0.7)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.legend(
        frameon=False,
        fontsize=7,
        markerscale=3,
        ncols=2,
        loc="upper left",
        bbox_to_anchor=(0, -0.02),
    )
    axis.set_title(f"t-SNE of {len(points)} intents by first domain", fontsize=9, loc="left")
    return figure


def _page(directory: Path, plots: Sequence[str], sketch: Sketch, m: Measures) -> str:
    scale = (
        "Scores of different embedders are on different scales: the published curve was made "
        "with all-mpnet-base-v2 and is shown for its shape."
        if m.embedder != "all-mpnet-base-v2"
        else "Same embedder as the published curve."
    )
    if not m.comparable:
        scale += f" {m.embedder} is lexical; its scores compare with nothing but itself."
    template = resources.files("ise_env.intents").joinpath("report.html").read_text("utf-8")
    images = {name: base64.b64encode((directory / name).read_bytes()).decode() for name in plots}
    return Template(template).substitute(
        intents=f"{m.intents:,}",
        embedder=html.escape(m.embedder),
        scale=html.escape(scale),
        numbers=_rows(
            [
                *((f"Vendi, q = {q}", f"{score:.2f}") for q, score in m.vendi.items()),
                *((f"Distinct-{n}", f"{share:.4f}") for n, share in m.distinct.items()),
                ("Type-token ratio, mean of utterances", f"{m.type_token_ratio:.3f}"),
                ("Words an utterance", f"{m.mean_words:.1f}"),
                ("Different words", f"{m.words:,}"),
                ("Domains an intent", f"{m.mean_domains:.2f}"),
                ("Tasks an intent", f"{m.mean_tasks:.2f}"),
            ]
        ),
        curve=_rows(
            [
                (f"{n:,}", f"{score:.2f}", f"{PUBLISHED_CURVE.get(n, '')}")
                for n, score in m.curve.items()
            ]
        ),
        coverage=_rows(
            [(d, f"{m.values[d]:,}", f"{evenness:.3f}") for d, evenness in m.evenness.items()]
        ),
        shared=_rows([(text, f"{share:.2%}") for text, share in m.shared_six]),
        samples="".join(f"<li>{html.escape(text)}</li>" for text in sketch.texts[:8]),
        plots="".join(
            f'<img alt="{name.removesuffix(".png")}" src="data:image/png;base64,{data}">'
            for name, data in images.items()
        ),
    )


def _rows(rows: Sequence[Sequence[str]]) -> str:
    cells = ("".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows)
    return "".join(f"<tr>{row}</tr>" for row in cells)
