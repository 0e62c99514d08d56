"""`ise intents dedup | report | convert | reword`: what is done with a pool of intents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ise_env.errors import ConfigError

if TYPE_CHECKING:
    from ise_env.intents.embedders import Embedder, Vectors
    from ise_env.intents.reword import Reworded

Source = Annotated[Path, typer.Option("--intents", help="File of intents, in any known layout.")]
Force = Annotated[bool, typer.Option(help="Replace an existing file.")]
EmbedderName = Annotated[
    str,
    typer.Option(
        help="Model name or path for sentence-transformers, `openai:MODEL@URL`, or `hashing`."
    ),
]
Cache = Annotated[
    Path | None,
    typer.Option(
        help="Folder that keeps embeddings, so that a run goes on where it was cut off; or a .npy "
        "file with a row for each intent, written if absent. Default: OUT.embeddings."
    ),
]


def register(group: typer.Typer) -> None:
    """Add the commands to `ise intents`."""
    group.command("dedup")(dedup)
    group.command("report")(report)
    group.command("convert")(convert)
    group.command("reword")(reword)


def dedup(
    source: Source,
    out: Annotated[Path, typer.Option(help="Where the kept intents go.")],
    threshold: Annotated[
        float, typer.Option(help="Cosine from which on two intents are the same.")
    ] = 0.95,
    embedder: EmbedderName = "all-mpnet-base-v2",
    embeddings: Cache = None,
    force: Force = False,
) -> None:
    """Remove exact and near duplicates; the first of several copies is kept.

    `OUT.removed.jsonl` says of each removed intent which kept one it duplicates.
    """
    from ise_env.intents import dedup as deduplication
    from ise_env.intents.jsonl import replacing
    from ise_env.intents.load import load_intents

    _refuse_existing(out, force)
    deduplication.check_threshold(threshold)
    ids, texts = [], []
    for intent in load_intents(source):
        ids.append(intent.id)
        texts.append(intent.utterance)
    same = deduplication.exact(ids, texts)
    model = _embedder(embedder, embeddings)
    vectors = _vectors(model, texts, embeddings, out)[list(same.kept)]
    left = [ids[i] for i in same.kept]
    close = deduplication.near(left, vectors, threshold)
    kept = {left[i] for i in close.kept}
    removed_path = out.with_name(f"{out.name}.removed.jsonl")
    with replacing(removed_path) as file:
        file.writelines(r.model_dump_json() + "\n" for r in (*same.removed, *close.removed))
    with replacing(out) as file:
        file.writelines(i.model_dump_json() + "\n" for i in load_intents(source) if i.id in kept)
    typer.echo(
        f"{len(ids)} intents: {len(same.removed)} exact and {len(close.removed)} near duplicates "
        f"(cosine {threshold:g} and above, {model.name}) removed, {len(kept)} kept in {out}"
    )
    others = sorted({0.99, 0.95, 0.90, 0.85} - {threshold}, reverse=True)
    effects = (f"{t:g}: {len(deduplication.near(left, vectors, t).kept)}" for t in others)
    typer.echo(f"at other thresholds would stay: {', '.join(effects)}")


def report(
    source: Source,
    out: Annotated[Path, typer.Option(help="Directory for the page, the plots and the numbers.")],
    embedder: EmbedderName = "all-mpnet-base-v2",
    embeddings: Cache = None,
    q: Annotated[list[float] | None, typer.Option(help="Orders of the Vendi score.")] = None,
) -> None:
    """Measure how diverse a pool is: Vendi scores, Distinct-N, coverage, t-SNE."""
    from ise_env.intents.diversity import check_order
    from ise_env.intents.load import load_intents
    from ise_env.intents.measure import Sketch, measure
    from ise_env.intents.report import require_plotting, write_report

    orders = q or [0.5, 1.0, 2.0, float("inf")]
    for order in orders:
        check_order(order)
    require_plotting()
    sketch = Sketch.of(load_intents(source))
    model = _embedder(embedder, embeddings)
    vectors = _vectors(model, sketch.texts, embeddings, out)
    measures = measure(sketch, vectors, model, orders)
    page = write_report(out, sketch, vectors, measures)
    scores = ", ".join(f"q={order} {score:.2f}" for order, score in measures.vendi.items())
    typer.echo(f"{measures.intents} intents, {measures.embedder}: Vendi {scores}")
    typer.echo(f"the report is {page}")


def convert(
    source: Source,
    out: Annotated[Path, typer.Option(help="File to write.")],
    to: Annotated[
        Literal["published", "ours"], typer.Option(help="Layout of the file.")
    ] = "published",
    pools: Annotated[
        Path | None, typer.Option(help="Own pools, for the domains' descriptions.")
    ] = None,
    force: Force = False,
) -> None:
    """Write intents in the published ISETrace layout, or in ours."""
    from ise_env.intents.jsonl import replacing
    from ise_env.intents.load import load_intents
    from ise_env.intents.pools import load_pools
    from ise_env.intents.published import to_published

    _refuse_existing(out, force)
    descriptions = load_pools(pools).descriptions
    written = 0
    with replacing(out) as file:
        for intent in load_intents(source):
            if to == "ours":
                line = intent.model_dump_json()
            else:
                line = json.dumps(to_published(intent, descriptions), ensure_ascii=False)
            file.write(line + "\n")
            written += 1
    typer.echo(f"{written} intents in {out}")


def reword(
    source: Source,
    out: Annotated[Path, typer.Option(help="Where to append; run again to complete it.")],
    model: Annotated[str, typer.Option(help="`MODEL@URL`, with options after #.")],
    language: Annotated[
        str, typer.Option(help="In which to write, as English calls it.")
    ] = "English",
    reasks: Annotated[
        int, typer.Option(min=0, help="How often an unfaithful text is asked for again.")
    ] = 3,
    concurrency: Annotated[int, typer.Option("-j", min=1)] = 4,
    prices: Annotated[Path | None, typer.Option(help="Table of prices, for the cost.")] = None,
    pools: Annotated[Path | None, typer.Option(help="Own pools, for the styles.")] = None,
) -> None:
    """Let a model put sampled intents into its words; each text is checked by code."""
    from ise_env.intents.pools import load_pools
    from ise_env.intents.realisers.llm import LLMRealiser
    from ise_env.intents.reword import reword as run
    from ise_env.llm import Endpoint, ModelClient, Prices

    loaded = load_pools(pools)
    client = ModelClient(
        Endpoint.parse(model), prices=Prices.load(prices) if prices is not None else None
    )
    realiser = LLMRealiser(client, loaded.styles, language=language, reasks=reasks)
    counts = None
    try:
        for counts in run(source, out, realiser, loaded, concurrency=concurrency):
            _progress(counts)
    finally:
        for tally in client.meter.tallies().values():
            cost = "unknown" if tally.cost_usd is None else f"${tally.cost_usd:.4f}"
            typer.echo(
                f"{tally.calls} calls, {tally.prompt_tokens} prompt and "
                f"{tally.completion_tokens} completion tokens, cost {cost}"
            )
    if counts is None:
        typer.echo(f"nothing left to do in {out}")
        return
    typer.echo(f"{counts.written} written to {out}, {counts.already} were there before")
    if counts.failed:
        typer.echo(f"{counts.failed} without a faithful text: {out}.failed.jsonl", err=True)
        raise typer.Exit(1)


def _progress(counts: Reworded) -> None:
    if (counts.written + counts.failed) % 100 == 0:
        typer.echo(f"{counts.written} written, {counts.failed} failed", err=True)


def _refuse_existing(out: Path, force: bool) -> None:
    if out.exists() and not force:
        raise ConfigError(f"{out}: exists already; choose another --out, or give --force")


def _embedder(name: str, kept: Path | None) -> Embedder:
    from ise_env.intents.embedders import CachedEmbeddings, make_embedder

    if kept is not None and _is_table(kept) and kept.exists():
        return CachedEmbeddings(kept, name)
    return make_embedder(name)


def _is_table(kept: Path) -> bool:
    """Whether it names one file of rows, not a folder of pieces."""
    return kept.suffix == ".npy"


def _vectors(embedder: Embedder, texts: list[str], kept: Path | None, out: Path) -> Vectors:
    """Embed in pieces, showing how far it got, and keep what took time."""
    import numpy as np
    from rich.progress import Progress

    from ise_env.intents.embedding_cache import EmbeddingCache

    if kept is not None and _is_table(kept) and kept.exists():
        return embedder.embed(texts)
    with Progress(transient=True) as display:
        bar = display.add_task(f"embedding with {embedder.name}", total=len(texts))

        def show(done: int, total: int) -> None:
            display.update(bar, completed=done, total=total)

        folder = out.with_name(f"{out.name}.embeddings")
        if kept is not None and not _is_table(kept):
            folder = kept
        cached = EmbeddingCache(folder, embedder, show) if embedder.identity else embedder
        vectors = cached.embed(texts)
    if kept is not None and _is_table(kept):
        kept.parent.mkdir(parents=True, exist_ok=True)
        with kept.open("wb") as file:
            np.save(file, vectors)
    return vectors
