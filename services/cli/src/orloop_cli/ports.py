"""Loopback ports: found free, or refused by name."""

from __future__ import annotations

import secrets
import socket

from .errors import LauncherError

LOOPBACK = "127.0.0.1"
# Below the ephemeral range: there a client that keeps reconnecting to a dead listener can connect to itself
# and hold the port that the listener needs to come back.
_FIRST, _COUNT = 20000, 12000
_given: set[int] = set()  # a port is free until its listener has started: twenty draws would meet each other soon


def is_free(port: int) -> bool:
    """Say whether a listener could be opened on `port` of the loopback address now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """Return a loopback port that nothing listens on, and none that was returned before."""
    for _ in range(200):
        port = _FIRST + secrets.randbelow(_COUNT)
        if port not in _given and is_free(port):
            _given.add(port)
            return port
    raise LauncherError(
        f"Expected a free loopback port between {_FIRST} and {_FIRST + _COUNT}, got none in 200 tries.",
        "another program holds very many ports: `ss -ltn` lists them.",
    )


def require_free(port: int, what: str, option: str) -> int:
    """Return `port` if it is free, else say who wanted it and which option picks another."""
    if is_free(port):
        return port
    raise LauncherError(
        f"Expected port {port} to be free for {what}, got a port in use.",
        f"another demo is running: stop it, or choose another port with {option}.",
    )
