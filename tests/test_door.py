"""The door: whoever is refused hears why, and nothing of a request is trusted that its sender can make up."""

from __future__ import annotations

import base64
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI, Request
from starlette.testclient import TestClient

from codegen_ui.door.answers import HEADERS
from codegen_ui.door.bodies import MAX_BODY_BYTES
from codegen_ui.door.door import Door, Rules
from codegen_ui.door.gate import FAILURES_A_MINUTE, Gate, read_users
from codegen_ui.door.hosts import Hosts, known_hosts
from codegen_ui.door.users import main as write_user
from codegen_ui.door.users import write_user as add_user
from codegen_ui.door.visitors import visitor_name
from codegen_ui.errors import InvalidInput

PASSWORD = "correct horse battery"


def make_app(rules: Rules, gate: Gate) -> FastAPI:
    """Answers everywhere with who it thinks asks."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.api_route("/{path:path}", methods=["GET", "POST", "HEAD", "PUT"])
    async def answer(request: Request, path: str) -> dict[str, Any]:
        body = await request.body()
        return {"visitor": request.scope["codegen_ui.visitor"], "length": len(body), "base": str(request.base_url)}

    app.add_middleware(Door, rules=rules, gate=gate)
    return app


@contextmanager
def door(rules: Rules | None = None, gate: Gate | None = None, address: str = "192.0.2.7") -> Iterator[TestClient]:
    """A client of the door that comes from `address`."""
    app = make_app(rules or Rules(), gate or Gate())
    with TestClient(app, base_url="http://127.0.0.1:7860", client=(address, 50000)) as client:
        yield client


class TestHosts:
    @pytest.mark.parametrize("host", ["localhost:7860", "127.0.0.1", "[::1]:80", "192.0.2.1:7860", "app.localhost"])
    def test_addresses_and_loopbacks_names_are_known(self, host: str) -> None:
        with door() as client:
            assert client.get("/", headers={"Host": host}).status_code == 200

    @pytest.mark.parametrize("host", ["evil.example", "evil.example:7860", "localhost.evil.example", "", "127.0.0.1.x"])
    def test_another_sites_name_is_refused(self, host: str) -> None:
        with door() as client:
            refused = client.get("/", headers={"Host": host})
            assert refused.status_code == 421
            assert "--allowed-hosts" in refused.json()["detail"]

    def test_operators_allow_names_and_whole_domains(self) -> None:
        with door(Rules(allowed_hosts=("box.example", "*.lab.example"))) as client:
            answers = {name: client.get("/", headers={"Host": name}).status_code for name in (
                "BOX.example:80", "a.lab.example", "a.b.lab.example.", "lab.example", "xlab.example",
            )}  # fmt: skip
        assert answers == {
            "BOX.example:80": 200, "a.lab.example": 200, "a.b.lab.example.": 200, "lab.example": 421,
            "xlab.example": 421,
        }  # fmt: skip

    @pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://192.0.2.66", "http://[::", "x"])
    def test_another_sites_page_cannot_post(self, origin: str) -> None:
        with door() as client:
            refused = client.post("/gradio_api/queue/join", json={}, headers={"Origin": origin})
            assert (refused.status_code, refused.json()["error"]["code"]) == (403, "foreign_origin")

    def test_our_own_page_and_programs_can(self) -> None:
        with door() as client:
            for headers in ({"Origin": "http://127.0.0.1:7860"}, {"Origin": "https://localhost"}, {}):
                assert client.post("/gradio_api/queue/join", json={}, headers=headers).status_code == 200

    def test_the_name_that_the_server_listens_on_is_known(self) -> None:
        assert Hosts(known_hosts("box.lan"))._named("box.lan")


class TestBodies:
    def test_one_limit_holds_for_every_route_whether_the_length_is_told_or_not(self) -> None:
        body = b"x" * (MAX_BODY_BYTES + 1)

        def chunks() -> Iterator[bytes]:
            for start in range(0, len(body), 100_000):
                yield body[start : start + 100_000]

        with door() as client:
            for path in ("/gradio_api/queue/join", "/gradio_api/run/predict", "/gradio_api/cancel", "/v1/completions"):
                for content in (body, chunks()):
                    assert client.post(path, content=content).status_code == 413
                assert client.post(path, content=body[:-1]).json()["length"] == MAX_BODY_BYTES

    def test_a_length_that_is_no_number_is_none(self) -> None:
        with door() as client:
            assert client.post("/v1/x", content=b"ab", headers={"Content-Length": "9" * 30}).status_code in (200, 413)


class TestVisitors:
    def test_a_forwarded_address_counts_from_a_trusted_proxy_alone(self) -> None:
        forwarded = {"X-Forwarded-For": "198.51.100.9", "X-Forwarded-Host": "evil.example"}
        with door() as client:
            answer = client.get("/", headers=forwarded).json()
            assert answer == {"visitor": "192.0.2.7", "length": 0, "base": "http://127.0.0.1:7860/"}
        with door(Rules(trusted_proxies=("192.0.2.0/24",))) as client:
            assert client.get("/", headers=forwarded).json()["visitor"] == "198.51.100.9"
            chained = {"X-Forwarded-For": "203.0.113.1, 198.51.100.9, 192.0.2.8"}
            assert client.get("/", headers=chained).json()["visitor"] == "198.51.100.9"

    def test_a_proxy_that_nobody_trusts_is_told_of_once(self, caplog: pytest.LogCaptureFixture) -> None:
        with door() as client:
            for _ in range(3):
                client.get("/", headers={"X-Forwarded-For": "198.51.100.9"})
        assert len([line for line in caplog.messages if "--trusted-proxies" in line]) == 1

    @pytest.mark.parametrize(
        ("address", "name"),
        [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
            ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
            ("fe80::1%eth0", "fe80::/64"),
            ("testclient", "testclient"),
        ],
    )
    def test_a_visitor_is_an_address_or_an_ipv6_network(self, address: str, name: str) -> None:
        assert visitor_name(address) == name


class TestRates:
    def test_too_many_requests_of_one_visitor_are_refused_with_a_time_to_wait(self) -> None:
        app = make_app(Rules(requests_per_minute=5), Gate())
        one = TestClient(app, base_url="http://127.0.0.1", client=("192.0.2.7", 1))
        other = TestClient(app, base_url="http://127.0.0.1", client=("192.0.2.8", 1))
        statuses = [one.get("/").status_code for _ in range(12)]
        assert statuses[:5] == [200] * 5
        assert statuses[-1] == 429
        refused = one.get("/")
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert refused.json()["error"]["type"] == "rate_limit_error"
        assert other.get("/").status_code == 200
        assert one.get("/healthz").status_code == 200
        assert one.get("/assets/x.js").status_code == 200

    def test_a_flood_of_refusals_is_no_flood_of_log_lines(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING), door(Rules(requests_per_minute=1)) as client:
            for _ in range(50):
                client.get("/")
        assert 0 < len(caplog.messages) < 10

    def test_a_path_cannot_forge_a_log_line(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING), door() as client:
            client.get("/x%0aERROR%20forged%1b[31m")
        assert all("\n" not in line and "\x1b" not in line for line in caplog.messages)
        assert "forged" in caplog.text


class TestHeaders:
    def test_answers_and_refusals_alike_carry_them_once(self) -> None:
        with door() as client:
            for answer in (client.get("/"), client.get("/nowhere"), client.get("/", headers={"Host": "evil.example"})):
                for name, value in HEADERS:
                    assert answer.headers.get_list(name.decode()) == [value.decode()]


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What makes a password dear to guess makes it as dear to try."""
    cheap = partial(PasswordHasher, time_cost=1, memory_cost=8, parallelism=1)
    for module in ("gate", "users"):
        monkeypatch.setattr(f"codegen_ui.door.{module}.PasswordHasher", cheap)


@pytest.fixture
def users(tmp_path: Path) -> Path:
    file = tmp_path / "users"
    add_user(file, "ann", PASSWORD)
    return file


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


class TestGate:
    def test_users_pass_everywhere_and_nobody_else_does(self, users: Path) -> None:
        with door(gate=Gate(users=read_users(users))) as client:
            for path in (
                "/",
                "/config",
                "/gradio_api/queue/data",
                "/assets/x.js",
                "/metrics",
                "/docs",
            ):
                refused = client.get(path)
                assert refused.status_code == 401
                assert refused.headers["www-authenticate"].startswith("Basic ")
                assert client.get(path, headers=basic("ann", PASSWORD)).status_code == 200
            for wrong in (
                basic("ann", "wrong"),
                basic("bob", PASSWORD),
                {"Authorization": "Basic not-base64!"},
                basic("", ""),
            ):
                assert client.get("/", headers=wrong).status_code == 401
            assert client.get("/healthz").status_code == 200

    def test_a_password_is_hashed_once_and_never_compared_in_plain(self, users: Path) -> None:
        gate = Gate(users=read_users(users))
        checks = 0
        verify = gate._verifies

        def counted(known: str | None, password: str) -> bool:
            nonlocal checks
            checks += 1
            return verify(known, password)

        gate._verifies = counted  # type: ignore[method-assign]
        with door(gate=gate) as client:
            for _ in range(5):
                assert client.get("/", headers=basic("ann", PASSWORD)).status_code == 200
            assert checks == 1
            client.get("/", headers=basic("bob", PASSWORD))
            assert checks == 2, "an unknown name takes as long as a known one"

    def test_guessing_passwords_is_slowed_down(self, users: Path) -> None:
        with door(gate=Gate(users=read_users(users))) as client:
            guesses = [basic("ann", f"guess{number}") for number in range(2 * FAILURES_A_MINUTE)]
            statuses = [client.get("/", headers=guess).status_code for guess in guesses]
            assert statuses[:FAILURES_A_MINUTE] == [401] * FAILURES_A_MINUTE
            assert statuses[-1] == 429
            refused = client.get("/", headers=basic("ann", PASSWORD))
            assert refused.status_code == 429, "the right one as well: else guessing would tell"
            assert int(refused.headers["retry-after"]) >= 1

    def test_with_keys_the_page_and_its_generate_ask_for_one_unless_the_operator_opens_it(self) -> None:
        paths = ("/gradio_api/call/generate", "/gradio_api/queue/join", "/gradio_api/run/predict")
        with door(gate=Gate(keys={"sk-one"})) as client:
            for path in paths:
                assert client.post(path, json={}).status_code == 401
                assert client.post(path, json={}, headers={"Authorization": "Bearer sk-one"}).status_code == 200
                assert client.post(path, json={}, headers=basic("anyone", "sk-one")).status_code == 200
            assert client.get("/").headers["www-authenticate"].startswith("Basic "), "a browser asks for it"
            assert client.get("/metrics").status_code == 200
        with door(Rules(open_page=True), Gate(keys={"sk-one"})) as client:
            for path in paths:
                assert client.post(path, json={}).status_code == 200


class TestUsersFile:
    def test_the_command_writes_and_replaces_a_line(self, tmp_path: Path) -> None:
        file = tmp_path / "users"
        for name, password in (("ann", "first password"), ("bob", "other password"), ("ann", "second password")):
            command = [sys.executable, "-m", "codegen_ui.door.users", str(file), name]
            done = subprocess.run(
                command, input=f"{password}\n", capture_output=True, text=True, check=True, timeout=60
            )
            assert password not in done.stdout
        text = file.read_text()
        assert "password" not in text
        assert text.count("$m=65536,t=3,p=4$") == 2, "as dear to guess as Argon2's authors advise"
        assert [line.partition(":")[0] for line in text.splitlines()] == ["ann", "bob"]
        assert file.stat().st_mode & 0o077 == 0
        with door(gate=Gate(users=read_users(file))) as client:
            assert client.get("/", headers=basic("ann", "second password")).status_code == 200
            assert client.get("/", headers=basic("ann", "first password")).status_code == 401

    @pytest.mark.parametrize("name", ["", "a:b", " a", "#a", "a\nb"])
    def test_a_name_that_a_line_cannot_hold_is_refused(self, tmp_path: Path, name: str) -> None:
        assert write_user([str(tmp_path / "users"), name]) == 2
        assert not (tmp_path / "users").exists()

    @pytest.mark.parametrize("text", ["", "ann\n", "ann:password\n", "ann:$2b$12$abcdefghijklmnopqrstuv\n"])
    def test_a_file_without_usable_users_is_refused(self, tmp_path: Path, text: str) -> None:
        file = tmp_path / "users"
        file.write_text(text)
        with pytest.raises(InvalidInput, match="auth_file"):
            read_users(file)


def test_a_refusal_is_read_by_openais_clients_and_by_gradios() -> None:
    with door() as client:
        body = json.loads(client.get("/nowhere").text)
    assert body["detail"] == body["error"]["message"]
    assert body["error"].keys() == {"message", "type", "param", "code"}
