"""Finding one episode of a run."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from ise_env.errors import ConfigError
from ise_env.traces.layout import Layout
from ise_env.traces.reader import read_invalid, read_run
from ise_env.traces.record import Trajectory


def find_episode(source: Path, wanted: str) -> Trajectory:
    """Find an episode by its number (0 is the first) or by the beginning of its id.

    Raises:
        ConfigError: There is none, or more than one.
    """
    if wanted.isdigit() and len(wanted) < 8:
        found = next(islice(_all(source), int(wanted), None), None)
        if found is None:
            have = sum(1 for _ in _all(source))
            raise ConfigError(f"{source}: no episode number {wanted}; it holds {have}, from 0 on")
        return found
    matches = list(islice(_matching(source, wanted), 2))
    if not matches:
        raise ConfigError(f"{source}: no episode whose id begins with {wanted!r}")
    if len(matches) > 1:
        raise ConfigError(
            f"{source}: several episodes begin with {wanted!r}, among them "
            f"{matches[0].episode_id} and {matches[1].episode_id}; give more of the id"
        )
    return matches[0]


def _matching(source: Path, prefix: str) -> Iterator[Trajectory]:
    return (t for t in _all(source) if t.episode_id.startswith(prefix))


def _all(source: Path) -> Iterator[Trajectory]:
    """Finished episodes first, then the invalid ones."""
    finished = set()
    for trajectory in read_run(source):
        finished.add(trajectory.episode_id)
        yield trajectory
    if Layout(source).is_run:
        yield from read_invalid(source, finished)
