"""Accounts: what is refused and why, and what is kept of a password."""

import hashlib

import pytest

from tandem.accounts.model.account import Tenant, User, check_tenant, check_user
from tandem.accounts.model.credentials import check_password, make_credentials
from tandem.accounts.model.fields import BadField, parse_domain, parse_name, parse_number
from tandem.accounts.model.login import (
    Login,
    check_login,
    hash_password,
    hash_token,
    may,
    password_fits,
)
from tandem.accounts.service import make_login_hash, make_token, random_password


@pytest.mark.parametrize(
    ("password", "rule"),
    [
        ("sh0rt", "at least 12"),
        ("onlylettersinhere", "at least one digit"),
        ("123456789012345", "at least one letter"),
        ("xxalice2026xx!", "must not contain the user name"),
        ("xxALICE2026xx!", "must not contain the user name"),
        ("a1a1a1a1a1a1a1", "different characters"),
        ("a1" * 70, "at most 128"),
        ("good4password\n", "control"),
    ],
)
def test_a_password_that_breaks_a_rule_is_refused_by_its_name(password: str, rule: str) -> None:
    with pytest.raises(BadField, match=rule) as refused:
        make_credentials("alice", "demo.example", password)

    assert "password" == refused.value.field


def test_credentials_are_the_ha1_of_rfc_7616() -> None:
    made = make_credentials("alice", "demo.example", "Correct4horse9")

    text = b"alice:demo.example:Correct4horse9"
    assert hashlib.md5(text).digest() == made.md5
    assert hashlib.sha256(text).digest() == made.sha256
    assert hashlib.new("sha512_256", text).digest() == made.sha512_256
    assert b"Correct4horse9" not in made.md5 + made.sha256 + made.sha512_256


def test_a_random_password_meets_the_rules_and_is_never_the_same() -> None:
    made = {random_password("alice") for _ in range(200)}

    assert 200 == len(made)
    for password in made:
        check_password("alice", password)


@pytest.mark.parametrize("name", ["", "a b", "a@b", "<x>", "é", "a" * 65, "-x", "a;b", "a/b"])
def test_a_name_that_sip_would_have_to_escape_is_refused(name: str) -> None:
    with pytest.raises(BadField, match=r"^name: "):
        parse_name(name)


@pytest.mark.parametrize("domain", ["", "a..b", "-a.example", "a_b.example", "x" * 64 + ".example"])
def test_a_domain_that_is_no_host_name_is_refused(domain: str) -> None:
    with pytest.raises(BadField, match=r"^domain: "):
        parse_domain(domain)


def test_a_number_loses_its_separators_and_nothing_else() -> None:
    assert "+493055501" == parse_number("+49 (30) 555-01")
    assert "*97" == parse_number("*97")
    with pytest.raises(BadField, match="15 digits"):
        parse_number("+1234567890123456")
    with pytest.raises(BadField, match="digits"):
        parse_number("12a4")


def test_every_field_of_a_user_is_checked() -> None:
    good = User("demo", "Alice", aliases=("100", "100", "al"), forward_busy="sip:bob@Demo.example")
    assert ("alice", ("100", "al"), "bob@demo.example") == (
        (user := check_user(good)).name,
        user.aliases,
        user.forward_busy,
    )
    for bad, field in (
        (User("demo", "a", display_name='x\r\nVia: "'), "display_name"),
        (User("demo", "a", max_calls=-1), "max_calls"),
        (User("demo", "a", ring_seconds=601), "ring_seconds"),
        (User("demo", "a", forward_always="a b"), "forward_always"),
        (User("demo", "a", aliases=tuple(str(n) for n in range(33))), "aliases"),
        (User("Demo tenant", "a"), "tenant"),
    ):
        with pytest.raises(BadField) as refused:
            check_user(bad)
        assert field == refused.value.field


def test_every_field_of_a_tenant_is_checked() -> None:
    assert "demo.example" == check_tenant(Tenant("Demo", "Demo.Example.")).domain
    for bad, field in (
        (Tenant("demo", "a b"), "domain"),
        (Tenant("demo", "a.example", country_code="4949"), "country_code"),
        (Tenant("demo", "a.example", time_zone="Mars/Olympus"), "time_zone"),
        (Tenant("demo", "a.example", short_digits=9), "short_digits"),
    ):
        with pytest.raises(BadField) as refused:
            check_tenant(bad)
        assert field == refused.value.field


def test_a_login_is_proved_by_its_password_only() -> None:
    stored = make_login_hash("admin", "Correct4horse9")

    assert password_fits("Correct4horse9", stored)
    assert not password_fits("correct4horse9", stored)
    assert stored != make_login_hash("admin", "Correct4horse9")
    with pytest.raises(BadField, match="user name"):
        hash_password("admin", "xxadmin12345", bytes(16))


def test_a_role_may_do_what_the_lower_ones_may() -> None:
    assert may("admin", "operator")
    assert not may("user", "operator")
    assert not may("", "user")
    with pytest.raises(BadField, match="role user needs"):
        check_login(Login("alice", "user"))


def test_a_token_is_shown_once_and_kept_as_a_hash() -> None:
    text, token = make_token("operator", 1, note="wallboard")

    assert hash_token(text) == token.hash
    assert text.encode() not in token.hash
    with pytest.raises(BadField):
        make_token("root", 1)
