"""What the API gives a browser for its ICE, asked as whoever has logged in. No test."""

import time
from typing import Any

import httpx

from tandem.adapters.sqlite import open_database
from tandem.testing.machine import Machine
from tandem.web.logging_in import ensure_admin


def ice_servers(machine: Machine) -> list[dict[str, Any]]:
    """RTCConfiguration.iceServers, of GET /api/ice-servers."""
    http = f"http://{machine.state.http}"
    connection = open_database(machine.config.database)
    password = ensure_admin(connection, time.time_ns() // 1_000)
    connection.close()
    assert 401 == httpx.get(f"{http}/api/ice-servers").status_code
    login = httpx.post(f"{http}/api/login", json={"login": "admin", "password": password})
    head = {"Authorization": f"Bearer {login.json()['token']}"}
    said = httpx.get(f"{http}/api/ice-servers", headers=head)
    assert 200 == said.status_code, said.text
    found: list[dict[str, Any]] = said.json()["iceServers"]
    return found
