"""Containers that stand ready before anybody asks for them."""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable
from dataclasses import dataclass

from ise_env.errors import IseError
from ise_env.workspaces.channel import Channel
from ise_env.workspaces.docker.container import Container
from ise_env.workspaces.docker.places import Place
from ise_env.workspaces.protocol import Limits


@dataclass(frozen=True)
class Prepared:
    """A container that has answered, over an empty tree."""

    container: Container
    channel: Channel
    place: Place

    @property
    def alive(self) -> bool:
        """Whether it and its keeper still run, as far as can be seen from here."""
        return self.place.keeper.alive and not self.container.gone(0.0)


class Pool:
    """A few containers with the limits that were asked for last.

    Args:
        size: How many; 0 for none.
        make: Makes one.
        discard: Ends one.
    """

    def __init__(
        self, size: int, make: Callable[[Limits], Prepared], discard: Callable[[Prepared], None]
    ) -> None:
        self._size = size
        self._make = make
        self._discard = discard
        self._state = threading.Condition()
        self._ready: collections.deque[Prepared] = collections.deque()
        self._limits: Limits | None = None
        self._filler: threading.Thread | None = None
        self._closed = False

    def take(self, limits: Limits) -> Prepared:
        """Return one that stands ready, or make it."""
        while (found := self._taken(limits)) is not None:
            if found.alive:
                return found
            self._discard(found)
        return self._make(limits)

    def _taken(self, limits: Limits) -> Prepared | None:
        if self._size == 0:
            return None
        with self._state:
            stale = self._ready if limits != self._limits else ()
            others, self._limits = list(stale), limits
            if others:
                self._ready.clear()
            found = self._ready.popleft() if self._ready else None
            if self._filler is None and not self._closed:
                self._filler = threading.Thread(target=self._fill, name="warm pool", daemon=True)
                self._filler.start()
            self._state.notify_all()
        for other in others:
            self._discard(other)
        return found

    def _fill(self) -> None:
        while True:
            with self._state:
                while not self._closed and len(self._ready) >= self._size:
                    self._state.wait()
                limits = self._limits
                if self._closed or limits is None:
                    return
            try:
                made = self._make(limits)
            except (IseError, OSError):
                with self._state:  # who asks next is told what is wrong, and starts this anew
                    self._filler = None
                return
            with self._state:
                wanted = not self._closed and limits == self._limits
                if wanted:
                    self._ready.append(made)
            if not wanted:
                self._discard(made)

    def close(self) -> None:
        """End what stands ready."""
        with self._state:
            self._closed = True
            left = list(self._ready)
            self._ready.clear()
            filler = self._filler
            self._state.notify_all()
        if filler is not None and filler is not threading.current_thread():
            filler.join(60.0)
        for prepared in left:
            self._discard(prepared)

    def forget_in_child(self) -> None:
        """After a fork: drop our copies of the descriptors."""
        for prepared in self._ready:
            prepared.channel.forget_in_child()
            prepared.container.forget_in_child()
