"""Three HL7 engines that we did not write send one mixed morning each: all say the same, and ingest hears the same."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from ingest_proof.reading import bodies, read
from ingest_proof.stand import Stand
from ingest_proof.traffic import CANARIES, draw, site_file

from orloop_cli.broker import Broker
from orloop_cli.jars import class_path, fetch
from orloop_cli.ports import LOOPBACK
from orloop_common import messages

pytestmark = [pytest.mark.broker, pytest.mark.slow]

PEERS = Path(__file__).parents[1] / "peers"
SOURCES = ("SOCK", "HAPI", "NODE", "PYHL")
Answers = list[tuple[str, str, str]]  # MSH-10 as sent, MSA-1, MSA-2: as the peer itself read them
EXTRA = (
    "SIU^S12^SIU_S12|X1|P|2.5.1\rSCH|SAMEX1^EHR|SAMEX1^EHR|||V1|NEW|ELECTIVE||60|min\r"
    "TQ1|1||||||20260302140000+0000|20260302150000+0000\rNTE|1||free canary text \\F\\ \\.br\\ \\XC3A4\\\r"
    "PID|1||CANARYMRNX1^^^DEMO^MR||Zzyxcanary^\u00c5sa||19700101|F\rPV1|1|I|W|||||||ORT|||||||||VX1\rRGS|1\r"
    "AIS|1||5-820^Hip \\T\\ knee^OPS\rAIL|1||OR03^^^DEMO\rAIP|1||0007^Meyer^Anna|SURGEON\rZOR|1|ours alone|^^x\r",
    "ADT^A31^ADT_A05|X2|P|2.5.1\rEVN|A31|20260302080000+0000\rPID|1||CANARYMRNX1^^^DEMO^MR||Zzyxcanary^Asa\rPV1|1|I\r",
    "SIU^S12^SIU_S12|X3|P|2.5.1\rSCH|SAMEX3^EHR|SAMEX3^EHR|||V1|NEW|ELECTIVE||60|min\r"
    "TQ1|1||||||20260302140000+0000|20260302150000+0000\rPID|1||CANARYMRNX3^^^DEMO^MR\rPV1|1|I|W|||||||ORT\r"
    "RGS|1\rAIS|1||5-820^Hip^OPS\rAIL|1||NOWHERE^^^DEMO\rAIP|1||0007^Meyer^Anna|SURGEON\r",
    'ORU^R01^ORU_R01|X4|P|2.5.1\rPID|1||CANARYMRNX1^^^DEMO^MR\rPV1|1|I\rOBR|1|SAMEX1|SAMEX1|ORTIMES\rOBX|1|DTM|WHEELS_IN||""||||||F\r'
    "OBX|2|DTM|INCISION||20260302142000+0000||||||F\rOBX|3|ED|PICTURE||^IMAGE^PNG^Base64^"
    + "iVBORw0KGgo" * 4000
    + "\r",
)


def missing(reason: str) -> None:
    """Skip where a peer is not to be had, but never where the whole set is promised."""
    assert os.environ.get("CI") != "true", reason
    pytest.skip(reason)


def ran(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return done.stdout.decode()


def written(says: list[bytes], folder: Path, between: bytes) -> str:
    path = folder / "morning.hl7"
    path.write_bytes(between.join(says))
    return str(path)


def by_socket(port: int, says: list[bytes], folder: Path) -> Answers:
    """No engine at all: the reference."""
    answers: Answers = []
    with socket.create_connection((LOOPBACK, port), 30) as line, line.makefile("rb") as heard:
        for body in says:
            line.sendall(b"\x0b" + body + b"\x1c\r")
            answer = b""
            while not answer.endswith(b"\x1c\r"):
                answer += heard.read(1)
            msa = next(part for part in answer.split(b"\r") if part.startswith(b"MSA")).decode().split("|")
            answers.append((body.split(b"|")[9].decode(), msa[1], msa[2]))
    return answers


def by_hapi(port: int, says: list[bytes], folder: Path) -> Answers:
    """HAPI 2.6 (Java), which matches MSA-2 by itself and waits for its own answer."""
    if shutil.which("javac") is None:
        missing("no JDK here (Debian: apt install default-jdk-headless)")
    jars = class_path(fetch(PEERS / "hapi-jars.lock"))
    sender = [str(PEERS / "HapiSender.java"), LOOPBACK, str(port), written(says, folder, b"\x1e")]
    return [_three(line) for line in ran(["java", "-cp", jars, *sender]).splitlines()]


def by_node(port: int, says: list[bytes], folder: Path) -> Answers:
    """node-hl7-client 3.2.0."""
    sender = str(node_peer() / "sender.mjs")
    return [_three(line) for line in ran(["node", sender, str(port), written(says, folder, b"\x1e")]).splitlines()]


def by_python_hl7(port: int, says: list[bytes], folder: Path) -> Answers:
    """python-hl7 0.4.5's `mllp_send`; its answers read by its own parser."""
    if find_spec("hl7") is None:
        missing("python-hl7 is not installed here: pip install hl7")
    import hl7

    framed = written([b"\x0b" + body + b"\x1c\r" for body in says], folder, b"")
    told = ran([sys.executable, "-m", "hl7.client", "--port", str(port), "--file", framed, LOOPBACK])
    answers = [hl7.parse(text.strip("\x0b\n\r")) for text in told.split("\x1c") if text.strip()]
    sent = [body.split(b"|")[9].decode() for body in says]
    return [(c, str(a.segment("MSA")(1)), str(a.segment("MSA")(2))) for c, a in zip(sent, answers, strict=True)]


def _three(line: str) -> tuple[str, str, str]:
    sent, code, answered = line.split()
    return sent, code, answered


def node_peer() -> Path:
    """The folder with the locked packages, installed once into the cache."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        missing("no node and npm here to send with node-hl7-client: apt install nodejs npm")
    source = PEERS / "node"
    lock = (source / "package-lock.json").read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "orloop"
    home = cache / f"node-peers-{hashlib.sha256(lock).hexdigest()[:12]}"
    home.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", "sender.mjs"):
        shutil.copy(source / name, home / name)
    if not (home / "node_modules" / "node-hl7-client").is_dir():
        done = subprocess.run(
            [str(npm), "ci", "--silent", "--no-audit", "--no-fund"], cwd=home, capture_output=True, timeout=90
        )
        if done.returncode:
            missing("npm could not fetch node-hl7-client: is a registry reachable?")
    return home


SENDERS = dict(zip(SOURCES, (by_socket, by_hapi, by_node, by_python_hl7), strict=True))


def a_mixed_morning(source: str) -> list[bytes]:
    """90 messages of the drawn day and four odd ones; every fifth asks for its answer in enhanced mode."""
    says = [said.body for said in draw("SAME", 90)]
    says += [f"MSH|^~\\&|SAME|DEMO|ORLOOP|ORLOOP|20260302130000+0000||{text}".encode() for text in EXTRA]
    says[::5] = [body.replace(b"|2.5.1||||||", b"|2.5.1|||AL|NE||", 1) for body in says[::5]]
    return [body.replace(b"SAME", source.encode()) for body in says]


@pytest.fixture(scope="module")
def stand(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """One ingest that hears four sources, each of a suite of its own; event time stands still."""
    names = {source: f"peer{os.getpid()}{source.lower()}" for source in SOURCES}
    ours = Stand(tmp_path_factory.mktemp("peers"), site_file(names=names), broker, rate=0).start()
    yield ours
    ours.stop()


@pytest.fixture(scope="module")
def reference(stand: Stand, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What the log says after a plain socket has sent the morning."""
    answers = by_socket(stand.port, a_mixed_morning("SOCK"), tmp_path_factory.mktemp("sock"))
    assert {code for _, code, _ in answers} == {"AA", "CA"}
    log = events_of(stand, "SOCK")
    told = Counter(line.split()[0] for line in log)
    assert told["CaseScheduled"] > 30
    assert told["MilestoneRecorded"] > 15
    return log


def events_of(stand: Stand, source: str) -> list[str]:
    """The suite's events in order, with ids numbered as they come, so that two suites can be compared."""
    suite = f"peer{os.getpid()}{source.lower()}"
    names: dict[str, str] = {}
    found = []
    stand.drained()
    stand.settle(lambda: stand.held(messages.SUITE_EVENTS), 0, within=30, quiet=0.4)
    for record in read(stand.broker.bootstrap, messages.SUITE_EVENTS):
        kind = record.headers["ce_type"].removeprefix("orloop.")
        if record.headers.get("ce_subject") == suite and kind not in ("ClockTicked", "FeedWentSilent", "FeedReturned"):
            text = record.value.decode().replace(suite, "SUITE").replace(source, "SAME")
            numbered = re.sub(r"\b[cp]?[0-9a-f]{14,}", lambda m: names.setdefault(m[0], f"#{len(names)}"), text)
            found.append(f"{kind} {numbered}")
    return found


def plain(body: bytes) -> list[str]:
    """A message as engines may write it again: the end of a segment without what is empty."""
    lines = [line.rstrip("|^~&") for line in body.decode().split("\r") if line]
    return [line.replace("\\XC3A4\\", "\u00e4") for line in lines]


@pytest.mark.parametrize("source", SOURCES[1:])
def test_a_peer_that_we_did_not_write_is_heard_as_any_other(
    source: str, stand: Stand, reference: list[str], tmp_path: Path
) -> None:
    says = a_mixed_morning(source)
    answers = SENDERS[source](stand.port, says, tmp_path)

    assert [sent for sent, _, _ in answers] == [body.split(b"|")[9].decode() for body in says]
    assert [sent for sent, _, _ in answers] == [answered for _, _, answered in answers]
    enhanced = [b"|AL|NE|" in body for body in says]
    assert [code for _, code, _ in answers] == ["CA" if asked else "AA" for asked in enhanced]

    heard = events_of(stand, source)
    kept = dict(bodies(stand.broker.bootstrap, stand.key, {source}))
    assert [plain(kept[sent]) for sent, _, _ in answers] == [plain(body) for body in says]
    assert heard == reference


def test_no_name_of_the_morning_is_in_clear(stand: Stand, reference: list[str]) -> None:
    seen = [stand.log, stand.metrics(), *reference]
    for topic in (messages.HL7_RAW, messages.CASE_IDENTITY, f"{messages.HL7_RAW}.dlq"):
        seen += [record.value.decode("utf-8", "replace") for record in read(stand.broker.bootstrap, topic)]
    assert [word for word in CANARIES for text in seen if word in text] == []
