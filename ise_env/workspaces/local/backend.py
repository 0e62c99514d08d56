"""Makes local workspaces; finds out what can be enforced here."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import shutil
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ise_env.errors import ConfigError, IseError, WorkspaceError
from ise_env.workspaces.channel import Channel
from ise_env.workspaces.local import cgroups, delegation, images, owners, requirements, templates
from ise_env.workspaces.local import limits as limit_rules
from ise_env.workspaces.local import root as roots
from ise_env.workspaces.local.sandbox import Sandbox, SpawnerClient
from ise_env.workspaces.local.spawner import CHECK, LIVE, ROOT, TEMPLATES
from ise_env.workspaces.local.workspace import LocalWorkspace
from ise_env.workspaces.protocol import WORKDIR, Limits, Probe, SeedFile, Template

SANDBOX_UID = 64_617
"""Host user of the sandboxes when root starts them: no account, nothing belongs to it."""

_HELLO_S = 30.0


@dataclass(frozen=True)
class _Machine:
    """What was found out and started once for this process."""

    root: roots.Root
    enforced: limit_rules.Enforced
    spawner: SpawnerClient
    templates: Path
    """Where templates are stored."""
    owner: tuple[int, int] | None
    """User and group that own what workspaces write; None for our own."""


class LocalBackend:
    """Workspaces in bubblewrap sandboxes on this machine.

    Args:
        image: Name or path of a prepared root directory; empty for this host's programs.
    """

    name = "local"

    def __init__(self, image: str = "") -> None:
        self._image = image
        self._lock = threading.Lock()
        self._machine: _Machine | None = None
        self._live: weakref.WeakSet[LocalWorkspace] = weakref.WeakSet()
        atexit.register(_call, weakref.WeakMethod(self.close))
        os.register_at_fork(
            after_in_child=functools.partial(_call, weakref.WeakMethod(self._forget))
        )

    def close(self) -> None:
        """Close every workspace that is left, and end the spawner."""
        for workspace in list(self._live):
            workspace.close()
        with self._lock:
            machine, self._machine = self._machine, None
        if machine is not None:
            machine.spawner.close()

    def _forget(self) -> None:
        """In a forked child: let go of what is the parent's, so that it ends with the parent."""
        self._lock = threading.Lock()
        for workspace in list(self._live):
            workspace.forget_in_child()
        if self._machine is not None:
            self._machine.spawner.forget_in_child()
            self._machine = None

    # --- starting -----------------------------------------------------------------------------

    def create(
        self,
        *,
        limits: Limits | None = None,
        template: Template = (),
        allow_degraded: Sequence[str] = (),
        owner: str = "",
        names: Sequence[str] = (),
    ) -> LocalWorkspace:
        """Start one workspace; see the protocol."""
        limits = limits or Limits()
        limit_rules.check(limits)
        machine = self._ready()
        degraded = machine.enforced.degraded(allow_degraded)
        name, rest = self._store(machine, template)
        lower = f"{TEMPLATES}/{name}" if name else ""
        workspace = self._start(machine, limits, lower, None, degraded, owner, names)
        if name:
            workspace.image += f"+{name}"
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
        name, rest = self._store(self._ready(), template)
        if rest:
            raise ConfigError(f"a template holds files below {WORKDIR} only, not {rest[0].path}")
        return name

    @staticmethod
    def _store(machine: _Machine, template: Template) -> tuple[str, list[SeedFile]]:
        if isinstance(template, str):
            return templates.stored(machine.templates, template), []
        rest: list[SeedFile] = []
        if isinstance(template, bytes):
            items = templates.of_archive(template)
        else:
            items, rest = templates.of_files(template)
        return templates.prepare(machine.templates, items, machine.owner) if items else "", rest

    def _start(
        self,
        machine: _Machine,
        limits: Limits,
        lower: str,
        frozen: Sandbox | None,
        degraded: tuple[str, ...],
        owner: str = "",
        names: Sequence[str] = (),
    ) -> LocalWorkspace:
        request = {
            "op": "start",
            "base": CHECK if frozen is not None else LIVE,
            "disk_bytes": limits.disk_bytes,
            "frozen": frozen is not None,
            "hosts": roots.hosts(names),
            "inodes": limits.inodes,
            "lower": lower,
            "tmp_bytes": limits.tmp_bytes,
        }
        hello = {
            "env": dict(machine.root.environment),
            "output_bytes": limits.output_bytes,
            "open_files": limits.open_files,
            "processes": limit_rules.process_limit(machine.enforced, limits),
            "data_bytes": limit_rules.data_limit(machine.enforced, limits),
        }
        with contextlib.ExitStack() as undo:
            group = cgroups.make(machine.enforced.placement, limits, owner)
            undo.callback(group.remove)
            sandbox = self._spawn(machine, request, group, frozen)
            undo.callback(sandbox.close)
            undo.callback(sandbox.kill)
            sandbox.introduce(hello, _HELLO_S)
            undo.pop_all()
        workspace = LocalWorkspace(
            sandbox,
            Channel(sandbox.control, lambda: _kill(sandbox)),
            lambda left: self._start(machine, limits, f"{LIVE}/tree/workspace", left, degraded),
            functools.partial(machine.spawner.reach, sandbox.first),
            group,
            f"local:{machine.root.digest}",
            degraded,
        )
        self._live.add(workspace)
        return workspace

    @staticmethod
    def _spawn(
        machine: _Machine, request: dict[str, Any], group: cgroups.Group, frozen: Sandbox | None
    ) -> Sandbox:
        fds = group.open()
        try:
            inherited = [*fds, frozen.mounts] if frozen is not None else fds
            groups = [str(path) for path in group.paths]
            return machine.spawner.start({**request, "groups": groups}, inherited)
        finally:
            for fd in fds:
                os.close(fd)

    def _ready(self) -> _Machine:
        with self._lock:
            if self._machine is None or not self._machine.spawner.alive:
                try:
                    self._machine = _prepare(self._image)
                except (OSError, EOFError) as error:
                    mend = requirements.mend(str(error))
                    raise WorkspaceError(
                        f"no sandbox can be started: {error}; to mend it: {mend}"
                    ) from error
            return self._machine

    # --- requirements -------------------------------------------------------------------------

    def probe(self) -> Probe:
        """Find out what is really enforced here."""
        program = requirements.bubblewrap()
        if program.status == "unavailable":
            return Probe(self.name, (program,))
        try:
            enforced = self._ready().enforced
        except (IseError, OSError) as error:
            refused = requirements.refused(error)
            return Probe(self.name, (program, refused, *limit_rules.find().requirements))
        weak = tuple(r.name for r in enforced.requirements if r.status != "enforced")
        tried = requirements.trial(self.create, weak)
        return Probe(self.name, (program, *tried, *enforced.requirements))

    def reap(self, *, dry_run: bool = False) -> list[str]:
        """Remove what dead owners left behind; returns a line for each thing."""
        lines = []
        for group in cgroups.abandoned():
            done = dry_run or cgroups.kill_and_remove(group)
            lines.append(f"control group {group}" + ("" if done else " (could not be removed)"))
        state = roots.state_directory()
        stores = [path for path in (state / "templates").glob("*") if path.name.isdecimal()]
        unused = [path for store in stores for path in templates.abandoned(store)]
        for path in (*unused, *roots.abandoned(state), *images.abandoned(state)):
            lines.append(f"directory {path}")
            if not dry_run:
                owners.discard(path)
        return lines


def _call(method: weakref.WeakMethod[Callable[[], None]]) -> None:
    bound = method()
    if bound is not None:
        bound()


def _prepare(image: str) -> _Machine:
    """Make the root, find the limits, start the spawner."""
    state = roots.state_directory()
    bwrap = _bubblewrap()
    root = roots.image_root(state, image, bwrap) if image else roots.host_root(state)
    owner = (SANDBOX_UID, SANDBOX_UID) if limit_rules.is_root() else None
    # Templates belong to whoever writes to their copies, so users do not share them.
    store = state / "templates" / str(owner[0] if owner else os.getuid())
    store.mkdir(parents=True, exist_ok=True)
    config = {
        "privileged": owner is not None,
        "uid": SANDBOX_UID,
        "gid": SANDBOX_UID,
        "binds": [list(pair) for pair in root.binds],
        "templates": str(store),
        "bwrap": bwrap,
        "arguments": _arguments(bwrap),
        "program": [root.python, "-I", "-S", "-E", "-X", "utf8", f"{roots.INSIDE}/boot.pyc"],
    }
    enforced = limit_rules.find(cgroups.place())
    config["seccomp"] = enforced.seccomp
    if enforced.placement.missing and delegation.prefix():
        with contextlib.suppress(OSError, EOFError):
            return _in_scope(root, config, store, owner)
    return _Machine(root, enforced, SpawnerClient(config), store, owner)


def _in_scope(
    root: roots.Root, config: dict[str, Any], store: Path, owner: tuple[int, int] | None
) -> _Machine:
    """Start the spawner in a scope of its own, and find the limits that can be set there."""
    spawner = SpawnerClient(config, delegation.prefix(), delegation.environment())
    try:
        enforced = limit_rules.find(delegation.placement(spawner.pid))
    except OSError:
        spawner.close()
        raise
    return _Machine(root, enforced, spawner, store, owner)


def _bubblewrap() -> str:
    found = shutil.which("bwrap")
    if found is None:
        raise WorkspaceError("bubblewrap is not installed: apt-get install bubblewrap")
    return found


def _arguments(bwrap: str) -> list[str]:
    """Return what is the same for every sandbox."""
    # Before 0.8 there is no such option; the seccomp filter refuses user namespaces as well.
    newer = ["--disable-userns"] if requirements.has_option(bwrap, "--disable-userns") else []
    return [
        *("--unshare-all", "--unshare-user", *newer, "--new-session", "--as-pid-1"),
        *("--uid", "1000", "--gid", "1000", "--hostname", roots.HOSTNAME, "--cap-drop", "ALL"),
        *("--ro-bind", ROOT, "/", "--dev", "/dev", "--proc", "/proc", "--chdir", "/"),
    ]


def _kill(sandbox: Sandbox) -> None:
    sandbox.kill()
