"""Who may do what: the table is complete, it is obeyed, and no tenant sees another one's."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tandem.web.app import HANDLERS
from tandem.web.permissions import OPEN, PERMISSIONS, ROLES, scope
from tandem.web.tries import KEYS_MOST, TRIES_LOGIN, TRIES_SOURCE, WINDOW_SECONDS, Tries

from .console import LIVE_A, LIVE_B, PASSWORD, PAST_A, PAST_B, Console, console

USER = "alice@a.example"
LOGINS = {"admin": "root", "operator": "desk", "user": USER}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    with console(tmp_path_factory.mktemp("web")) as made:
        yield made


def routes() -> list[tuple[str, str, str]]:
    """name, method, path of every route."""
    return [
        (handler.name, next(iter(handler.http_methods)), next(iter(handler.paths)))
        for handler in HANDLERS
    ]


def test_every_route_is_in_the_table_and_the_table_has_no_other() -> None:
    assert set(PERMISSIONS) | OPEN - {"openapi"} == {name for name, _, _ in routes()}


def test_nobody_may_do_what_is_not_in_the_table() -> None:
    assert "none" == scope("tenants.explode", "admin", "")
    assert "none" == scope("tenants.list", "emperor", "")
    assert "none" == scope("tenants.add", "admin", "a")


@pytest.mark.parametrize("role", ROLES)
def test_each_role_gets_403_where_the_table_says_so_and_nowhere_else(
    desk: Console, role: str
) -> None:
    for name, method, path in routes():
        if name in OPEN or name == "logout":
            continue
        # things that do not exist: what is allowed then fails later, by 400 or 404, and changes nothing
        at = path.replace("{tenant:str}", "none").replace("{number:int}", "99")
        for parameter in ("id", "user", "login", "token", "aor"):
            at = at.replace(f"{{{parameter}:str}}", "none")
        said = desk.ask(LOGINS[role], method, at)
        refused = scope(name, role, "") == "none"
        assert refused == (403 == said.status_code), (role, name, said.status_code, said.text)
        assert 500 != said.status_code, (name, said.text)
        problem = desk.client.request(method, at)
        assert 401 == problem.status_code, name


@pytest.mark.parametrize("login", ["desk-a", "admin-a", USER])
def test_a_tenant_never_reads_or_changes_another(desk: Console, login: str) -> None:
    others = [
        ("GET", "/api/tenants/b", None), ("GET", "/api/tenants/b/users", None), ("GET", "/api/tenants/b/users/alice", None),
        ("PATCH", "/api/tenants/b/users/alice", {"enabled": False}), ("DELETE", "/api/tenants/b/users/alice", None),
        ("PUT", "/api/tenants/b/users/alice/password", {"password": PASSWORD}), ("DELETE", "/api/tenants/b", None),
        ("POST", "/api/tenants/b/users", {"name": "mallory"}), ("POST", "/api/tenants/a/users", {"name": "m", "tenant": "b"}),
        ("GET", "/api/trunks/line-b", None), ("PATCH", "/api/trunks/line-b", {"host": "127.0.0.1"}), ("DELETE", "/api/trunks/line-b", None),
        ("PATCH", "/api/trunks/line-a", {"tenant": "b"}), ("PATCH", "/api/trunks/line-a", {"tenant": ""}),
        ("POST", "/api/trunks", {"id": "x", "host": "127.0.0.1"}), ("POST", "/api/trunks", {"id": "x", "host": "127.0.0.1", "tenant": "b"}),
        ("GET", "/api/routes/world-b", None), ("DELETE", "/api/routes/world-b", None), ("POST", "/api/routes", {"id": "x", "trunk": "line-b"}),
        ("GET", "/api/tenants/b/lists", None), ("PUT", "/api/tenants/b/lists", {"do": "deny", "kind": "prefix", "value": ""}),
        ("GET", "/api/tenants/b/emergency", None), ("GET", "/api/plan?caller=alice@b.example&to=102", None),
        ("GET", f"/api/calls/{LIVE_B}", None), ("DELETE", f"/api/calls/{LIVE_B}", None), ("GET", f"/api/calls/{LIVE_B}/trace", None),
        ("GET", f"/api/calls/{PAST_B}/trace", None), ("GET", f"/api/calls/{PAST_B}/why", None), ("GET", f"/api/calls/{LIVE_B}/events", None),
        ("POST", f"/api/calls/{LIVE_B}/transfer", {"to": "carol"}), ("POST", "/api/calls", {"from": "alice@b.example", "to": "102"}),
        ("GET", f"/api/cdrs/{PAST_B}", None), ("GET", "/api/cdrs?tenant=b", None), ("GET", "/api/cdrs/export?tenant=b", None),
        ("DELETE", "/api/registrations/alice@b.example", None), ("GET", "/api/registrations?tenant=b", None),
        ("GET", "/api/calls?tenant=b", None), ("GET", "/api/audit?tenant=b", None), ("POST", "/api/tenants", {"id": "c", "domain": "c.example"}),
        ("POST", "/api/logins", {"name": "mallory", "role": "admin", "password": PASSWORD}), ("POST", "/api/tokens", {"role": "admin"}),
        ("POST", "/api/nodes/1/drain", None), ("GET", "/api/logins", None), ("GET", "/api/tokens", None),
    ]  # fmt: skip
    for method, path, body in others:
        said = desk.ask(login, method, path, **({} if body is None else {"json": body}))
        assert said.status_code in (403, 404), (method, path, said.status_code, said.text)
    assert desk.recorded.calls.keys() == {LIVE_A, LIVE_B}
    for path in ("/api/calls", "/api/registrations", "/api/cdrs", "/api/cdrs/export?format=jsonl", "/api/tenants",
                 "/api/trunks", "/api/routes", "/api/audit", "/api/me"):  # fmt: skip
        said = desk.ask(login, "GET", path)
        assert "b.example" not in said.text and "line-b" not in said.text, (path, said.text)


def test_a_user_sees_his_own_and_no_colleagues(desk: Console) -> None:
    carol = "carol@a.example"
    assert [] == desk.ask(carol, "GET", "/api/calls").json()["items"]
    assert [] == desk.ask(carol, "GET", "/api/cdrs").json()["items"]
    assert [] == desk.ask(carol, "GET", "/api/registrations").json()["items"]
    for path in (f"/api/calls/{LIVE_A}", f"/api/calls/{PAST_A}/why", f"/api/cdrs/{PAST_A}"):
        assert 404 == desk.ask(carol, "GET", path).status_code
    assert 404 == desk.ask(carol, "DELETE", f"/api/calls/{LIVE_A}").status_code
    assert 404 == desk.ask(carol, "DELETE", "/api/registrations/alice@a.example").status_code
    assert (
        403 == desk.ask(carol, "POST", "/api/calls", json={"from": USER, "to": "102"}).status_code
    )
    assert [LIVE_A] == [c["id"] for c in desk.ask(USER, "GET", "/api/calls").json()["items"]]
    assert [PAST_A] == [c["id"] for c in desk.ask(USER, "GET", "/api/cdrs").json()["items"]]
    assert [USER] == [r["aor"] for r in desk.ask(USER, "GET", "/api/registrations").json()["items"]]
    assert "user" == desk.ask(USER, "GET", "/api/me").json()["role"]


def test_sessions_end_by_logout_and_by_a_new_password(tmp_path: Path) -> None:
    with console(tmp_path) as desk:
        assert 204 == desk.ask("desk", "POST", "/api/logout").status_code
        assert 401 == desk.ask("desk", "GET", "/api/me").status_code
        bob, other = "bob@a.example", PASSWORD + "-2"
        wrong = desk.ask(bob, "PUT", "/api/me/password", json={"old": "x", "password": other})
        assert (400, "old") == (wrong.status_code, wrong.json()["field"])
        said = desk.ask(bob, "PUT", "/api/me/password", json={"old": PASSWORD, "password": other})
        assert 204 == said.status_code
        assert ("reload", {"what": "accounts"}) == desk.recorded.asked[-1]
        assert 401 == desk.ask(bob, "GET", "/api/me").status_code
        assert (
            201
            == desk.client.post("/api/login", json={"login": bob, "password": other}).status_code
        )
        assert (
            401
            == desk.client.post("/api/login", json={"login": bob, "password": PASSWORD}).status_code
        )


def test_a_user_who_is_switched_off_is_logged_out_at_once(tmp_path: Path) -> None:
    with console(tmp_path) as desk:
        assert 200 == desk.ask(USER, "GET", "/api/me").status_code
        desk.ask("root", "PATCH", "/api/tenants/a/users/alice", json={"enabled": False})
        assert 401 == desk.ask(USER, "GET", "/api/me").status_code


def test_api_tokens_work_until_they_are_revoked(tmp_path: Path) -> None:
    with console(tmp_path) as desk:
        made = desk.ask(
            "root", "POST", "/api/tokens", json={"role": "operator", "tenant": "a"}
        ).json()
        headers = {"Authorization": f"Bearer {made['token']}"}
        calls = desk.client.get("/api/calls", headers=headers).json()["items"]
        assert [LIVE_A] == [call["id"] for call in calls]
        assert 403 == desk.client.get("/api/tenants", headers=headers).status_code
        assert made["token"] not in desk.ask("root", "GET", "/api/tokens").text
        assert 204 == desk.ask("root", "DELETE", f"/api/tokens/{made['id']}").status_code
        assert 401 == desk.client.get("/api/calls", headers=headers).status_code


def test_who_belongs_to_a_removed_tenant_does_not_belong_to_its_successor(tmp_path: Path) -> None:
    with console(tmp_path) as desk:
        made = desk.ask("root", "POST", "/api/tokens", json={"role": "admin", "tenant": "a"}).json()
        headers = {"Authorization": f"Bearer {made['token']}"}
        for login in ("desk-a", USER):
            assert 200 == desk.ask(login, "GET", "/api/me").status_code
        assert 204 == desk.ask("root", "DELETE", "/api/tenants/a").status_code
        again = {"id": "a", "domain": "a.example"}
        assert 201 == desk.ask("root", "POST", "/api/tenants", json=again).status_code
        for login in ("desk-a", USER):
            assert 401 == desk.ask(login, "GET", "/api/me").status_code
        assert 401 == desk.client.get("/api/me", headers=headers).status_code


def test_the_last_admin_stays(tmp_path: Path) -> None:
    with console(tmp_path) as desk:
        assert 409 == desk.ask("root", "DELETE", "/api/logins/root").status_code
        new = {"name": "second", "role": "admin", "password": PASSWORD}
        assert 201 == desk.ask("root", "POST", "/api/logins", json=new).status_code
        assert 204 == desk.ask("second", "DELETE", "/api/logins/root").status_code
        assert 401 == desk.ask("root", "GET", "/api/me").status_code


def test_passwords_cannot_be_guessed_quickly(tmp_path: Path) -> None:
    with console(tmp_path) as desk:
        for _ in range(TRIES_LOGIN):
            said = desk.client.post("/api/login", json={"login": "root", "password": "wrong"})
            assert 401 == said.status_code
        said = desk.client.post("/api/login", json={"login": "root", "password": PASSWORD})
        assert 429 == said.status_code
        assert 0 < int(said.headers["retry-after"]) <= WINDOW_SECONDS + 1
        desk.token("desk")  # others are not locked out


def test_tries_are_counted_by_login_and_by_network_and_forgotten() -> None:
    tries = Tries()
    assert [0] * TRIES_LOGIN == [tries.take("192.0.2.1", "root", 1.0) for _ in range(TRIES_LOGIN)]
    assert 0 < tries.take("192.0.2.1", "root", 1.0)
    assert 0 == tries.take("192.0.2.2", "root", 1.0)
    assert 0 == tries.take("192.0.2.1", "root", 1.1 + WINDOW_SECONDS)
    many = Tries()
    hosts = [f"2001:db8::{n:x}" for n in range(TRIES_SOURCE + 1)]  # one /64 is one source
    waits = [many.take(host, f"login{n}", 1.0) for n, host in enumerate(hosts)]
    assert (0, True) == (waits[0], waits[-1] > 0)
    for n in range(KEYS_MOST * 2):
        many.take(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", "x", 2.0)
    assert len(many._tries) <= KEYS_MOST
