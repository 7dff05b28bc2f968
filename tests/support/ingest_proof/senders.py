"""Senders that keep what was not acknowledged: they pipeline, are cut off, come again, and never change the order."""

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from .traffic import Said, draw

END = b"\x1c\r"
WINDOW = 8  # frames that a sender has under way


@dataclass(frozen=True, slots=True)
class Step:
    """One message to send. `cut` says how the connection ends the first time: after the frame, or inside of it."""

    said: Said
    resent: str = ""
    cut: str = ""


def plan(source: str, count: int, seed: int, resends: float, cuts: float) -> list[Step]:
    """A day of one source with resends among it: half of them byte by byte, half with a new MSH-10 and MSH-7."""
    chance = random.Random(f"{seed}/{source}/plan")
    steps: list[Step] = []
    day = draw(source, count, seed)
    for number, said in enumerate(day):
        cut = chance.choice(("after", "inside")) if chance.random() < cuts else ""
        steps.append(Step(said, cut=cut))
        if chance.random() < resends:
            earlier = chance.choice(day[max(0, number - 300) : number + 1])
            same = chance.random() < 0.5
            steps.append(Step(earlier if same else earlier.again(number), "same" if same else "outage"))
    return steps


@dataclass
class Sender:
    """One source on one connection at a time.

    Everything not acknowledged is sent again, in order, on the next connection: what a sender with a queue does.
    """

    port: int
    steps: list[Step]
    heard: Callable[[], None] = lambda: None
    acknowledged: list[Said] = field(default_factory=list)
    cuts: int = 0
    connections: int = 0
    wrong: list[str] = field(default_factory=list)
    _cut: set[int] = field(default_factory=set)

    async def run(self) -> None:
        """Until all is acknowledged."""
        while len(self.acknowledged) < len(self.steps) and not self.wrong:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            self.connections += 1
            try:
                await self._converse(reader, writer)
            except (OSError, asyncio.IncompleteReadError, TimeoutError):
                await asyncio.sleep(0.02)
            finally:
                with contextlib.suppress(Exception):
                    writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent = len(self.acknowledged)
        while len(self.acknowledged) < len(self.steps):
            while sent < len(self.steps) and sent - len(self.acknowledged) < WINDOW:
                step = self.steps[sent]
                if step.cut and sent not in self._cut:
                    self._cut.add(sent)
                    self.cuts += 1
                    frame = step.said.frame
                    writer.write(frame if step.cut == "after" else frame[: len(frame) // 2])
                    await writer.drain()
                    if step.cut == "after":
                        await asyncio.sleep(0.002)  # it may have been read, and its answer is never heard
                    return
                writer.write(step.said.frame)
                sent += 1
            await writer.drain()
            async with asyncio.timeout(60):
                answer = await reader.readuntil(END)
            said = self.steps[len(self.acknowledged)].said
            if b"A|" + said.control.encode() + b"\r" not in answer:
                self.wrong.append(f"Expected an acceptance of {said.control}, got {answer!r}.")
                return
            self.acknowledged.append(said)
            self.heard()
