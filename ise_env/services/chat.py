"""The chat room of an episode: channels, their members, messages, direct messages."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ise_env.services.httpd import Request, Response, json_object
from ise_env.services.records import Post
from ise_env.services.spec import EPOCH, USER_NAME, Channel, ChatReply, Person

JSON = "application/json; charset=utf-8"
MOST_TEXT = 8_000
MOST_POSTS = 500
PAGE = 50
MOST_PAGE = 200


@dataclass
class _Room:
    """A channel, or what two people say to each other."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    replies: list[ChatReply] = field(default_factory=list)
    archived: bool = False


class ChatRoom:
    """Answers for the chat host.

    Args:
        channels: With what was said in them.
        people: Whom direct messages reach; members of channels have to be among them.
        user: The user's chat name.
    """

    def __init__(
        self, channels: Sequence[Channel], people: Iterable[Person], user: str = USER_NAME
    ) -> None:
        self._user = user
        self._channels = {channel.name: channel for channel in channels}
        self._people = {person.nick: person for person in people}
        self._count = 0
        self._latest = EPOCH
        self._rooms: dict[tuple[str, str], _Room] = {}
        for channel in channels:
            room = _Room(replies=list(channel.replies), archived=channel.archived)
            self._rooms["channel", channel.name] = room
            for message in channel.messages:
                self._say(room, message.sender, message.text, message.when)
        for nick in self._people:
            self._rooms["user", nick] = _Room()
        self.posts: list[Post] = []

    async def __call__(self, request: Request) -> Response:
        """Answer."""
        steps = request.path.strip("/").split("/")
        get = request.method in ("GET", "HEAD")
        if steps == ["api", "channels"] and get:
            return _json(200, [self._describe(c) for c in self._channels.values()])
        if steps == ["api", "users"] and get:
            return _json(200, [_person(nick, p) for nick, p in sorted(self._people.items())])
        kinds = {"channels": "channel", "users": "user"}
        if len(steps) == 4 and steps[0] == "api" and steps[1] in kinds and steps[3] == "messages":
            kind, name = kinds[steps[1]], steps[2]
            room = self._rooms.get((kind, name))
            if room is None:
                return _json(404, {"error": f"there is no {kind} {name[:100]!r}"})
            if get:
                return self._read(room, dict(request.query))
            if request.method == "POST":
                return self._post(kind, name, room, request)
            return _json(405, {"error": "messages can be read and posted"})
        return _json(
            404,
            {
                "error": "there are /api/channels, /api/users, /api/channels/<name>/messages and "
                "/api/users/<name>/messages"
            },
        )

    def _describe(self, channel: Channel) -> dict[str, Any]:
        return {
            "name": channel.name,
            "topic": channel.topic,
            "members": [self._user, *channel.members],
            "archived": channel.archived,
        }

    def _read(self, room: _Room, query: Mapping[str, str]) -> Response:
        limit, before = query.get("limit", str(PAGE)), query.get("before", "")
        if not limit.isdecimal() or (before and not before.isdecimal()):
            return _json(400, {"error": "limit and before are numbers"})
        older = room.messages
        if before:
            older = [m for m in older if m["id"] < int(before[:12])]
        shown = older[-min(max(int(limit[:6]), 1), MOST_PAGE) :]
        return _json(200, {"messages": shown, "more": len(older) > len(shown)})

    def _post(self, kind: str, name: str, room: _Room, request: Request) -> Response:
        text = _text_of(request.body)
        if text is None:
            return _json(422, {"error": 'send {"text": "..."}, not empty'})
        if len(text) > MOST_TEXT:
            return _json(413, {"error": f"a message may have {MOST_TEXT} characters"})
        if room.archived:
            return _json(403, {"error": f"the channel {name} is archived"})
        if len(self.posts) >= MOST_POSTS:
            return _json(429, {"error": "too much was posted"})
        self.posts.append(Post(text, channel=name) if kind == "channel" else Post(text, to=name))
        message = self._say(room, self._user, text, self._latest + timedelta(minutes=1))
        for reply in room.replies:
            if all(part.lower() in text.lower() for part in reply.contains):
                room.replies.remove(reply)
                self._say(room, reply.sender, reply.text, self._latest + timedelta(minutes=1))
                break
        return _json(201, message)

    def _say(self, room: _Room, sender: str, text: str, when: datetime) -> dict[str, Any]:
        self._count += 1
        self._latest = max(self._latest, when)
        message = {
            "id": self._count,
            "from": sender,
            "at": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "text": text,
        }
        room.messages.append(message)
        return message


def _person(nick: str, person: Person) -> dict[str, str]:
    described = {"name": nick, "full_name": person.name, "title": person.title}
    return described | {"organisation": person.organisation}


def _text_of(body: bytes) -> str | None:
    text = (json_object(body) or {}).get("text")
    return text if isinstance(text, str) and text.strip() else None


def _json(status: int, value: Any) -> Response:
    return Response(status, json.dumps(value, ensure_ascii=False).encode() + b"\n", JSON)
