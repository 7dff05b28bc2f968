"""The connection to the hospital: TLS with certificates, enhanced-mode acknowledgements, withdrawal between tries."""

import datetime as dt
import ipaddress
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from writing_back import a_step

from orloop_common.runtime import ConfigurationError, SystemClock
from orloop_writeback.adapters.courier import Courier, NoAnswer, Patience
from orloop_writeback.adapters.mllp import MllpClient
from orloop_writeback.adapters.tls import client_context
from orloop_writeback.domain.message import Answer

BODY = b"MSH|^~\\&|ORLOOP|ORLOOP|TWIN|DEMO|20260302||SIU^S13^SIU_S12|M1|P|2.5.1\r"


def told(code: str, control: str = "M1", text: str = "", own: str = "A1", wants: str = "") -> bytes:
    header = f"MSH|^~\\&|TWIN|DEMO|ORLOOP|ORLOOP|20260302||ACK^S13^ACK|{own}|P|2.5.1|||{wants}"
    return f"{header}\rMSA|{code}|{control}|{text}\r".encode()


@pytest.fixture
def client() -> Iterator[Callable[..., MllpClient]]:
    """`client(port, tls=...)` makes one that waits 0.4 s; all are closed in the end."""
    made: list[MllpClient] = []

    def make(port: int, **more: Any) -> MllpClient:
        made.append(MllpClient("127.0.0.1", port, SystemClock(), 0.4, **more))
        return made[-1]

    yield make
    for one in made:
        one.close()


class TestEnhanced:
    def test_a_commit_and_then_the_applications_word(self, client: Any, hospital: Any) -> None:
        there = hospital(lambda n, _: told("CA") if n == 1 else b"")
        link = client(there.port, enhanced=True)
        threading.Timer(0.1, lambda: there.push(told("AE", text="no bed", own="X9", wants="AL"))).start()
        reply = link.ask(BODY, "M1")
        assert (reply.accepted, reply.code, reply.text) == (False, "AE", "no bed")
        deadline = time.monotonic() + 2
        while len(there.received) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert b"MSA|CA|X9" in there.received[1]

    def test_a_commit_alone_counts_and_is_not_sent_again(self, client: Any, hospital: Any) -> None:
        there = hospital(lambda *_: told("CA"))
        link = client(there.port, enhanced=True)
        assert link.ask(BODY, "M1").accepted
        assert len(there.received) == 1

    @pytest.mark.parametrize("code", ["CE", "CR"])
    def test_a_commit_that_is_refused_is_a_refusal(self, client: Any, hospital: Any, code: str) -> None:
        there = hospital(lambda *_: told(code, text="bad header"))
        reply = client(there.port, enhanced=True).ask(BODY, "M1")
        assert (reply.accepted, reply.text) == (False, "bad header")

    def test_in_original_mode_a_commit_is_the_last_word(self, client: Any, hospital: Any) -> None:
        there = hospital(lambda *_: told("CA"))
        begun = time.monotonic()
        assert client(there.port).ask(BODY, "M1").accepted
        assert time.monotonic() - begun < 0.3


def test_an_answer_with_other_delimiters_is_understood(client: Any, hospital: Any) -> None:
    answer = told("AE", text="closed").replace(b"|", b"#")
    there = hospital(lambda *_: answer)
    reply = client(there.port).ask(BODY, "M1")
    assert (reply.accepted, reply.text) == (False, "closed")


def test_a_late_answer_of_an_earlier_try_is_passed_over(client: Any, hospital: Any) -> None:
    there = hospital(lambda *_: told("AA", "M0"))
    threading.Timer(0.1, lambda: there.push(told("AR", text="no"))).start()
    assert client(there.port).ask(BODY, "M1").text == "no"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        ("ERR|||207^Application internal error^HL70357^^^^^^no bed|E", "no bed"),
        ("ERR|||207^Application internal error^HL70357|E|||see 7", "see 7"),
        ("ERR|||207^Application internal error^HL70357|E|||see 7|no bed", "no bed"),
        ("ERR|||207^Application internal error^HL70357|E", "Application internal error"),
        ("ERR|SCH^1^2^101", "SCH^1^2^101"),
    ],
)
def test_the_reason_is_found_wherever_an_engine_puts_it(client: Any, hospital: Any, error: str, text: str) -> None:
    there = hospital(lambda *_: told("AE") + error.encode() + b"\r")
    assert client(there.port).ask(BODY, "M1").text == text


# --- withdrawal ------------------------------------------------------------------------------------


@pytest.fixture
def courier(client: Any) -> Iterator[Any]:
    stop = threading.Event()
    threads: list[threading.Thread] = []

    def start(port: int, patience: Patience) -> Courier:
        made = Courier(client(port), patience, SystemClock(), stop)
        threads.append(threading.Thread(target=made.run, daemon=True))
        threads[-1].start()
        return made

    yield start
    stop.set()
    for thread in threads:
        thread.join(5)


def answers_of(courier: Courier, number: int = 1) -> list[Answer]:
    found: list[Answer] = []
    deadline = time.monotonic() + 5
    while len(found) < number and time.monotonic() < deadline:
        found += courier.answers()
        time.sleep(0.005)
    return found


def test_a_change_that_is_withdrawn_between_two_tries_is_not_tried_again(hospital: Any, courier: Any) -> None:
    there = hospital(lambda *_: None)
    carrier = courier(there.port, Patience(6, 5.0, 5.0))
    carrier.send(a_step(), BODY, ())
    deadline = time.monotonic() + 3
    while not there.received and time.monotonic() < deadline:
        time.sleep(0.01)
    carrier.withdraw(a_step())
    (answer,) = answers_of(carrier)
    assert (answer.kind, answer.tries, len(there.received)) == ("withdrawn", 1, 1)


def test_a_change_that_is_withdrawn_before_its_first_try_never_leaves(hospital: Any, courier: Any) -> None:
    there = hospital(lambda *_: None)
    carrier = courier(there.port, Patience(3, 0.05, 0.05))
    carrier.send(a_step(case="knee"), BODY, ())
    carrier.send(a_step(), BODY, ())
    carrier.withdraw(a_step())
    assert [(a.step.case, a.kind, a.tries) for a in answers_of(carrier, 2)] == [
        ("knee", "unanswered", 3),
        ("hip", "withdrawn", 0),
    ]
    assert len(there.received) == 3


# --- TLS -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, the hospital's certificate for 127.0.0.1, ours, and a stranger's authority."""
    home = tmp_path_factory.mktemp("papers")
    for name in ("ca", "stranger"):
        key = ec.generate_private_key(ec.SECP256R1())
        authority = _certificate(name, key, name, key, authority=True)
        (home / f"{name}.pem").write_bytes(authority.public_bytes(Encoding.PEM))
        if name == "ca":
            for other in ("hospital", "us"):
                own = ec.generate_private_key(ec.SECP256R1())
                made = _certificate(other, own, name, key)
                (home / f"{other}.pem").write_bytes(made.public_bytes(Encoding.PEM))
                plain = own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
                (home / f"{other}.key").write_bytes(plain)
    return home


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, by: str, with_key: ec.EllipticCurvePrivateKey, authority: bool = False
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, by)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if not authority:
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(with_key, hashes.SHA256())


def guarded(papers: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(papers / "hospital.pem", papers / "hospital.key")
    context.load_verify_locations(papers / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def test_a_hospital_that_wants_a_certificate_gets_ours(client: Any, hospital: Any, papers: Path) -> None:
    there = hospital(lambda *_: told("AA"), tls=guarded(papers))
    context = client_context(papers / "ca.pem", papers / "us.pem", papers / "us.key")
    assert client(there.port, tls=context).ask(BODY, "M1").accepted


def test_without_our_certificate_it_does_not_answer(client: Any, hospital: Any, papers: Path) -> None:
    there = hospital(lambda *_: told("AA"), tls=guarded(papers))
    with pytest.raises(NoAnswer):
        client(there.port, tls=client_context(papers / "ca.pem")).ask(BODY, "M1")
    assert there.received == []


def test_a_hospital_that_a_stranger_vouches_for_gets_nothing(client: Any, hospital: Any, papers: Path) -> None:
    there = hospital(lambda *_: told("AA"), tls=guarded(papers))
    context = client_context(papers / "stranger.pem", papers / "us.pem", papers / "us.key")
    with pytest.raises(NoAnswer, match="SSLCertVerificationError"):
        client(there.port, tls=context).ask(BODY, "M1")
    assert there.received == []


def test_papers_that_are_missing_are_a_configuration_error(papers: Path) -> None:
    with pytest.raises(ConfigurationError, match="PEM files"):
        client_context(papers / "nowhere.pem")
    with pytest.raises(ConfigurationError, match="PEM files"):
        client_context(papers / "ca.pem", papers / "us.pem", papers / "hospital.key")
