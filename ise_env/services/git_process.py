"""Running git on the host, on repositories that hold what the agent has pushed.

Only serving and plumbing commands, on bare repositories whose configuration and hooks are
ours; within limits of memory, time and file size. Nothing that was pushed is ever executed.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from pathlib import Path

MOST_OUTPUT = 96 * 2**20
SECONDS = 60
_LIMITED = f'ulimit -v 2000000; ulimit -t {SECONDS}; ulimit -f 262144; exec "$@"'
"""Kilobytes of memory, CPU seconds, blocks of 512 bytes of one file."""

ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/nonexistent",
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "safe.directory",
    "GIT_CONFIG_VALUE_0": "*",
}


class GitFailed(Exception):
    """A git command ended badly; the message is what it said."""


@dataclass(frozen=True)
class Output:
    """What a command came to."""

    code: int
    text: bytes
    errors: bytes


async def git(
    folder: Path, *arguments: str, stdin: bytes = b"", protocol: str = "", check: bool = True
) -> Output:
    """Run a git command in a folder.

    Raises:
        GitFailed: With `check`, when it does not end with 0; when it says or takes too much.
    """
    environment = dict(ENVIRONMENT)
    if protocol:
        environment["GIT_PROTOCOL"] = protocol
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", _LIMITED, "git", "git", *arguments),
        cwd=folder,
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(2 * SECONDS):
            _, text, errors = await asyncio.gather(
                _feed(process, stdin), _drain(process.stdout), _drain(process.stderr)
            )
            code = await process.wait()
    except TimeoutError:
        raise GitFailed(f"git {arguments[0]} took too long") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    if check and code != 0:
        raise GitFailed(errors.decode("utf-8", "replace").strip() or f"git ended with {code}")
    return Output(code, text, errors)


async def _feed(process: asyncio.subprocess.Process, data: bytes) -> None:
    assert process.stdin is not None
    with contextlib.suppress(ConnectionError):
        process.stdin.write(data)
        await process.stdin.drain()
    process.stdin.close()


async def _drain(stream: asyncio.StreamReader | None) -> bytes:
    assert stream is not None
    parts, size = [], 0
    while data := await stream.read(1 << 16):
        size += len(data)
        if size > MOST_OUTPUT:
            raise GitFailed("git has too much to say")
        parts.append(data)
    return b"".join(parts)
