"""Runs inside a workspace: starts `supervisord` and waits until nothing is on its way any more.

Arguments: the folder of its modules, the folder of its socket, how many seconds to wait, and
ports that have to answer.
"""

import socket
import subprocess
import sys
import time
import xmlrpc.client

ON_THE_WAY = ("STARTING", "BACKOFF", "STOPPING")


def main(lib: str, state: str, seconds: str, *ports: str) -> str:
    """Start and wait; return a complaint, or nothing."""
    sys.path.insert(0, lib)
    from supervisor.xmlrpc import SupervisorTransport

    started = subprocess.run(["supervisord"], capture_output=True, text=True)
    if started.returncode != 0:
        said = (started.stderr or started.stdout).strip().splitlines()
        return said[0] if said else "supervisord does not start"
    transport = SupervisorTransport(None, None, serverurl=f"unix://{state}/supervisor.sock")
    server = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)
    until = time.monotonic() + float(seconds)
    while True:
        waiting = on_the_way(server) + [f"port {port}" for port in ports if not answers(port)]
        if not waiting:
            return ""
        if time.monotonic() > until:
            return f"still on the way: {', '.join(waiting)}"
        time.sleep(0.02)


def on_the_way(server: xmlrpc.client.ServerProxy) -> "list[str]":
    """Programs that neither run nor have been given up."""
    try:
        programs = server.supervisor.getAllProcessInfo()
    except OSError as error:
        return [f"supervisord: {error}"]
    assert isinstance(programs, list)
    return [str(p["name"]) for p in programs if p["statename"] in ON_THE_WAY]


def answers(port: str) -> bool:
    """Whether something listens there."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", int(port))) == 0


if __name__ == "__main__":
    complaint = main(*sys.argv[1:])
    if complaint:
        raise SystemExit(complaint)
