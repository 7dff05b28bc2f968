"""A generator of load in a process of its own: raw sockets and epoll, one message in flight on each connection.

`python -m ingest_proof.load --port P --connections 50 --each 400` draws messages, prints `ready`, waits for a line on
stdin, sends, and prints one JSON object. `--rate` sends on a fixed clock instead (open loop: a late answer delays no
other message), for latency under a given load. An answer that does not accept its own message ends the run.
"""

import argparse
import json
import selectors
import socket
import sys
import time
from pathlib import Path

from .traffic import Said, draw, mix, size_of, source_name

END = b"\x1c\r"


class Line:
    """One connection: what it has to say, what it waits for."""

    def __init__(self, port: int, says: list[Said]) -> None:
        self.says, self.at, self.answered, self.rest = says, 0, 0, b""
        self.frames = [said.frame for said in says]
        self.expected = [b"A|" + said.control.encode() for said in says]  # AA or CA: some ask in enhanced mode
        self.sent: list[float] = []
        self.socket = socket.create_connection(("127.0.0.1", port), 30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self) -> None:
        """The next message."""
        self.sent.append(time.time())
        self.socket.sendall(self.frames[self.at])
        self.at += 1

    def read(self) -> list[float]:
        """Seconds that each message took whose answer is here now."""
        data = self.socket.recv(65536)
        if not data:
            raise SystemExit(f"Expected an acknowledgement, got the end of the connection after {self.answered}.")
        self.rest += data
        now, took = time.time(), []
        while (end := self.rest.find(END)) >= 0:
            answer, self.rest = self.rest[:end], self.rest[end + 2 :]
            if self.expected[self.answered] not in answer:
                raise SystemExit(f"Expected {self.expected[self.answered]!r}, got {answer[:300]!r}.")
            took.append(now - self.sent[self.answered])
            self.answered += 1
        return took

    @property
    def done(self) -> bool:
        return self.at == len(self.frames)


def closed_loop(lines: list[Line]) -> list[float]:
    """Each connection sends its next message once the one before is acknowledged."""
    took: list[float] = []
    with selectors.EpollSelector() as ready:
        for line in lines:
            ready.register(line.socket, selectors.EVENT_READ, line)
            line.send()
        left = len(lines)
        while left:
            for key, _ in ready.select(30):
                line = key.data
                took += line.read()
                if not line.done:
                    line.send()
                elif line.answered == line.at:
                    ready.unregister(line.socket)
                    left -= 1
    return took


def open_loop(lines: list[Line], rate: float) -> list[float]:
    """One message every 1/rate seconds, whoever's turn it is."""
    took: list[float] = []
    total = sum(len(line.frames) for line in lines)
    began = time.perf_counter()
    with selectors.EpollSelector() as ready:
        for line in lines:
            ready.register(line.socket, selectors.EVENT_READ, line)
        sent = 0
        while len(took) < total:
            due = began + sent / rate
            while sent < total and time.perf_counter() >= due:
                lines[sent % len(lines)].send()
                sent += 1
                due = began + sent / rate
            wait = max(0.0, due - time.perf_counter()) if sent < total else 30
            for key, _ in ready.select(wait):
                took += key.data.read()
    return took


def main() -> None:
    """Draw, wait, send, tell."""
    parser = argparse.ArgumentParser(prog="python -m ingest_proof.load", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--each", type=int, default=400, help="messages on each connection")
    parser.add_argument("--first", type=int, default=0, help="the number of the first source")
    parser.add_argument("--skip", type=int, default=0, help="messages of each source that were sent before")
    parser.add_argument("--day", type=int, default=1000, help="messages that each source has in all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, help="messages a second in all, on a fixed clock")
    parser.add_argument("--times", type=Path, help="where to write when each message was sent")
    given = parser.parse_args()
    upto = given.skip + given.each
    drawn = [
        draw(source_name(given.first + k), max(given.day, upto), given.seed)[given.skip : upto]
        for k in range(given.connections)
    ]
    lines = [Line(given.port, says) for says in drawn]
    print("ready", flush=True)
    sys.stdin.readline()
    cpu, began = time.process_time(), time.perf_counter()
    took = open_loop(lines, given.rate) if given.rate else closed_loop(lines)
    seconds = time.perf_counter() - began
    took.sort()
    every = [said for says in drawn for said in says]
    found = {
        "n": len(took),
        "seconds": seconds,
        "p50_ms": 1000 * took[len(took) // 2],
        "p99_ms": 1000 * took[min(len(took) - 1, int(len(took) * 0.99))],
        "max_ms": 1000 * took[-1],
        "generator_cpu_seconds": time.process_time() - cpu,
        "mix": mix(every),
        "size": size_of(every),
    }
    if given.times:
        pairs = [(said.control, at) for line in lines for said, at in zip(line.says, line.sent, strict=True)]
        given.times.write_text(json.dumps(dict(pairs)))
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
