"""The database: migrations whole or not at all, rows as they went in, every write seen by the nodes."""

import sqlite3
import threading
from pathlib import Path

import pytest
from msgspec.structs import replace

from tandem.accounts.model.account import Tenant, User
from tandem.accounts.model.credentials import make_credentials
from tandem.accounts.model.fields import BadField, Taken
from tandem.accounts.model.login import Login, Token
from tandem.adapters import sqlite_accounts as accounts
from tandem.adapters import sqlite_routing as routing
from tandem.adapters.sqlite import (
    BadDatabase,
    Database,
    backup,
    generations,
    migrate,
    open_database,
)
from tandem.adapters.sqlite_records import add_audit, list_audit
from tandem.routing.model.plan import Asked, HeaderRule, Plan
from tandem.routing.model.route import route
from tandem.routing.model.rows import CountryPrefix, Emergency, ListEntry, Route, Trunk

DEMO = Tenant(
    "demo", "demo.example", "Demo", max_calls=9, country_code="49", media="relay", srtp="required"
)
OTHER = Tenant("other", "other.example")
ALICE = User(
    "demo",
    "alice",
    "Alice",
    "+4930100",
    "+4930999",
    ("100", "al"),
    True,
    2,
    60,
    20,
    "bob",
    "101",
    "",
)
SECRET = make_credentials("alice", "demo.example", "Correct4horse9")
TRUNK = Trunk(
    "carrier", "192.0.2.1", cidrs=("192.0.2.0/24",), tls_names=("c.example",), register=True, username="u",
    password="p", headers_out=(HeaderRule("set", "X-A", "1"),), trusted=True, media="direct", srtp="off", clean="both",
)  # fmt: skip


@pytest.fixture
def db():
    connection = open_database(":memory:")
    accounts.put_tenant(connection, DEMO)
    accounts.put_tenant(connection, OTHER)
    yield connection
    connection.close()


def test_a_migration_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    steps = tmp_path / "steps"
    steps.mkdir()
    (steps / "001_good.sql").write_text("CREATE TABLE a (x);")
    (steps / "002_bad.sql").write_text("CREATE TABLE b (x); INSERT INTO nowhere VALUES (1);")
    with pytest.raises(BadDatabase, match="002_bad"):
        open_database(tmp_path / "x.db", steps)

    connection = sqlite3.connect(tmp_path / "x.db")
    names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    assert ({"a"}, 1) == (names, connection.execute("PRAGMA user_version").fetchone()[0])
    connection.close()

    (steps / "002_bad.sql").write_text("CREATE TABLE b (x);")
    open_database(tmp_path / "x.db", steps).close()


def test_a_database_newer_than_the_program_is_refused(tmp_path: Path) -> None:
    connection = open_database(tmp_path / "x.db")
    connection.execute("PRAGMA user_version = 999")
    connection.close()

    with pytest.raises(BadDatabase, match="999"):
        open_database(tmp_path / "x.db")


def test_migrations_without_a_gap_only(tmp_path: Path) -> None:
    (tmp_path / "002_x.sql").write_text("")
    with pytest.raises(BadDatabase, match="numbered"):
        open_database(":memory:", tmp_path)


def test_processes_that_start_together_migrate_once(tmp_path: Path) -> None:
    failures: list[Exception] = []

    def start() -> None:
        try:
            open_database(tmp_path / "x.db").close()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [] == failures
    connection = open_database(tmp_path / "x.db")
    assert migrate(connection) == connection.execute("PRAGMA user_version").fetchone()[0]


def test_nobody_else_on_the_machine_can_read_the_file(tmp_path: Path) -> None:
    open_database(tmp_path / "x.db").close()

    assert 0o600 == (tmp_path / "x.db").stat().st_mode & 0o777


def test_a_tenant_and_a_user_come_back_as_they_went_in(db) -> None:
    accounts.put_user(db, ALICE, SECRET)

    assert DEMO == accounts.get_tenant(db, "demo")
    assert ALICE == accounts.get_user(db, "demo", "alice")
    assert [ALICE] == accounts.list_users(db, "demo") == list(accounts.all_users(db))
    assert accounts.get_user(db, "other", "alice") is None


def test_credentials_stay_when_only_the_user_changes(db) -> None:
    accounts.put_user(db, ALICE, SECRET)
    accounts.put_user(db, replace(ALICE, display_name="A", aliases=()))

    stored = [("alice@demo.example", SECRET.md5, SECRET.sha256, SECRET.sha512_256)]
    assert stored == list(accounts.all_credentials(db))
    assert () == accounts.get_user(db, "demo", "alice").aliases


@pytest.mark.parametrize(
    ("user", "field"),
    [
        (User("demo", "bob", number="+4930100"), "number"),
        (User("demo", "bob", aliases=("100",)), "aliases"),
        (User("other", "bob", aliases=("+4930100",)), "aliases"),
    ],
)
def test_a_number_belongs_to_one_user(db, user: User, field: str) -> None:
    accounts.put_user(db, ALICE)

    with pytest.raises(Taken) as refused:
        accounts.put_user(db, user)
    assert field == refused.value.field
    assert accounts.get_user(db, user.tenant, "bob") is None
    accounts.put_user(db, User("other", "bob", aliases=("100",)))


def test_a_user_needs_a_tenant_and_a_domain_is_one_tenants(db) -> None:
    with pytest.raises(BadField, match="no tenant nowhere"):
        accounts.put_user(db, User("nowhere", "bob"))
    with pytest.raises(Taken, match=r"demo\.example"):
        accounts.put_tenant(db, Tenant("third", "demo.example"))


def test_a_domain_stays_while_passwords_depend_on_it(db) -> None:
    accounts.put_user(db, ALICE, SECRET)
    with pytest.raises(BadField, match="passwords depend"):
        accounts.put_tenant(db, replace(DEMO, domain="new.example"))
    accounts.delete_user(db, "demo", "alice")
    accounts.put_tenant(db, replace(DEMO, domain="new.example"))


def test_a_tenant_goes_with_everything_that_is_its_own(db) -> None:
    accounts.put_user(db, ALICE, SECRET)
    routing.put_trunk(db, replace(TRUNK, tenant="demo"))
    routing.put_route(db, Route("r", "carrier", "demo"))
    routing.put_entry(db, ListEntry("demo", "deny", "country", "RU", owner="alice"))
    routing.put_emergency(db, Emergency("demo", "112", "carrier"))

    assert accounts.delete_tenant(db, "demo")

    for table in ("users", "aliases", "trunks", "routes", "lists", "emergency"):
        assert 0 == db.execute(f"SELECT count(*) FROM {table}").fetchone()[0], table
    assert not accounts.delete_tenant(db, "demo")


def test_a_users_lists_end_with_the_user(db) -> None:
    accounts.put_user(db, ALICE)
    routing.put_entry(db, ListEntry("demo", "deny", "country", "RU", owner="alice"))
    routing.put_entry(db, ListEntry("demo", "deny", "country", "RU"))

    accounts.delete_user(db, "demo", "alice")

    assert [""] == [entry.owner for entry in routing.list_entries(db)]


def test_users_are_found_by_part_of_name_or_number_and_in_pages(db) -> None:
    for n in range(30):
        accounts.put_user(db, User("demo", f"u{n:02}", f"Phone {n}", f"+49301{n:02}"))

    assert ["u07"] == [u.name for u in accounts.list_users(db, "demo", "Phone 7")]
    assert ["u12"] == [u.name for u in accounts.list_users(db, "demo", "30112")]
    assert ["u10", "u11"] == [u.name for u in accounts.list_users(db, "demo", after="u09", limit=2)]
    assert [] == accounts.list_users(db, "demo", "_") == accounts.list_users(db, "demo", "' OR 1")


def test_an_import_is_all_or_nothing(db) -> None:
    rows = [(User("demo", f"u{n}", aliases=(str(1000 + n),)), SECRET) for n in range(50)]

    with pytest.raises(Taken):
        accounts.import_users(db, [*rows, (User("demo", "u3"), SECRET)])
    assert 0 == accounts.count_users(db)
    assert 50 == accounts.import_users(db, rows) == accounts.count_users(db, "demo")


def test_a_large_import_notes_the_same_as_many_small_ones(db) -> None:
    schema = "SELECT name, sql FROM sqlite_master ORDER BY name"
    before = db.execute(schema).fetchall()
    rows = [
        (User("demo", f"u{n}", aliases=(str(10000 + n),)), SECRET)
        for n in range(accounts.QUIET_ROWS)
    ]
    seen = generations(db)["accounts"]

    accounts.import_users(db, rows)

    assert before == db.execute(schema).fetchall()
    assert accounts.QUIET_ROWS == len(accounts.changed_credentials(db, seen))
    seen = generations(db)["accounts"]
    accounts.put_user(db, User("demo", "u7", enabled=False))
    assert [("u7@demo.example", None)] == accounts.changed_credentials(db, seen)

    with pytest.raises(Taken):
        accounts.import_users(
            db, [(User("demo", f"v{n}", aliases=("10000",)), SECRET) for n in range(6000)]
        )
    assert before == db.execute(schema).fetchall()


def test_a_node_is_told_of_exactly_the_users_who_changed(db) -> None:
    for name in ("alice", "bob", "carol"):
        accounts.put_user(db, User("demo", name), SECRET)
    seen = generations(db)["accounts"]

    accounts.put_user(db, User("demo", "alice", enabled=False))
    accounts.delete_user(db, "demo", "bob")
    assert {"alice@demo.example": None, "bob@demo.example": None} == dict(
        accounts.changed_credentials(db, seen)
    )
    seen = generations(db)["accounts"]
    accounts.put_user(db, User("demo", "alice"))
    assert [("alice@demo.example", SECRET)] == accounts.changed_credentials(db, seen)
    assert [] == accounts.changed_credentials(db, generations(db)["accounts"])


def test_every_write_bumps_its_generation(db) -> None:
    token = Token("t", b"h" * 32, "admin")
    entry = ListEntry("demo", "deny", "country", "RU")
    line = Emergency("demo", "112", "carrier")
    writes = [
        ("tenants", lambda: accounts.put_tenant(db, replace(DEMO, name="x"))),
        ("accounts", lambda: accounts.put_user(db, ALICE, SECRET)),
        ("accounts", lambda: accounts.set_credentials(db, "demo", "alice", SECRET)),
        ("accounts", lambda: accounts.delete_user(db, "demo", "alice")),
        ("logins", lambda: accounts.put_login(db, Login("root", "admin"), b"x" * 48)),
        ("logins", lambda: accounts.delete_login(db, "root")),
        ("logins", lambda: accounts.put_token(db, token)),
        ("logins", lambda: accounts.delete_token(db, "t")),
        ("routing", lambda: routing.put_trunk(db, TRUNK)),
        ("routing", lambda: routing.put_route(db, Route("r", "carrier"))),
        ("routing", lambda: routing.put_emergency(db, line)),
        ("routing", lambda: routing.put_entry(db, entry)),
        ("routing", lambda: routing.put_country(db, CountryPrefix("de", "+499"))),
        ("routing", lambda: routing.delete_country(db, "499")),
        ("routing", lambda: routing.delete_entry(db, entry)),
        ("routing", lambda: routing.delete_emergency(db, line)),
        ("routing", lambda: routing.delete_route(db, "r")),
        ("routing", lambda: routing.delete_trunk(db, "carrier")),
        ("settings", lambda: routing.put_setting(db, "deny", ["10.0.0.0/8"])),
        ("settings", lambda: routing.delete_setting(db, "deny")),
        ("tenants", lambda: accounts.delete_tenant(db, "demo")),
    ]
    for n, (what, write) in enumerate(writes):
        before = generations(db)[what]
        write()
        assert generations(db)[what] > before, (n, what)


def test_routing_rows_come_back_as_they_went_in(db) -> None:
    routing.put_trunk(db, TRUNK)
    row = Route("r", "carrier", "demo", "+49", 5, 7, "mo-fr 08:00-18:00", enabled=False)
    routing.put_route(db, row)
    routing.put_setting(db, "limits", {"source_rate": 5})

    assert TRUNK == routing.get_trunk(db, "carrier")
    assert [row] == routing.list_routes(db, "demo")
    assert [] == routing.list_routes(db, "other")
    assert {"limits": {"source_rate": 5}} == routing.all_settings(db)


def test_a_route_to_another_tenants_trunk_is_refused(db) -> None:
    routing.put_trunk(db, replace(TRUNK, tenant="other"))
    for tenant in ("demo", ""):
        with pytest.raises(BadField, match="no trunk"):
            routing.put_route(db, Route("r", "carrier", tenant))
    with pytest.raises(BadField, match="no trunk"):
        routing.put_emergency(db, Emergency("demo", "112", "carrier"))


def test_a_call_is_routed_from_what_the_database_holds(db) -> None:
    accounts.put_user(db, ALICE)
    accounts.put_user(db, User("demo", "bob", aliases=("101",)))
    routing.put_trunk(db, TRUNK)
    routing.put_route(db, Route("all", "carrier"))
    tables = routing.load_tables(db)

    internal = route(tables, Asked("user:bob@demo.example", "sip:alice@demo.example", "", ""))
    outward = route(tables, Asked("user:alice@demo.example", "sip:0044201234@demo.example", "", ""))

    assert isinstance(internal, Plan)
    assert isinstance(outward, Plan)
    assert ["bob@demo.example"] == [stage[0].aor for stage in internal.stages][:1]
    assert "sip:+44201234@192.0.2.1;user=phone" == outward.stages[0][0].uri
    assert "+4930999" == outward.caller_number


def test_a_line_of_ones_own_overrides_a_shipped_country(db) -> None:
    routing.put_country(db, CountryPrefix("DE", "7"))
    assert "DE" == {line.prefix: line.code for line in routing.list_countries(db)}["7"]
    routing.delete_country(db, "7")
    assert "RU" == {line.prefix: line.code for line in routing.list_countries(db)}["7"]


def test_logins_and_tokens_are_found_until_they_expire(db) -> None:
    login = Login("root", "admin", created_at=5)
    with pytest.raises(BadField, match="password"):
        accounts.put_login(db, login)
    accounts.put_login(db, login, b"x" * 48)
    accounts.put_login(db, replace(login, enabled=False))
    accounts.put_token(db, Token("t", b"h" * 32, "admin", expires_at=100))

    assert (replace(login, enabled=False), b"x" * 48) == accounts.get_login(db, "root")
    assert "t" == accounts.find_token(db, b"h" * 32, 99).id
    assert accounts.find_token(db, b"h" * 32, 100) is None
    assert accounts.find_token(db, b"i" * 32, 1) is None


def test_the_audit_log_tells_who_did_what_newest_first(db) -> None:
    add_audit(
        db, 1, "root", "user.put", "alice@demo.example", tenant="demo", detail={"enabled": False}
    )
    add_audit(db, 2, "root", "tenant.put", "other")

    assert ["tenant.put", "user.put"] == [line["what"] for line in list_audit(db)]
    (line,) = list_audit(db, "demo")
    assert {"enabled": False} == line["detail"]


async def test_the_database_works_in_its_own_thread(tmp_path: Path) -> None:
    database = Database(tmp_path / "x.db")
    await database.do(accounts.put_tenant, DEMO)

    assert DEMO == database.do_now(accounts.get_tenant, "demo")
    with pytest.raises(BadField):
        await database.do(accounts.put_user, User("demo", "a b"))
    await database.do(backup, tmp_path / "copy.db")
    database.close()
    copy = open_database(tmp_path / "copy.db")
    assert DEMO == accounts.get_tenant(copy, "demo")


def test_a_changed_row_is_seen_by_another_process_at_once(tmp_path: Path) -> None:
    one, two = open_database(tmp_path / "x.db"), open_database(tmp_path / "x.db")
    before = generations(two)
    accounts.put_tenant(one, DEMO)

    assert generations(two)["tenants"] == before["tenants"] + 1
    assert DEMO == accounts.get_tenant(two, "demo")
