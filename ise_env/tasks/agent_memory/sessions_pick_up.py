"""Terms that were agreed on in earlier conversations with the agent itself."""

from __future__ import annotations

import json
import re
from collections.abc import Generator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from pydantic import Field

from ise_env.intents.model import Complexity, Persona
from ise_env.rewards.checks import JsonEquals, Said, Text, TextMatch
from ise_env.rewards.spec import Check
from ise_env.tasks.draw import Draw, content_seed, money, one
from ise_env.tasks.kit import (
    Fact,
    Kit,
    KitParams,
    Seed,
    Solution,
    SubGoal,
    ToolCall,
    ToolReply,
    WrongSolution,
)
from ise_env.tasks.seeding import files
from ise_env.tasks.steps import plural, read, write
from ise_env.tasks.surroundings import surroundings
from ise_env.tools.session_seed import SessionSeed

SESSIONS = {"simple": 6, "medium": 9, "complex": 13}
_AT_ONCE = 4
"""Histories asked for in one message."""

SMALL_TALK = (
    ("Can you make this sentence shorter?", "Here it is, in nine words."),
    ("What day is the 14th?", "It falls on a working day, I have noted it."),
    ("Read the notes of the meeting once more, please.", "I have; the list of tasks is complete."),
    ("Is there anything left to do today?", "Two answers are still open, nothing else."),
    ("Please sort my notes by date.", "They are sorted, the oldest first."),
    ("Thanks, that helps.", "Glad to hear it."),
    ("Draft a short thank-you note.", "Done, three lines and a friendly close."),
    ("Which of the two titles is better?", "The second, because it says what it is about."),
)


class Params(KitParams):
    """Whom it is about, and among how many sessions."""

    supplier: str
    sessions: int = Field(ge=6, le=13)


@dataclass(frozen=True)
class Terms:
    """What holds in the end."""

    product: str
    quantity: int
    price: int
    """Cents for one."""
    delivery: str


@dataclass(frozen=True)
class World:
    """Earlier sessions and what they come to."""

    sessions: tuple[SessionSeed, ...]
    first: Terms
    """As first agreed."""
    terms: Terms
    """As changed later."""
    keys: tuple[str, ...]
    """Of the sessions about the supplier, oldest first."""


@lru_cache(maxsize=64)
def world(p: Params) -> World:
    """Derive the sessions from the parameters."""
    d = Draw(p.content)
    month = d.integer(2, 5)
    first = Terms(
        d.word("products"), d.integer(4, 30) * 5, d.cents(3, 60), d.day(2026, month).isoformat()
    )
    terms = Terms(
        first.product,
        first.quantity + d.integer(2, 9) * 5,
        first.price,
        d.day(2026, month + 1).isoformat(),
    )
    lower = first.price - d.integer(10, 99)
    about = [
        (
            f"{p.supplier} offers the {first.product} for {money(first.price)} each. Let us order "
            f"{first.quantity}, delivery on {first.delivery}.",
            f"Noted: {p.supplier}, {first.quantity} x {first.product} at {money(first.price)} "
            f"each, delivery on {first.delivery}.",
        ),
        (
            f"About {p.supplier}: make it {terms.quantity} instead, and delivery on "
            f"{terms.delivery}. The price stays.",
            f"Noted: {p.supplier}, {terms.quantity} pieces now, delivery on {terms.delivery}.",
        ),
        (
            f"I would like to ask {p.supplier} for {money(lower)} each. What do you think?",
            "You could ask; nothing is agreed until they answer.",
        ),
        (
            f"{p.supplier} said no to {money(lower)}. Leave everything as it was.",
            "Then what we agreed before stands.",
        ),
    ]
    others = [name for name in d.different("companies", p.sessions + 1) if name != p.supplier]
    places = sorted(d.some(range(p.sessions), 3))
    talks = [about[:1], about[1:2], about[2:]]
    sessions, keys, age = [], [], 60 * 24 * (p.sessions * 3 + 2)
    for number in range(p.sessions):
        pairs = d.some(SMALL_TALK, d.integer(2, 4))
        other = others[number]
        subject = f"order of {d.word('topics')}"
        if number in places:
            at = d.integer(0, len(pairs))
            pairs[at:at] = talks[places.index(number)]
        elif d.chance(0.7):
            price, count = money(d.cents(3, 60)), d.integer(4, 30) * 5
            pairs.append(
                (
                    f"{other} wants {price} each for {count} pieces of the {d.word('products')}.",
                    f"Noted for {other}: {count} pieces at {price} each.",
                )
            )
        age -= d.integer(60 * 20, 60 * 70)
        seed = SessionSeed(
            name=f"{p.folder}-{d.integer(0x1000, 0xFFFF):x}-{number}",
            messages=tuple(
                {"role": role, "content": text}
                for pair in pairs
                for role, text in zip(("user", "assistant"), pair, strict=True)
            ),
            label=subject if d.chance(0.5) and number not in places else "",
            age_minutes=age,
        )
        sessions.append(seed)
        if number in places:
            keys.append(seed.key)
    return World(tuple(d.shuffled(sessions)), first, terms, tuple(keys))


class SessionsPickUp(Kit[Params]):
    """What was said before, and said again otherwise."""

    name = "agent-memory/sessions-pick-up"
    title = "Pick up what was agreed in earlier sessions"
    description = "Find the terms agreed with a supplier in earlier sessions with the agent."
    tools = ("exec", "read", "write", "sessions_list", "sessions_history")
    obstacle = "terms were changed in a later session, and an idea in another came to nothing"
    folders = ("supplier-terms", "order-memos", "purchase-desk")
    params = Params

    def draw(self, rng: np.random.Generator, persona: Persona, complexity: Complexity) -> Params:
        """Harder: more sessions."""
        content = content_seed(rng)
        return Params(
            folder=one(rng, self.folders),
            content=content,
            supplier=Draw(content + 1).word("companies"),
            sessions=SESSIONS[complexity],
        )

    def seed(self, p: Params) -> Seed:
        """Sessions, and files that say nothing of it."""
        return Seed(
            files(surroundings(p.content, f"{p.folder}/office")), sessions=world(p).sessions
        )

    def subgoals(self, p: Params) -> tuple[SubGoal, ...]:
        """The terms, then where they are from."""
        order, sources = f"{p.folder}/order.json", f"{p.folder}/sources.txt"
        supplier = Fact("supplier", p.supplier)
        return (
            SubGoal(
                id="order",
                request=f"look up in our earlier sessions what we agreed on with {p.supplier}, "
                f"write it to {order} as one object with product, quantity, unit_price and "
                "delivery (YYYY-MM-DD), and tell me what the order comes to in all",
                label=f"the order at {p.supplier}",
                facts=(supplier, Fact("order", order)),
                artifacts=(order,),
                question="Do the terms of the first session or those of a later one count?",
                answer="What was agreed last counts",
            ),
            SubGoal(
                id="sources",
                request=f"list the keys of the earlier sessions in which we talked about "
                f"{p.supplier} in {sources}, one a line, the oldest session first",
                label=f"the list of the sessions about {p.supplier}",
                facts=(supplier, Fact("sources", sources)),
                artifacts=(sources,),
            ),
        )

    def checks(self, p: Params) -> tuple[Check, ...]:
        """The terms of the end, their sum, the keys."""
        w = world(p)
        return (
            JsonEquals(
                id="terms",
                subgoal="order",
                weight=2,
                path=f"{p.folder}/order.json",
                equals={
                    "product": w.terms.product,
                    "quantity": w.terms.quantity,
                    "unit_price": w.terms.price / 100,
                    "delivery": w.terms.delivery,
                },
                failure="the order does not hold what was agreed last",
            ),
            Said(id="sum", subgoal="order", number=w.terms.quantity * w.terms.price / 100),
            Text(
                id="keys",
                subgoal="sources",
                path=f"{p.folder}/sources.txt",
                text=TextMatch(equals="".join(f"{key}\n" for key in w.keys)),
            ),
        )

    def solve(self, p: Params, subgoal: str) -> Solution:
        """List, read, pick; then note where it was."""
        return self._order(p) if subgoal == "order" else self._sources(p)

    def review(self, p: Params, subgoal: str) -> Solution:
        """Look at the file."""
        name = "order.json" if subgoal == "order" else "sources.txt"
        (shown,) = yield read(f"{p.folder}/{name}")
        return f"I looked again: {p.folder}/{name} holds\n{shown.text.strip()}"

    def wrong(self, p: Params) -> tuple[WrongSolution, ...]:
        """The first terms; the price that was only an idea."""
        return (
            WrongSolution("first terms", self._order(p, changed=False)),
            WrongSolution("an idea for a price", self._order(p, idea=True)),
        )

    def _order(self, p: Params, changed: bool = True, idea: bool = False) -> Solution:
        talks = yield from self._talks(p)
        text = "\n".join(text for _, text in talks)
        noted = re.search(
            rf"Noted: {re.escape(p.supplier)}, (\d+) x (.+) at ([\d.]+) each, delivery on (\S+)\.",
            text,
        )
        if noted is None:
            return f"None of our earlier sessions says what we agreed on with {p.supplier}."
        quantity, product, price, delivery = noted.groups()
        later = re.search(r"Noted: .+, (\d+) pieces now, delivery on (\S+)\.", text)
        if later is not None and changed:
            quantity, delivery = later.groups()
        hoped = re.search(r"for ([\d.]+) each\. What do you think", text)
        if hoped is not None and idea:
            price = hoped[1]
        order = {
            "product": product,
            "quantity": int(quantity),
            "unit_price": float(price),
            "delivery": delivery,
        }
        (saved,) = yield write(f"{p.folder}/order.json", json.dumps(order, indent=2) + "\n")
        if saved.failed:
            return f"{p.folder}/order.json could not be written: {saved.text}"
        together = money(int(quantity) * round(float(price) * 100))
        return (
            f"We talked about {p.supplier} in {plural(len(talks), 'session')}. What stands is "
            f"{quantity} x {product} at {price} each, delivery on {delivery}: {together} in all. "
            f"It is in {p.folder}/order.json."
        )

    def _sources(self, p: Params) -> Solution:
        talks = yield from self._talks(p)
        lines = "".join(f"{key}\n" for key, _ in talks)
        (saved,) = yield write(f"{p.folder}/sources.txt", lines)
        if saved.failed:
            return f"{p.folder}/sources.txt could not be written: {saved.text}"
        return f"{p.folder}/sources.txt lists {plural(len(talks), 'session')}, the oldest first."

    def _talks(
        self, p: Params
    ) -> Generator[ToolCall | list[ToolCall], list[ToolReply], list[tuple[str, str]]]:
        """Key and text of the earlier sessions about the supplier, oldest first."""
        (listed,) = yield ToolCall("sessions_list", {"kinds": ["other"], "limit": 100})
        rows: list[dict[str, Any]] = json.loads(listed.text)["sessions"]
        rows.sort(key=lambda row: int(row["updatedAt"]))
        found: list[tuple[str, str]] = []
        for start in range(0, len(rows), _AT_ONCE):
            some = [str(row["key"]) for row in rows[start : start + _AT_ONCE]]
            replies = yield [ToolCall("sessions_history", {"sessionKey": key}) for key in some]
            for key, reply in zip(some, replies, strict=True):
                text = "\n".join(m["content"] for m in json.loads(reply.text)["messages"])
                if p.supplier in text:
                    found.append((key, text))
        return found
