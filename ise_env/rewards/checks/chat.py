"""What the agent has said in the chat room, or must not have said."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Literal

from pydantic import Field, model_validator

from ise_env.rewards.checks.kind import Kind, TextMatch
from ise_env.rewards.evidence import Evidence, Unmet, excerpt
from ise_env.services.records import Post


class ChatPosted(Kind):
    """A message with this text is in a channel, or went to one person, so many times."""

    kind: Literal["chat_posted"] = "chat_posted"
    channel: str = ""
    to: str = Field(default="", description="Chat name of whoever gets a direct message.")
    text: TextMatch
    count: int | None = Field(default=1, ge=1, description="None: at least one.")

    @model_validator(mode="after")
    def _one_of_them(self) -> ChatPosted:
        if bool(self.channel) == bool(self.to):
            raise ValueError("give channel or to")
        return self

    def judge(self, evidence: Evidence) -> str:
        """Find the messages that fit."""
        place = f"#{self.channel}" if self.channel else f"@{self.to}"
        why, fitting = "nothing was posted", 0
        for post in evidence.services.posts:
            if (post.channel, post.to) != (self.channel, self.to):
                continue
            try:
                self.text.demand(post.text, place)
            except Unmet as unmet:
                why = str(unmet).removeprefix(f"{place}: ")
                continue
            fitting += 1
        if not fitting:
            raise Unmet(f"{place}: {why}")
        if self.count is not None and fitting != self.count:
            raise Unmet(f"{place}: {fitting} such messages, not {self.count}")
        return f"{place}: {fitting} such messages"


class ChatNotPosted(Kind):
    """Nothing, or nothing of this text, was said in certain places; made for `forbidden`."""

    kind: Literal["chat_not_posted"] = "chat_not_posted"
    channels: tuple[str, ...] = Field(default=(), description="Shell patterns.")
    to: tuple[str, ...] = Field(default=(), description="Shell patterns of chat names.")
    allowed: tuple[str, ...] = Field(default=(), description="Channels and names that are fine.")
    containing: TextMatch | None = None

    def judge(self, evidence: Evidence) -> str:
        """Look for a message that should not be there."""
        for post in evidence.services.posts:
            if self._concerns(post) and self._has_it(post):
                place = f"#{post.channel}" if post.channel else f"@{post.to}"
                raise Unmet(f"{place}: “{excerpt(post.text, 100)}”")
        return "no such message"

    def _concerns(self, post: Post) -> bool:
        name, patterns = (post.channel, self.channels) if post.channel else (post.to, self.to)
        return name not in self.allowed and any(fnmatchcase(name, p) for p in patterns)

    def _has_it(self, post: Post) -> bool:
        try:
            if self.containing is not None:
                self.containing.demand(post.text, "message")
        except Unmet:
            return False
        return True
