"""Makes workspaces in containers of a Docker engine."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ise_env.errors import ConfigError, IseError, WorkspaceError
from ise_env.workspaces.channel import Channel
from ise_env.workspaces.docker import images, labels, requirements, streams
from ise_env.workspaces.docker import limits as limit_rules
from ise_env.workspaces.docker.container import Container, Starter
from ise_env.workspaces.docker.engine import TIMEOUT_S, Engine
from ise_env.workspaces.docker.leftovers import sweep
from ise_env.workspaces.docker.places import OWN_ETC, Place, Places, bind, overlay
from ise_env.workspaces.docker.pool import Pool, Prepared
from ise_env.workspaces.docker.templates import Store
from ise_env.workspaces.docker.workspace import DockerWorkspace
from ise_env.workspaces.local import owners
from ise_env.workspaces.local import root as roots
from ise_env.workspaces.local.limits import check as check_limits
from ise_env.workspaces.protocol import HOME, WORKDIR, Limits, Probe, Template

WARM = 2
"""Containers that stand ready unless another number is asked for."""


@dataclass(frozen=True)
class _Setup:
    """What was found out and started once for this process."""

    ready: images.Ready
    enforced: limit_rules.Enforced
    starter: Starter
    places: Places
    pool: Pool
    store: Store


class DockerBackend:
    """Workspaces in containers of the engine that `DOCKER_HOST` names.

    Args:
        image: Any Linux image with a Python of 3.11 or later.
        runtime: Name of an engine's runtime, such as `runsc`; empty for its default.
        warm: Containers that stand ready; 0 for none.
        timeout_s: Deadline of each call to the engine.
    """

    name = "docker"

    def __init__(
        self,
        image: str = "",
        *,
        runtime: str = "",
        warm: int = WARM,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._image = image or images.DEFAULT
        self._runtime = runtime
        self._warm = warm
        self._engine = Engine(timeout_s)
        self._lock = threading.Lock()
        self._setup: _Setup | None = None
        self._live: weakref.WeakSet[DockerWorkspace] = weakref.WeakSet()
        atexit.register(_call, weakref.WeakMethod(self.close))
        os.register_at_fork(
            after_in_child=functools.partial(_call, weakref.WeakMethod(self._forget))
        )

    @classmethod
    def of_spec(cls, text: str) -> DockerBackend:
        """Make one from what follows `docker:` in a configuration: `[IMAGE][,KEY=VALUE ...]`.

        Raises:
            ConfigError: A key is unknown, or a value no number where it must be one.
        """
        image, *pairs = text.split(",")
        options: dict[str, Any] = {}
        for pair in pairs:
            key, _, value = pair.partition("=")
            try:
                options[key] = _OPTIONS[key](value)
            except (KeyError, ValueError):
                raise ConfigError(
                    f"docker workspaces have no option {pair!r}; there are: runtime=NAME, "
                    "warm=NUMBER, timeout_s=SECONDS (more than 0)"
                ) from None
        return cls(image, **options)

    def close(self) -> None:
        """Close every workspace that is left, what stands ready, and the keepers."""
        for workspace in list(self._live):
            with contextlib.suppress(WorkspaceError):
                workspace.close()
        with self._lock:
            setup, self._setup = self._setup, None
        if setup is not None:
            setup.pool.close()
            setup.places.close()
            if setup.places.lost:
                with contextlib.suppress(IseError):
                    sweep(self._engine, labels.ours, dry_run=False)
        self._engine.close()

    def _forget(self) -> None:
        """In a forked child: let go of what is the parent's, so that it ends with the parent."""
        self._lock = threading.Lock()
        for workspace in list(self._live):
            workspace.forget_in_child()
        if self._setup is not None:
            self._setup.pool.forget_in_child()
            self._setup.places.forget_in_child()
            self._setup = None
        self._engine.forget_in_child()

    # --- starting -----------------------------------------------------------------------------

    def create(
        self,
        *,
        limits: Limits | None = None,
        template: Template = (),
        allow_degraded: Sequence[str] = (),
        owner: str = "",
        names: Sequence[str] = (),
    ) -> DockerWorkspace:
        """Start one workspace; see the protocol."""
        limits = limits or Limits()
        check_limits(limits)
        setup = self._ready()
        degraded = setup.enforced.degraded(allow_degraded)
        name, rest = setup.store.put(template)
        prepared = setup.pool.take(limits)
        try:
            if names:
                prepared.place.set_up("name", text=roots.hosts(names))
            if name:
                archive = functools.partial(setup.store.archive, name)
                known = prepared.place.keeper.template(name, archive)
                prepared.place.set_up("lay", template=known)
        except BaseException:
            self._discard(prepared)
            raise
        workspace = self._workspace(setup, prepared, limits, name, degraded)
        if rest:
            try:
                workspace.populate(rest)
            except BaseException:
                workspace.close()
                raise
        return workspace

    def prepare(self, template: Template) -> str:
        """Store a template; its name can be given to `create` in its place.

        Raises:
            ConfigError: It holds files outside of `WORKDIR`, or is not an archive.
        """
        name, rest = self._ready().store.put(template)
        if rest:
            raise ConfigError(f"a template holds files below {WORKDIR} only, not {rest[0].path}")
        return name

    def _workspace(
        self,
        setup: _Setup,
        prepared: Prepared,
        limits: Limits,
        template: str,
        degraded: tuple[str, ...],
    ) -> DockerWorkspace:
        def check(place: Place) -> DockerWorkspace:
            over = self._start(setup, limits, place)
            return self._workspace(setup, over, limits, "", degraded)

        image = f"docker:{setup.ready.digest}" + (f"+{template}" if template else "")
        workspace = DockerWorkspace(
            prepared.container,
            prepared.channel,
            prepared.place,
            setup.places.leave,
            check,
            image,
            degraded,
        )
        self._live.add(workspace)
        return workspace

    def _start(self, setup: _Setup, limits: Limits, below: Place | None) -> Prepared:
        """Start a container over a fresh tree, or over one that another has left."""
        place = setup.places.take(limits)
        with contextlib.ExitStack() as undo:
            undo.callback(setup.places.leave, place)
            workdir = bind(WORKDIR, place.source(f"tree{WORKDIR}"))
            if below is not None:
                lower = below.source(f"tree{WORKDIR}")
                workdir = overlay(WORKDIR, lower, place.source("upper"), place.source("work"))
            container = setup.starter.start(
                "workspace",
                mounts=[
                    workdir,
                    bind(HOME, place.source(f"tree{HOME}")),
                    *(bind(f"/etc/{f}", place.source(f), read_only=True) for f in OWN_ETC),
                ],
                user="1000:1000",
                **limit_rules.host_options(limits, setup.enforced, setup.ready.volumes),
            )
            undo.callback(container.close)
            undo.callback(container.kill)
            container.introduce(
                {
                    "env": dict(setup.ready.environment),
                    "output_bytes": limits.output_bytes,
                    "open_files": limits.open_files,
                    "processes": 0,
                    "data_bytes": 0 if "memory" in setup.enforced else limits.memory_bytes,
                }
            )
            undo.pop_all()
        channel = Channel(container.control, functools.partial(_kill, container))
        return Prepared(container, channel, place)

    def _discard(self, prepared: Prepared) -> None:
        prepared.channel.close()
        prepared.container.kill()
        prepared.container.close()
        if self._setup is not None:
            self._setup.places.leave(prepared.place)

    def _ready(self) -> _Setup:
        with self._lock:
            if self._setup is None:
                self._setup = self._prepare()
            return self._setup

    def _prepare(self) -> _Setup:
        state = roots.state_directory()
        ready = images.ready(self._engine, self._image)
        enforced = limit_rules.find(self._engine.call("asking what it enforces", "info"))
        starter = Starter(self._engine, ready, state, self._engine.is_local, self._runtime)
        if starter.shared and not starter.sees_folders():
            starter = replace(starter, shared=False)
        places = Places(starter)
        with contextlib.suppress(IseError):  # what a killed process left; no reason to fail
            self.reap()
        # Not by way of `_ready`: a pool that is being closed would set up everything anew.
        pool = Pool(self._warm, lambda limits: self._start(setup, limits, None), self._discard)
        setup = _Setup(ready, enforced, starter, places, pool, Store(state))
        return setup

    # --- requirements -------------------------------------------------------------------------

    def probe(self) -> Probe:
        """Find out what is really enforced here."""
        try:
            setup = self._ready()
        except IseError as error:
            return Probe(self.name, (requirements.missing(error),))
        engine = requirements.engine(self._engine)
        sockets = requirements.sockets(shared=setup.starter.shared)
        weak = tuple(r.name for r in setup.enforced.requirements if r.status != "enforced")
        tried = requirements.trial(self.create, weak)
        return Probe(self.name, (engine, *tried, sockets, *setup.enforced.requirements))

    def reap(self, *, dry_run: bool = False) -> list[str]:
        """Remove what dead owners left behind; returns a line for each thing."""
        lines = sweep(self._engine, labels.abandoned, dry_run=dry_run)
        state = roots.state_directory()
        for path in (*streams.abandoned(state), *Store(state).abandoned()):
            lines.append(f"directory {path}")
            if not dry_run:
                owners.discard(path)
        return lines


def _number(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(text)
    return int(text)


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < threading.TIMEOUT_MAX:  # nor what is no number
        raise ValueError(text)
    return value


_OPTIONS: dict[str, Callable[[str], Any]] = {
    "runtime": str,
    "warm": _number,
    "timeout_s": _seconds,
}


def _call(method: Any) -> None:
    bound = method()
    if bound is not None:
        bound()


def _kill(container: Container) -> None:
    container.kill()
