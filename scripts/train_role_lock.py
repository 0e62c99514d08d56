"""Train the classifier of the role lock from the committed collections.

Every collection has a writer. A first layer of classifiers looks at the wording; it is scored on
writers that it has not seen, and on these scores, with the uncertain rules, another is trained
that decides. What a rule is worth is learnt from writers on whom it was not tuned, and from bad
turns of our own, so that none is worth nothing.
The threshold is taken from left-out writers too: so many of their good turns are rejected.

    python scripts/train_role_lock.py [--check] [--rejected 0.03] [--out FILE]

Deterministic: the same collections and versions give the same weights. Needs the `report` extra.
"""

from __future__ import annotations

import argparse
import io
import re
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sparse
from sklearn.linear_model import LogisticRegression

from ise_env.users.lock import broken, corpus
from ise_env.users.lock import classifier as lock
from ise_env.users.lock.corpus.own_scenes import own_scene
from ise_env.users.lock.features import BINS, masked, setting, wording
from ise_env.users.lock.scene import Scene
from ise_env.users.phrasing import goal_slots
from ise_env.users.protocol import UserTurn

STRANGERS = (
    *("fourth", "fifth", "sixth", "seventh", "eighth", "ninth"),
    *("twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth"),
    *("eighteenth", "nineteenth", "twentieth", "twentyfirst", "twentysecond", "twentythird"),
)
"""Whom no rule was tuned on before the classifier was there. `tenth` and `eleventh` are left out on
purpose: they measure the lock."""
WRITERS = {
    "own": ("attacks", ("to_catch",)),
    "training": ("attacks_training", ()),
    "blind": ("attacks_blind", ("held_out",)),
    "second": ("attacks_second", ("second",)),
    "third": ("", ("third",)),
    **{writer: (f"attacks_{writer}", (writer,)) for writer in STRANGERS},
}
SPOKEN = {
    "open": "open", "ask": "next", "change_mind": "waived", "answer": "answer", "insist": "unsure",
    "confirm": "confirm", "challenge": "missing", "correct": "again", "error": "trouble",
    "declined": "trouble", "silent": "waiting", "promised": "waiting", "partial": "waiting",
    "vague": "waiting", "tell": "waiting", "again": "verify", "checkin": "lookedat",
    "verify": "verify", "close": "close", "give_up": "leave",
}  # fmt: skip
"""Tables of the rule user's phrases, and the situation of the corpus that they belong to."""
SIGN_OF = {"parrot": "perspective.copy"}
"""By which uncertain rule a kind shows whose wording is like anybody's."""
VOICE, LEAVE, MADE_UP = ("drift", "leak", "bad"), ("early",), ("invent",)
"""Kinds by what gives them away: who speaks, that they go, where it comes from."""
GROWN = ("drift", "leak", "early")
"""Kinds that the training grammar makes."""
_SMOOTH = 0.3
"""Examples of either side that every feature is taken to have been in."""
PLACES = 6
"""Scenes that each attack is tried in."""
TAILS = (
    "Is that all right?", "Anything else?", "What else would help?", "Does that work for you?",
    "Okay?", "Is it good now?", "Does that make sense?", "What do you think?", "Better?",
    "Would you like that?", "Is that what you meant?", "Shall we leave it like that?",
)  # fmt: skip
"""Questions, since a status asks one: it must not be by a question mark that a user is known."""


@dataclass(frozen=True)
class Example:
    """One message somewhere, and what came of it."""

    writer: str
    kind: str
    """`good`, `bad`, or a kind of misbehaviour."""
    weight: float
    scene: Scene
    message: str
    certain: bool
    rules: frozenset[str]
    """Uncertain rules that apply."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say what it is worth")
    parser.add_argument("--rejected", type=float, default=0.03)
    parser.add_argument("--show", action="store_true", help="print what is judged wrongly")
    parser.add_argument("--out", type=Path, help="instead of the file in the package")
    options = parser.parse_args()
    examples = [e for e in gather() if e.scene.english]
    writers = [w for w in WRITERS if any(e.writer == w for e in examples)]
    print({w: sum(e.writer == w for e in examples) for w in writers})
    words, marks = matrices(examples)
    left_out = np.full((len(examples), len(lock.HEADS)), np.nan)
    for writer in writers:
        seen = np.array([e.writer != writer for e in examples])
        left_out[~seen] = scored(words, marks, first(examples, words, marks, seen))[~seen]
    strangers = [w for w in STRANGERS if w in writers]
    names = names_of(examples, left_out)
    table = signs_of(examples, left_out, names)
    margins = np.full(len(examples), np.nan)
    for writer in strangers:
        seen = np.array([_teaches(e, strangers) and e.writer != writer for e in examples])
        weigh = second(examples, table, seen)
        mine = np.array([e.writer == writer for e in examples])
        margins[mine] = table[mine] @ weigh
    threshold = report(examples, margins, strangers, options.rejected, show=options.show)
    if options.check:
        return
    everybody = np.ones(len(examples), bool)
    heads = first(examples, words, marks, everybody)
    weigh = second(examples, table, np.array([_teaches(e, strangers) for e in examples]))
    own = Path(str(resources.files(lock.__package__).joinpath(lock.FILE)))
    write(options.out or own, heads, names, weigh, threshold)


def gather() -> list[Example]:
    """Every line of every collection."""
    rng = np.random.default_rng(0)
    found = []
    for writer, (attacks, collections) in WRITERS.items():
        if attacks and present(f"data/{attacks}.toml"):
            places = own_places(writer) or general_places()
            for kind, scene, message in attempts(attacks, places, rng):
                found.append(example(writer, kind, 1 / PLACES, scene, turn_of(scene, message)))
        for name in collections:
            if not present(f"lock/corpus/{name}.jsonl"):
                continue
            for case in corpus.collection(name):
                kind = "bad" if case.rules else "good"
                found.append(example(writer, kind, 1.0, case.scene, case.turn))
    for case in corpus.legitimate():
        found.append(example("own", "good", 2.0, case.scene, case.turn))
    for scene, message in (*composed(rng), *spoken(rng)):
        found.append(example("training", "good", 0.5, scene, turn_of(scene, message)))
    for kind, weight, scene, message in grown(rng):
        found.append(example("training", kind, weight, scene, turn_of(scene, message)))
    return [e for e in found if not (e.writer == "fourth" and _asks_nothing(e))]


def _asks_nothing(e: Example) -> bool:
    """Lines written before the page said that a status asks."""
    return e.kind == "good" and e.scene.act == "status" and "advancement.act" in e.rules


def example(writer: str, kind: str, weight: float, scene: Scene, turn: UserTurn) -> Example:
    rules = broken(turn, scene)
    certain = any(v.certain for v in rules)
    uncertain = frozenset(v.rule for v in rules if not v.certain)
    return Example(writer, kind, weight, scene, turn.message, certain, uncertain)


def turn_of(scene: Scene, message: str) -> UserTurn:
    return UserTurn(act=scene.act, subgoal=scene.goal.id, message=message)


def attempts(
    name: str, places: Sequence[Scene], rng: np.random.Generator
) -> Iterator[tuple[str, Scene, str]]:
    """Every text of a collection in a few places."""
    for kind, texts in toml(f"data/{name}.toml").items():
        if kind == "malformed":
            continue
        for text in texts:
            fit = [s for s in places if lends_itself_to(kind, s)]
            for place in rng.permutation(len(fit))[:PLACES]:
                said = filled(text, fit[place], int(rng.integers(2, 9)))
                yield kind, fit[place], said
                if kind in VOICE and fit[place].act == "status" and not said.endswith("?"):
                    yield kind, fit[place], f"{said} {rng.choice(TAILS)}"


def lends_itself_to(kind: str, scene: Scene) -> bool:
    if kind == "early":
        return scene.act not in ("close", "give_up")
    if kind == "parrot":
        return len(scene.digest.agent_text.split()) > 3
    return bool(scene.others) if kind == "dump" else True


def filled(text: str, scene: Scene, n: int) -> str:
    goal = scene.goal
    later = scene.others[0].request if scene.others else "send it to the office"
    return text.format(
        label=goal.label, path=goal.artifacts[0], request=goal.request, ask=goal.request, n=n,
        later=later, answer=scene.answer, utterance=scene.utterance, act=scene.act,
        heard=scene.digest.agent_text,
    ).strip()  # fmt: skip


def composed(rng: np.random.Generator) -> Iterator[tuple[Scene, str]]:
    """The patterns that are for training only, each in a few of the general scenes."""
    people = list(toml("lock/corpus/scenes.toml"))
    for situation, group in toml("lock/corpus/patterns_training.toml").items():
        for line in group["lines"]:
            for number in rng.permutation(len(people))[:3]:
                scene = corpus.scene_of(people[number], situation)
                yield scene, filled(line, scene, 2)


def grown(rng: np.random.Generator) -> Iterator[tuple[str, float, Scene, str]]:
    """Sentences of the training grammar: kind, weight, where, what."""
    grammar = toml("lock/corpus/grammar_training.toml")
    people, everywhere = list(toml("lock/corpus/scenes.toml")), general_places()
    groups = [(kind, "", grammar[kind]) for kind in GROWN]
    groups += [("good", situation, table) for situation, table in grammar["good"].items()]
    for kind, situation, table in groups:
        fit = [s for s in everywhere if lends_itself_to(kind, s)]
        for line in table["lines"]:
            for _ in range(table["times"]):
                scene = fit[int(rng.integers(len(fit)))]
                if situation:
                    scene = corpus.scene_of(people[int(rng.integers(len(people)))], situation)
                said = filled(sentence(line, grammar["parts"], rng), scene, int(rng.integers(2, 9)))
                if kind in VOICE and scene.act == "status" and not said.endswith("?"):
                    said = f"{said} {rng.choice(TAILS)}" if rng.random() < 0.5 else said
                yield kind, table["weight"], scene, carelessly(said, rng)


def sentence(line: str, parts: Mapping[str, Sequence[str]], rng: np.random.Generator) -> str:
    """One of the sentences that a line of the grammar stands for."""

    def either(match: re.Match[str]) -> str:
        return str(rng.choice(match[1].split("|")))

    def one_of(match: re.Match[str]) -> str:
        return str(rng.choice(parts[match[1]])) if match[1] in parts else match[0]

    said = re.sub(r"<([^<>]*\|[^<>]*)>", either, line)
    said = re.sub(r"<?\b([A-Z]{3,})\b>?", one_of, said)
    said = re.sub(r"\s+([.,?!])", r"\1", re.sub(r"\s+(?=\s|'ve)", "", said)).strip()
    return said[:1].upper() + said[1:]


def carelessly(text: str, rng: np.random.Generator) -> str:
    """As some people type: without apostrophes, without the last stop."""
    text = text.replace("'", "") if rng.random() < 0.15 else text
    return text.rstrip(".?!") if rng.random() < 0.25 else text


def spoken(rng: np.random.Generator) -> Iterator[tuple[Scene, str]]:
    """What the rule user says in English, phrase by phrase, each in a few of the scenes."""
    people = list(toml("lock/corpus/scenes.toml"))
    for voice in ("analytical", "casual", "common", "formal", "terse", "warm"):
        tables = toml(f"data/voices/{voice}.toml")
        for table, situation in SPOKEN.items():
            for phrase in (p for group in tables.get(table, {}).values() for p in group):
                for number in rng.permutation(len(people))[:3]:
                    scene = corpus.scene_of(people[number], situation)
                    slots = defaultdict(str, goal_slots(scene.goal))
                    slots["path"] = slots["what"] = scene.goal.artifacts[0]
                    slots["answer"], slots["label_last"] = scene.answer, scene.others[0].label
                    slots["own"], slots["role"] = scene.goal.request, "a clerk"
                    yield scene, phrase.format_map(slots)


def general_places() -> list[Scene]:
    situations = [s for s in toml("lock/corpus/patterns.toml") if s != "foreign"]
    return [corpus.scene_of(p, s) for p in toml("lock/corpus/scenes.toml") for s in situations]


def own_places(writer: str) -> list[Scene]:
    if not present(f"lock/corpus/scenes_{writer}.toml"):
        return []
    acts = {s: g["act"] for s, g in toml("lock/corpus/patterns.toml").items() if s != "foreign"}
    return [
        own_scene(person, situation, {"act": act}, act)
        for person in toml(f"lock/corpus/scenes_{writer}.toml").values()
        for situation, act in acts.items()
        if situation in person
    ]


def matrices(examples: Sequence[Example]) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """Features of the wording and of the setting, scaled, one row an example."""
    words, marks = [], []
    for e in examples:
        text = masked(e.message, e.scene)
        words.append(wording(text))
        marks.append(setting(text, e.scene))
    return (
        rows(words, [lock.scale_of(len(row)) for row in words]),
        rows(marks, [lock._MARKS] * len(marks)),
    )


def rows(found: Sequence[Any], scale: Sequence[float]) -> sparse.csr_matrix:
    ends = np.cumsum([0, *(len(row) for row in found)])
    values = np.concatenate([np.full(len(r), s) for r, s in zip(found, scale, strict=True)])
    return sparse.csr_matrix((values, np.concatenate(found), ends), shape=(len(found), BINS))


def first(examples: Sequence[Example], words: Any, marks: Any, seen: Any) -> dict[str, np.ndarray]:
    """Weights of each head, from the examples that may be seen."""
    both = (words + marks).tocsr()
    weight = np.array([e.weight for e in examples])
    kinds = np.array([e.kind for e in examples])
    bad = kinds != "good"
    heads = {}
    for name in lock.HEADS:
        if name == "leave":
            continue
        told = (*VOICE, *LEAVE) if name == "voice" else (name,)
        either = seen & np.isin(kinds, ["good", *told])
        emphasis = weight[either] * np.where(bad[either], 1.5, 1.0)
        heads[name] = fit_telling(both[either], bad[either], emphasis, 12.0)
    leaving = np.array([e.scene.act in ("close", "give_up") for e in examples])
    leaves = np.isin(kinds, LEAVE) | ((kinds == "good") & leaving)
    either = seen & (np.isin(kinds, LEAVE) | (kinds == "good"))
    heads["leave"] = fit_telling(words[either], leaves[either], weight[either], 12.0)
    return heads


def fit(table: Any, wanted: Any, weight: Any, strength: float) -> np.ndarray:
    model = LogisticRegression(
        C=strength, solver="liblinear", dual=True, tol=1e-3, max_iter=2_000,
        fit_intercept=False, random_state=0,
    )  # fmt: skip
    return np.asarray(model.fit(table, wanted, sample_weight=weight).coef_[0])


def fit_telling(table: Any, wanted: Any, weight: Any, strength: float) -> np.ndarray:
    """As `fit`, with more room for what is said on one side only (NB-SVM, Wang and Manning 2012).

    The scale goes into the weights, so that it costs nothing to apply.
    """
    there = table.copy()
    there.data = np.ones_like(there.data)
    often = [_SMOOTH + there[side].T @ weight[side] for side in (wanted, ~wanted)]
    scale = np.sqrt(np.abs(np.log(often[0] / often[0].sum()) - np.log(often[1] / often[1].sum())))
    scale /= np.sqrt(np.mean(scale**2))
    return fit(table @ sparse.diags(scale), wanted, weight, strength) * scale


def scored(words: Any, marks: Any, heads: Mapping[str, np.ndarray]) -> np.ndarray:
    """What each head makes of each example, a column a head."""
    columns = [words @ heads[n] + (marks @ heads[n] if n != "leave" else 0.0) for n in lock.HEADS]
    return np.stack(columns, axis=1)


def weighed(e: Example, scores: Sequence[float]) -> dict[str, float]:
    return lock.signs(dict(zip(lock.HEADS, scores, strict=True)), e.scene.act, e.rules)


def names_of(examples: Sequence[Example], scores: Any) -> tuple[str, ...]:
    found = {n for e, row in zip(examples, scores, strict=True) for n in weighed(e, row)}
    return tuple(sorted(found))


def signs_of(examples: Sequence[Example], scores: Any, names: Sequence[str]) -> np.ndarray:
    table = np.zeros((len(examples), len(names)))
    for into, e, row in zip(table, examples, scores, strict=True):
        values = weighed(e, row)
        into[:] = [values.get(name, 0.0) for name in names]
    return table


def second(examples: Sequence[Example], table: Any, seen: Any) -> np.ndarray:
    """Weights of what is weighed together, from what no certain rule has caught."""
    left = seen & np.array([not e.certain and _is_weighed(e) for e in examples])
    wanted = np.array([e.kind != "good" for e in examples])
    weight = np.array([e.weight for e in examples])
    return fit(table[left], wanted[left], weight[left], 1.0)


def _teaches(e: Example, strangers: Sequence[str]) -> bool:
    """Whether an example says what a rule is worth: decent turns of our own break none."""
    return e.writer in strangers or (e.writer == "own" and e.kind == "bad")


def _is_weighed(e: Example) -> bool:
    """Whether the wording or a sign can tell; what is copied shows in a sign only."""
    return e.kind in ("good", *VOICE, *LEAVE, *MADE_UP) or SIGN_OF.get(e.kind) in e.rules


def report(
    examples: Sequence[Example], margins: Any, writers: Sequence[str], share: float, *, show: bool
) -> float:
    """The threshold, and what it does to writers who were left out."""
    good = [m for e, m in zip(examples, margins, strict=True)
            if e.writer in writers and e.kind == "good" and not e.certain]  # fmt: skip
    for part in sorted({share, 0.005, 0.01, 0.02, 0.03, 0.05}):
        threshold = float(np.quantile(good, 1 - part))
        hits, counts = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
        for e, margin in zip(examples, margins, strict=True):
            if e.writer in writers:
                counts[e.writer, e.kind] += 1
                hits[e.writer, e.kind] += e.certain or margin > threshold
        print(f"uncertain good rejected {part:.1%}, threshold {threshold:.2f}")
        for writer in writers:
            kinds = {k: f"{hits[writer, k] / n:.3f}" for (w, k), n in counts.items() if w == writer}
            print(f"  {writer}: rejected of {kinds}")
        if part == share:
            kept = threshold
    if show:
        for e, margin in zip(examples, margins, strict=True):
            wrong = (e.certain or margin > kept) == (e.kind == "good")
            if e.writer in writers and wrong:
                print(f"{e.kind} {e.writer} {e.scene.act} {margin:.2f} {e.certain} {set(e.rules)}"
                      f" {e.message[:200]!r}", file=sys.stderr)  # fmt: skip
    return kept


def write(
    path: Path,
    heads: Mapping[str, np.ndarray],
    names: Sequence[str],
    weigh: np.ndarray,
    threshold: float,
) -> None:
    arrays: dict[str, Any] = {"signs": np.array(names), "weigh": weigh.round(4)}
    arrays["threshold"] = np.float64(round(threshold, 4))
    for name, weights in heads.items():
        step = float(np.abs(weights).max() / 127)
        arrays[name] = np.round(weights / step).astype(np.int8)
        arrays[f"{name}_step"] = np.float64(step)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    path.write_bytes(buffer.getvalue())
    print(f"{path.name}: {len(buffer.getvalue()):,} bytes")


def toml(path: str) -> dict[str, Any]:
    return tomllib.loads(resources.files("ise_env.users").joinpath(path).read_text("utf-8"))


def present(path: str) -> bool:
    return resources.files("ise_env.users").joinpath(path).is_file()


if __name__ == "__main__":
    main()
