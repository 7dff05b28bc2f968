"""TLS and mutual TLS on a real socket: certificates of our own making, and whom they speak for."""

import asyncio
import datetime as dt
import socket
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from orloop_common.runtime.errors import ConfigurationError
from orloop_common.runtime.mllp import encode_frame
from orloop_ingest.adapters.mllp import Limits, MllpDoor
from orloop_ingest.adapters.tls import server_context
from orloop_ingest.domain.subjects import names_of, parse_subjects, sources_of

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


class Authority:
    """A certificate authority in a folder."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self.folder, self.key = folder, ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.path = self._write(f"{name}.pem", self._certify(self.name, self.key.public_key(), authority=True), None)

    def issue(self, name: str) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._certify(subject, key.public_key(), authority=False)
        path = self._write(f"{name}.pem", certificate, None)
        return path, self._write(f"{name}.key", None, key)

    def _certify(self, subject, public, *, authority):
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW)
            .not_valid_after(NOW + dt.timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if not authority:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def _write(self, name, certificate, key):
        path = self.folder / name
        if certificate is not None:
            path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        else:
            pem = serialization.PrivateFormat.PKCS8
            path.write_bytes(key.private_bytes(serialization.Encoding.PEM, pem, serialization.NoEncryption()))
        return path


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


class Kept:
    """An intake that takes everything at once."""

    def __init__(self, reception):
        self.reception, self.full, self.arrivals = reception, False, []

    def admit(self, arrival, owner):
        self.arrivals.append(arrival)
        owner.durable()
        owner.mapped()

    def forget(self, arrival):
        pass


async def ask(door, intake, body, client: ssl.SSLContext | None):
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    serving = asyncio.ensure_future(door.serve(listener, intake))
    await asyncio.sleep(0.05)
    try:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", listener.getsockname()[1], ssl=client, server_hostname="localhost" if client else None
        )
        writer.write(encode_frame(body))
        answer = await asyncio.wait_for(reader.read(65536), 5)
        writer.close()
        return answer
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


def door_of(desk, authority, subjects: str = "", ca: Path | None = None):
    certificate, key = authority.issue("orloop")
    context = server_context(certificate, key, ca)
    return MllpDoor(desk.clock, Limits(frame_bytes=2**20), tls=context, subjects=parse_subjects(subjects))


def client_of(authority, name: str | None = None):
    context = ssl.create_default_context(cafile=str(authority.path))
    if name is not None:
        context.load_cert_chain(*authority.issue(name))
    return context


def test_a_message_over_tls_is_acknowledged(desk, siu, authority):
    answer = asyncio.run(ask(door_of(desk, authority), Kept(desk.reception), siu(), client_of(authority)))
    assert b"MSA|AA|M1" in answer


@pytest.mark.parametrize(
    ("subjects", "code"), [("engine-1=TWIN", b"AA"), ("engine-1=LAB", b"AR"), ("else=TWIN", b"AR")]
)
def test_a_certificate_speaks_for_its_own_sources_alone(desk, siu, authority, subjects, code):
    door = door_of(desk, authority, subjects, authority.path)
    intake = Kept(desk.reception)
    answer = asyncio.run(ask(door, intake, siu(), client_of(authority, "engine-1")))
    assert b"MSA|%s|M1" % code in answer
    assert (intake.arrivals[0].header.fault is None) == (code == b"AA")


def test_a_sender_without_a_certificate_of_the_authority_gets_nothing(desk, siu, authority, tmp_path):
    door = door_of(desk, authority, ca=authority.path)
    (tmp_path / "other").mkdir()
    stranger = Authority(tmp_path / "other", "other-ca")
    theirs = client_of(authority)
    theirs.load_cert_chain(*stranger.issue("engine-1"))
    for client in (client_of(authority), theirs):
        intake = Kept(desk.reception)
        try:
            answer = asyncio.run(ask(door, intake, siu(), client))
        except (ssl.SSLError, ConnectionError):
            answer = b""
        assert answer == b""
        assert intake.arrivals == []


def test_plaintext_on_the_tls_door_gets_nothing(desk, siu, authority):
    intake = Kept(desk.reception)
    try:
        answer = asyncio.run(ask(door_of(desk, authority), intake, siu(), None))
    except ConnectionError:
        answer = b""
    assert b"MSA" not in answer
    assert intake.arrivals == []


def test_wrong_files_are_a_configuration_error_that_shows_no_key(authority, tmp_path):
    certificate, _ = authority.issue("one")
    _, key = authority.issue("two")
    for key_path in (key, tmp_path / "nowhere"):
        with pytest.raises(ConfigurationError, match="ORLOOP_MLLP_TLS_CERT: Expected a certificate"):
            server_context(certificate, key_path, None)


def test_subjects_are_read_and_looked_up():
    subjects = parse_subjects("engine-1=EPIC+LAB, engine-1=MORE,cn=x=CERNER")
    assert subjects == {"engine-1": {"EPIC", "LAB", "MORE"}, "cn=x": {"CERNER"}}
    certificate = {"subject": ((("commonName", "engine-1"),),), "subjectAltName": (("DNS", "cn=x"), ("IP", "::1"))}
    assert names_of(certificate) == ["engine-1", "cn=x"]
    assert sources_of(certificate, subjects) == {"EPIC", "LAB", "MORE", "CERNER"}
    assert sources_of(None, subjects) == frozenset()
    for wrong in ("engine-1", "=EPIC", "engine-1="):
        with pytest.raises(ValueError, match="Expected NAME=SOURCE"):
            parse_subjects(wrong)
