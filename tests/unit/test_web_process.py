"""`python -m tandem.web` as the supervisor starts it: on an inherited socket, until SIGTERM, whether or not there is a node."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

from tandem.adapters.sqlite import open_database
from tandem.web.logging_in import ensure_admin

from .console import Recorded, serving


def started(directory: Path, listening: socket.socket) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tandem.web"],
        env={
            **os.environ,
            "TANDEM_CONFIG": str(directory / "tandem.toml"),
            "TANDEM_FDS": json.dumps({"http": listening.fileno()}),
        },
        pass_fds=(listening.fileno(),),
        stderr=subprocess.PIPE,
    )


def test_it_serves_an_inherited_socket_and_stops_cleanly(tmp_path: Path) -> None:
    (tmp_path / "tandem.toml").write_text('[sip]\nlisten = ["udp:127.0.0.1:0"]\n')
    run = tmp_path / "var" / "run"
    run.mkdir(parents=True)
    connection = open_database(tmp_path / "var" / "tandem.sqlite")
    password = ensure_admin(connection, time.time_ns() // 1000)
    connection.close()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        process = started(tmp_path, listening)
        try:
            # requests that come before it serves wait in the socket
            with httpx.Client(base_url=url, timeout=20) as client:
                assert 200 == client.get("/healthz").status_code
                assert ["call node is not reachable"] == client.get("/readyz").json()["reasons"]
                said = client.post("/api/login", json={"login": "admin", "password": password})
                client.headers["Authorization"] = "Bearer " + said.json()["token"]
                assert 503 == client.get("/api/calls").status_code
                with serving(run / "control.sock", Recorded()):
                    assert 200 == client.get("/readyz").status_code
                    assert 2 == len(client.get("/api/calls").json()["items"])
                assert 503 == client.get("/api/calls").status_code
                with serving(run / "control.sock", Recorded()):  # a restarted node is found again
                    assert 2 == len(client.get("/api/calls").json()["items"])
        finally:
            process.send_signal(signal.SIGTERM)
            _, told = process.communicate(timeout=15)
        assert 0 == process.returncode, told
        assert password and password.encode() not in told
        process = started(tmp_path, listening)  # the next one finds the same socket and database
        with httpx.Client(base_url=url, timeout=20) as client:
            assert (
                201
                == client.post(
                    "/api/login", json={"login": "admin", "password": password}
                ).status_code
            )
        process.kill()
        process.communicate(timeout=15)


def test_a_configuration_that_cannot_be_used_is_told_and_ends_it(tmp_path: Path) -> None:
    (tmp_path / "tandem.toml").write_text("[http]\nlisten = 7\n")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        process = started(tmp_path, listening)
        _, told = process.communicate(timeout=20)
    assert 2 == process.returncode
    assert b"http.listen" in told or b"listen" in told
