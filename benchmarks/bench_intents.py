"""What a pool of intents costs to make and to measure, and how diverse it is.

    python benchmarks/bench_intents.py [--quick] [--embedder MODEL_OR_PATH] [--embed N]
                                       [--embeddings FOLDER] [--beside FILE]

Prints: time and peak memory of sampling 50,000 intents in two processes; faithfulness and the
six-word sequences that most utterances share; the Vendi score of 43,956 x 768 against numpy's
X^T X plus eigenvalues and against the `vendi-score` package; deduplication of 50,000 x 384;
how many intents stay at two thresholds, and the Vendi curve, with the given embedder (the
lexical hashing embedder when none is given); the same texts with only the folder left of each
path; somebody else's intents beside as many of ours. Alternatives run in the same process, in
turns; figures are medians.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import re
import resource
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from ise_env.intents.dedup import exact, near
from ise_env.intents.diversity import Covariance, NGrams, scaling_curve, vendi
from ise_env.intents.embedders import Embedder, Vectors, make_embedder
from ise_env.intents.embedding_cache import EmbeddingCache
from ise_env.intents.load import load_intents
from ise_env.intents.measure import PUBLISHED_CURVE
from ise_env.intents.model import Intent
from ise_env.intents.pools import load_pools
from ise_env.intents.realisers import missing_facts
from ise_env.intents.realisers.phrasing import masked, phrased
from ise_env.intents.sampler import sample
from ise_env.tasks.bind import bind
from ise_env.tasks.registry import all_kits

PUBLISHED_SIZE = (43_956, 768)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    parser.add_argument("--embedder", default="hashing")
    parser.add_argument("--embed", type=int, default=20_000, help="how many to embed")
    parser.add_argument("--embeddings", type=Path, help="folder that keeps embeddings")
    parser.add_argument("--beside", type=Path, help="intents to compare with, in any known layout")
    arguments = parser.parse_args()
    scale = 10 if arguments.quick else 1
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, numpy {np.__version__}"
    )
    embedder = make_embedder(arguments.embedder)
    if arguments.embeddings:
        embedder = EmbeddingCache(arguments.embeddings, embedder)
    for name, value in rows(scale, embedder, arguments.embed // scale, arguments.beside):
        print(f"{name:58} {value}", flush=True)


def rows(
    scale: int, embedder: Embedder, embed: int, beside: Path | None
) -> Iterator[tuple[str, str]]:
    """Every line of the table."""
    yield from sampling(50_000 // scale)
    yield from words(5_000 // scale)
    yield from kit_words()
    yield from scoring(PUBLISHED_SIZE[0] // scale, PUBLISHED_SIZE[1])
    yield from deduplication(50_000 // scale)
    yield from diversity(embedder, embed)
    yield from folders_only(embedder, min(embed, 5_000))
    if beside:
        yield from neighbourhood(embedder, [i.utterance for i in load_intents(beside)], embed)


def sampling(n: int) -> Iterator[tuple[str, str]]:
    start = time.perf_counter()
    context = get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        results = list(pool.map(_shard, [(n, 0), (n, 1)]))
    elapsed = time.perf_counter() - start
    yield f"sample and word {n:,}, two processes", f"{elapsed:.1f} s"
    cpu = sum(seconds for seconds, _, _ in results)
    yield "  CPU an intent", f"{1000 * cpu / n:.2f} ms"
    yield "  peak memory of a process", f"{max(peak for _, peak, _ in results):.0f} MiB"
    yield "  written", f"{sum(size for _, _, size in results) / 2**20:.0f} MiB"


def _shard(job: tuple[int, int]) -> tuple[float, float, int]:
    n, part = job
    size = sum(len(i.model_dump_json()) + 1 for i in sample(n, 0, shard=(part, 2)))
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, size


def words(n: int) -> Iterator[tuple[str, str]]:
    texts, faithful, kits = [], 0, set()
    for intent in sample(n, 0):
        goals = [goal for task in bind(intent) for goal in task.subgoals()]
        faithful += not missing_facts(intent.utterance, goals)
        facts = {f"f{i}": f.value for i, f in enumerate(f for goal in goals for f in goal.facts)}
        texts.append(re.sub(r"\{f\d+\}", " fact ", masked(intent.utterance, facts)))
        kits.update(task.kit for task in intent.tasks)
    yield f"faithful of {n:,}", f"{faithful / n:.2%}"
    grams = NGrams(texts)
    yield f"words an utterance ({len(kits)} kits)", f"{grams.tokens / n:.0f}"
    for order in (1, 2, 3, 4):
        yield f"  Distinct-{order}, facts masked", f"{grams.distinct(order):.4f}"
    for gram, share in grams.most_shared(6, 3):
        yield f"  shared: {gram[:46]}", f"{share:.2%}"


def kit_words() -> Iterator[tuple[str, str]]:
    """How worn a kit's own words are: the six that most of its requests share.

    With 131 kits and 4.4 tasks an intent a kit is in 3.4 % of the utterances, so below 30 %
    here keeps a sequence below 1 % of them.
    """
    person = load_pools().personas[0].persona()
    shares = []
    for kit in all_kits():
        texts = []
        for seed in range(60):
            goals = kit.subgoals(kit.draw(np.random.default_rng(seed), person, "medium"))
            words = (
                masked(
                    phrased(kit.name, goal, random.Random(seed)),
                    {fact.id: fact.value for fact in goal.facts},
                )
                for goal in goals
            )
            texts.append(re.sub(r"\{\w+\}", " fact ", " . ".join(words)))
        shares.append((*reversed(NGrams(texts).most_shared(6, 1)[0]), kit.name))
    shares.sort(reverse=True)
    enough = sum(share < 0.3 for share, _, _ in shares)
    yield "kits whose words vary enough for 1 % at 131 kits", f"{enough} of {len(shares)}"
    for share, gram, name in shares[:5]:
        yield f"  {name}: {gram}"[:58], f"{share:.0%}"


def scoring(n: int, dimensions: int) -> Iterator[tuple[str, str]]:
    vectors = _clustered(n, dimensions, 400)
    ways: dict[str, Callable[[], float]] = {
        "ours": lambda: vendi(vectors),
        "numpy X^T X + eigvalsh": lambda: _plain(vectors),
    }
    try:
        from vendi_score import vendi as package
    except ImportError:
        yield "vendi-score", "not installed"
    else:
        ways["vendi-score, dual form"] = lambda: package.score_dual(vectors, normalize=False)
    times: dict[str, list[float]] = {name: [] for name in ways}
    scores = {}
    for _ in range(3):
        for name, way in ways.items():
            start = time.perf_counter()
            scores[name] = way()
            times[name].append(time.perf_counter() - start)
    ours = statistics.median(times["ours"])
    for name in ways:
        median = statistics.median(times[name])
        yield (
            f"Vendi of {n:,} x {dimensions}, {name}",
            f"{median:.2f} s ({ours / median:.2f} of it), score {scores[name]:.4f}",
        )
    tracemalloc.start()
    vendi(vectors)
    yield "  extra memory of ours", f"{tracemalloc.get_traced_memory()[1] / 2**20:.0f} MiB"
    tracemalloc.stop()


def _plain(vectors: Vectors) -> float:
    values = np.linalg.eigvalsh(vectors.T @ vectors / len(vectors))
    values = values[values > 1e-9]
    return float(np.exp(-(values * np.log(values)).sum()))


def deduplication(n: int) -> Iterator[tuple[str, str]]:
    vectors = _clustered(n, 384, n)
    ids = [str(i) for i in range(n)]
    tracemalloc.start()
    start = time.perf_counter()
    kept = near(ids, vectors, 0.9).kept
    elapsed = time.perf_counter() - start
    extra = (tracemalloc.get_traced_memory()[1] - vectors.nbytes) / 2**20
    tracemalloc.stop()
    yield f"near duplicates of {n:,} x 384", f"{elapsed:.1f} s, {len(kept):,} kept"
    yield "  extra memory beside a copy of the vectors", f"{extra:.0f} MiB"


def diversity(embedder: Embedder, n: int) -> Iterator[tuple[str, str]]:
    intents: list[Intent] = list(sample(n, 0))
    texts = [intent.utterance for intent in intents]
    ids = [intent.id for intent in intents]
    start = time.perf_counter()
    vectors = np.concatenate([embedder.embed(texts[i : i + 512]) for i in range(0, n, 512)])
    yield f"embedding {n:,} with {embedder.name}", f"{time.perf_counter() - start:.0f} s"
    yield "  exact duplicates", f"{len(exact(ids, texts).removed)}"
    for threshold in (0.95, 0.90):
        kept = list(near(ids, vectors, threshold).kept)
        yield f"  stay at {threshold}", f"{len(kept):,}"
        part = vectors[kept[:5000]]
        cosines = part @ part.T
        np.fill_diagonal(cosines, -1)
        yield "    highest cosine left, brute force on 5,000", f"{cosines.max():.4f}"
    sizes = (200, 500, 1000, 2000, 5000, 10_000, 20_000)
    for size, score in scaling_curve(vectors, sizes).items():
        published = PUBLISHED_CURVE[size]
        yield f"  Vendi of {size:,}", f"{score:.2f} (published, mpnet: {published})"
    covariance = Covariance(vectors.shape[1])
    covariance.add(vectors)
    for q in (0.5, 2, float("inf")):
        yield f"  Vendi of {n:,}, q = {q}", f"{covariance.vendi(q):.2f}"


def folders_only(embedder: Embedder, n: int) -> Iterator[tuple[str, str]]:
    """How much of the likeness is that requests name their files: `shop/data.csv` -> `shop`."""
    texts = [_PATH.sub(r"\1", intent.utterance) for intent in sample(n, 0)]
    vectors = embedder.embed(texts)
    for size, score in scaling_curve(vectors, (200, 500, 1000, 2000, 5000)).items():
        yield f"  Vendi of {size:,}, folders for paths", f"{score:.2f}"


def neighbourhood(embedder: Embedder, others: list[str], n: int) -> Iterator[tuple[str, str]]:
    """Somebody else's intents beside as many of ours, drawn again and again."""
    others = others[:_COMPARED]
    theirs, count = embedder.embed(others), len(others)
    ours = embedder.embed([intent.utterance for intent in sample(n, 0)])
    rng = np.random.default_rng(0)
    draws = [ours[rng.choice(n, count, replace=False)] for _ in range(1_000)]
    for name, measure in (("Vendi", vendi), ("mean cosine", _mean_cosine)):
        low, middle, high = np.percentile([measure(draw) for draw in draws], (5, 50, 95))
        yield f"{name} of {count} of theirs", f"{measure(theirs):.2f}"
        yield f"{name} of {count} of ours", f"{middle:.2f} ({low:.2f} to {high:.2f} of 90 % draws)"
    nearest = (theirs @ ours.T).max(axis=1)
    yield "nearest of ours to each of theirs", " ".join(f"{cosine:.2f}" for cosine in nearest)


_COMPARED = 64
"""Of somebody else's intents, at most."""


def _mean_cosine(vectors: Vectors) -> float:
    pairs = np.triu_indices(len(vectors), 1)
    return float((vectors @ vectors.T)[pairs].mean())


_PATH = re.compile(r"(?<![\w/.])([a-z0-9-]+)/[\w./-]*\w")


def _clustered(n: int, dimensions: int, centres: int) -> Any:
    """Unit rows with the structure of a pool: more or less near to one of some centres."""
    rng = np.random.default_rng(0)
    middle = rng.standard_normal((centres, dimensions), dtype=np.float32)
    vectors = middle[rng.integers(centres, size=n)]
    vectors += 0.5 * rng.standard_normal((n, dimensions), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


if __name__ == "__main__":
    sys.exit(main())
