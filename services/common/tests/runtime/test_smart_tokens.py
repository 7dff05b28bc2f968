"""SMART backend services: a token is asked for with a signed statement, kept while it holds, then renewed."""

from datetime import timedelta
from urllib.parse import parse_qs

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from orloop_common.runtime import ConfigurationError
from orloop_common.runtime.smart import SmartAuth, SmartRefused
from orloop_common.testing import ManualClock

URL = "https://login.example/token"
EC = ec.generate_private_key(ec.SECP384R1())
RSA = rsa.generate_private_key(65537, 2048)


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


class Server:
    """Hands out tokens 1, 2, 3; only the newest opens the door."""

    def __init__(self, life: int = 300, status: int = 200) -> None:
        self.given, self.life, self.status = 0, life, status
        self.forms: list[dict[str, list[str]]] = []
        self.revoked = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            self.forms.append(parse_qs(request.content.decode()))
            if self.status != 200:
                return httpx.Response(self.status, json={"error": "invalid_client", "error_description": "Zimtstern"})
            self.given += 1
            return httpx.Response(200, json={"access_token": f"t{self.given}", "expires_in": self.life})
        fine = request.headers["Authorization"] == f"Bearer t{self.given}" and not self.revoked
        self.revoked = False
        return httpx.Response(200 if fine else 401)


def client(server: Server, clock: ManualClock, key: bytes = pem(EC)) -> httpx.Client:
    auth = SmartAuth(URL, "orloop", key, clock, "system/Appointment.u", "k1")
    return httpx.Client(transport=httpx.MockTransport(server), auth=auth, base_url="https://fhir.example")


@pytest.mark.parametrize(("key", "algorithm"), [(EC, "ES384"), (RSA, "RS384")])
def test_the_statement_names_us_the_server_and_a_number_used_once(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, algorithm: str
) -> None:
    server, clock = Server(life=1), ManualClock()
    with client(server, clock, pem(key)) as door:
        assert door.get("/Appointment").status_code == 200
        clock.advance(timedelta(seconds=5))
        assert door.get("/Appointment").status_code == 200
    numbers = set()
    for form in server.forms:
        assert form["grant_type"] == ["client_credentials"]
        assert form["scope"] == ["system/Appointment.u"]
        said = jwt.decode(
            form["client_assertion"][0],
            key.public_key(),
            algorithms=[algorithm],
            audience=URL,
            options={"verify_exp": False, "verify_iat": False},
        )
        assert said["iss"] == said["sub"] == "orloop"
        assert said["exp"] - said["iat"] <= 300
        numbers.add(said["jti"])
    assert len(numbers) == 2


def test_a_token_is_kept_while_it_holds() -> None:
    server = Server()
    with client(server, ManualClock()) as door:
        assert [door.get("/x").status_code for _ in range(3)] == [200] * 3
    assert server.given == 1


def test_a_token_that_was_revoked_is_renewed_once() -> None:
    server = Server()
    with client(server, ManualClock()) as door:
        door.get("/x")
        server.revoked = True
        assert door.get("/x").status_code == 200
    assert server.given == 2


def test_a_refusal_names_the_servers_code_and_nothing_more() -> None:
    with client(Server(status=400), ManualClock()) as door, pytest.raises(SmartRefused) as told:
        door.get("/x")
    assert "400 invalid_client" in str(told.value)
    assert "Zimtstern" not in str(told.value)


def test_a_key_that_is_none_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="Expected a private key"):
        SmartAuth(URL, "orloop", b"nothing", ManualClock(), "system/*.rs")
