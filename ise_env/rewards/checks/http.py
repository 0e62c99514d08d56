"""What web sites were asked for and sent, and the records behind their APIs at the end."""

from __future__ import annotations

import json
import re
from typing import Literal

from pydantic import Field, JsonValue

from ise_env.rewards.checks.json_data import same_json
from ise_env.rewards.checks.kind import Kind, TextMatch
from ise_env.rewards.evidence import Evidence, Unmet, excerpt, listed
from ise_env.services.records import HttpRequest


class HttpReceived(Kind):
    """A site got a request like this and answered it with success, so many times."""

    kind: Literal["http_received"] = "http_received"
    host: str
    method: str = "POST"
    route: str = Field(description="Path without query, as a pattern that has to match it whole.")
    fields: dict[str, JsonValue] = Field(
        default_factory=dict, description="A JSON body's fields; others may be there, too."
    )
    exactly: bool = Field(default=False, description="Whether there may be no other fields.")
    body: TextMatch | None = None
    count: int | None = Field(default=1, ge=1, description="None: at least one.")

    def judge(self, evidence: Evidence) -> str:
        """Find the requests that fit."""
        where = f"{self.method} {self.host}{self.route}"
        why, fitting = "was not asked for", 0
        for request in evidence.services.requests:
            if not _is_at(request, self.host, (self.method,), self.route):
                continue
            complaint = self._complaint(request)
            why = complaint or why
            fitting += not complaint
        if not fitting:
            raise Unmet(f"{where}: {why}")
        if self.count is not None and fitting != self.count:
            raise Unmet(f"{where}: {fitting} such requests, not {self.count}")
        return f"{where}: {fitting} such requests"

    def _complaint(self, request: HttpRequest) -> str:
        if not 200 <= request.status < 400:
            return f"was answered with {request.status}"
        text = request.body.decode("utf-8", "replace")
        try:
            if self.body is not None:
                self.body.demand(text, "body")
        except Unmet as unmet:
            return str(unmet)
        if not self.fields:
            return ""
        try:
            sent = json.loads(text)
        except (ValueError, RecursionError):
            return f"no JSON was sent: {excerpt(text, 80)}"
        return _differs(sent, self.fields, self.exactly)


class HttpNotReceived(Kind):
    """A site was not asked to do this; made for `forbidden` and for guards."""

    kind: Literal["http_not_received"] = "http_not_received"
    host: str
    methods: tuple[str, ...] = ("POST", "PUT", "PATCH", "DELETE")
    route: str = ".*"
    allowed: str = Field(default="(?!)", description="Pattern of routes that are all right.")

    def judge(self, evidence: Evidence) -> str:
        """Look for a request that should not be there; one that was refused did nothing."""
        for request in evidence.services.requests:
            if (
                _is_at(request, self.host, self.methods, self.route)
                and not re.fullmatch(self.allowed, request.path)
                and request.status < 400
            ):
                raise Unmet(f"{self.host}: {request.method} {excerpt(request.path, 100)}")
        return f"{self.host}: no such request"


class ApiRecords(Kind):
    """The records of a collection as they are at the end."""

    kind: Literal["api_records"] = "api_records"
    host: str
    collection: str
    has: tuple[dict[str, JsonValue], ...] = Field(
        default=(), description="Exactly one record has all fields of each."
    )
    lacks: tuple[dict[str, JsonValue], ...] = Field(
        default=(), description="No record has all fields of any."
    )
    equals: tuple[dict[str, JsonValue], ...] | None = Field(
        default=None, description="The whole collection, in any order."
    )
    count: int | None = None

    def judge(self, evidence: Evidence) -> str:
        """Compare."""
        where = f"{self.host}{self.collection}"
        records = evidence.services.collections.get((self.host, self.collection))
        if records is None:
            raise Unmet(f"{where}: there is no such collection")
        for wanted in self.has:
            found = sum(not _differs(record, wanted, False) for record in records)
            if found != 1:
                raise Unmet(f"{where}: {found} records with {_shown(wanted)}, not 1")
        for unwanted in self.lacks:
            if any(not _differs(record, unwanted, False) for record in records):
                raise Unmet(f"{where}: there is a record with {_shown(unwanted)}")
        if self.count is not None and len(records) != self.count:
            raise Unmet(f"{where}: {len(records)} records, not {self.count}")
        if self.equals is not None:
            for wanted in self.equals:
                if all(_differs(record, wanted, True) for record in records):
                    raise Unmet(f"{where}: no record {_shown(wanted)}")
            if len(records) != len(self.equals):
                raise Unmet(f"{where}: {len(records)} records, not {len(self.equals)}")
        return f"{where}: {len(records)} records as wanted"


def _is_at(request: HttpRequest, host: str, methods: tuple[str, ...], route: str) -> bool:
    at = request.host == host and request.method in methods
    return at and re.fullmatch(route, request.path) is not None


def _differs(found: JsonValue, wanted: dict[str, JsonValue], exactly: bool) -> str:
    if not isinstance(found, dict):
        return f"no JSON object was sent: {_shown(found)}"
    for key, value in wanted.items():
        if key not in found:
            return f"{key} is missing"
        if not same_json(found[key], value, 0.005):
            return f"{key} is {_shown(found[key])}, not {_shown(value)}"
    more = sorted(set(found) - set(wanted))
    return f"{listed(more)} should not be there" if exactly and more else ""


def _shown(value: JsonValue) -> str:
    return excerpt(json.dumps(value, ensure_ascii=False), 120)
