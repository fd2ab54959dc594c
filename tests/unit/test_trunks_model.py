"""A registration with a carrier as a value: when it asks, what it answers, when it gives up."""

from msgspec.structs import replace

from tandem.boundary import TCP, UDP
from tandem.names.model import Place
from tandem.trunks import model
from tandem.trunks.model import SECOND, Account, Answered, Due, Registration, Wanted, adopted, step

PLACE, OTHER = Place(UDP, "192.0.2.1", 5060), Place(TCP, "192.0.2.2", 5070)
ACCOUNT = Account("192.0.2.1", 5060, UDP, "carrier.example", "me", "login", "secret", 600)
NEW = Registration("0" * 13, "carrier", ACCOUNT, due=0)
CHALLENGE = {"www-authenticate": ['Digest realm="carrier.example", nonce="n1", qop="auth"']}


def asked(registration: Registration = NEW, now: int = 0) -> tuple[Registration, str]:
    after, ask = step(registration, Due(PLACE), now)
    assert after is not None and ask is not None and ask.n == after.asked
    return after, ask.message.decode()


def registered(now: int = 0) -> Registration:
    after, _ = step(asked()[0], Answered(1, 200), now)
    assert after is not None
    return after


def test_the_first_register_names_our_account_and_asks_for_its_time() -> None:
    after, told = asked()
    assert told.startswith("REGISTER sip:carrier.example SIP/2.0\r\n")
    assert "To: <sip:me@carrier.example>\r\n" in told and "Expires: 600\r\n" in told
    assert "CSeq: 1 REGISTER\r\n" in told and (1, 2, 1) == (after.cseq, after.next_n, after.asked)
    assert "trying" == model.state(after, 0)


def test_a_challenge_is_answered_once_and_a_wrong_password_waits() -> None:
    after, ask = step(asked()[0], Answered(1, 401, special=CHALLENGE, place=PLACE), 0)
    assert after is not None and ask is not None
    told = ask.message.decode()
    assert 'Authorization: Digest username="login", realm="carrier.example", nonce="n1"' in told
    assert "CSeq: 2 REGISTER\r\n" in told
    refused, ask = step(after, Answered(2, 401, "Unauthorized", special=CHALLENGE), 0)
    assert ask is None and refused is not None
    assert "failed" == model.state(refused, 0) and "401 Unauthorized" == refused.error
    assert model.REFUSED_SECONDS * SECOND <= refused.due


def test_a_stale_nonce_is_no_wrong_password() -> None:
    after, _ = step(asked()[0], Answered(1, 401, special=CHALLENGE, place=PLACE), 0)
    assert after is not None
    stale = {"www-authenticate": [CHALLENGE["www-authenticate"][0] + ", stale=true"]}
    again, ask = step(after, Answered(2, 401, special=stale, place=PLACE), 0)
    assert again is not None and ask is not None and 3 == again.cseq


def test_it_is_renewed_at_half_of_what_was_granted_to_our_own_contact() -> None:
    contact = '<sip:other@192.0.2.9>;expires=3000, "x" <sip:me@10.0.0.1;tandem=abc>;expires=100'
    after, _ = step(asked()[0], Answered(1, 200, contact=contact, special={"expires": ["77"]}), 0)
    assert after is not None
    assert 100 * SECOND == after.until and 50 * SECOND == after.due
    drifted, _ = step(asked()[0], Answered(1, 200, contact=contact, hash=10**17 + 7), 0)
    assert drifted is not None and 45 * SECOND <= drifted.due < 50 * SECOND
    assert "registered" == model.state(after, 99 * SECOND)
    assert step(after, Due(PLACE), 49 * SECOND) == (after, None)
    assert 2 == asked(after, 50 * SECOND)[0].cseq


def test_expires_counts_where_our_contact_says_nothing_and_none_is_no_registration() -> None:
    after, _ = step(asked()[0], Answered(1, 200, special={"expires": ["60"]}), 0)
    assert after is not None and 60 * SECOND == after.until
    none, _ = step(asked()[0], Answered(1, 200, special={"expires": ["0"]}), 0)
    assert none is not None and "failed" == model.state(none, 0)


def test_min_expires_is_obeyed_at_once_and_kept() -> None:
    brief = Answered(1, 423, special={"min-expires": ["1800"]}, place=PLACE)
    after, ask = step(asked()[0], brief, 0)
    assert after is not None and ask is not None
    assert b"Expires: 1800\r\n" in ask.message
    good, _ = step(after, Answered(2, 200), 0)
    assert good is not None and 1800 * SECOND == good.until
    assert "Expires: 1800\r\n" in asked(good, good.due)[1]


def test_a_server_that_fails_is_followed_by_another_one_at_once_but_not_for_ever() -> None:
    found, _ = asked()
    for n in range(model.HOPS_MOST):
        after, ask = step(found, Answered(found.asked, 503 if n else 408, other=OTHER), 5)
        assert after is not None and ask is not None
        assert (TCP, "192.0.2.2", 5070) == (ask.flow.transport, ask.flow.host, ask.flow.port)
        assert (n + 1, 0, n + 2) == (after.hops, after.tries, after.cseq)
        found = after
    last, ask = step(found, Answered(found.asked, 503, other=OTHER), 5)
    assert last is not None and ask is None and 1 == last.tries
    forbidden, ask = step(asked()[0], Answered(1, 403, other=OTHER), 5)
    assert forbidden is not None and ask is None, "a refusal is the carrier's word, not a server's"
    assert asked(replace(last, due=9), 9)[0].hops == 0


def test_failures_wait_longer_and_longer_and_keep_what_is_registered() -> None:
    now, found = 250 * SECOND, registered()
    waits = []
    for _ in range(12):
        found, _ = asked(replace(found, due=now), now)
        after, ask = step(found, Answered(found.asked, 503), now)
        assert after is not None and ask is None
        waits.append((after.due - now) / SECOND)
        found = after
    assert [2.5, 5, 10, 20] == waits[:4] and 300 == waits[-1]
    assert "registered" == model.state(found, now) and "failed" == model.state(found, 600 * SECOND)


def test_jitter_spreads_but_never_below_half_nor_below_retry_after() -> None:
    for hash in (0, 1, 12_345_678_901, 2**55):
        after, _ = step(asked()[0], Answered(1, 503, hash=hash), 0)
        assert after is not None and 2.5 * SECOND <= after.due < 5 * SECOND
        told = Answered(1, 503, special={"retry-after": ["120 (soon)"]}, hash=hash)
        after, _ = step(asked()[0], told, 0)
        assert after is not None and 120 * SECOND <= after.due <= 150 * SECOND


def test_a_name_without_an_address_is_a_failure_that_is_tried_again() -> None:
    after, ask = step(NEW, Due(None), 0)
    assert after is not None and ask is None
    assert "192.0.2.1 has no address" == after.error and 0 < after.due and 0 == after.cseq


def test_a_late_answer_to_an_older_register_changes_nothing() -> None:
    after = registered()
    assert (after, None) == step(after, Answered(1, 403), 1)


def test_a_trunk_that_is_gone_unregisters_and_is_then_forgotten() -> None:
    leaving, ask = step(registered(), Wanted(None), 10)
    assert leaving is not None and ask is None and "leaving" == model.state(leaving, 10)
    sent, told = asked(leaving, 10)
    assert "Expires: 0\r\n" in told
    assert (None, None) == step(sent, Answered(sent.asked, 200), 11)


def test_a_carrier_that_does_not_hear_the_farewell_is_told_thrice() -> None:
    found, _ = step(registered(), Wanted(None), 0)
    for left in (2, 1):
        assert found is not None, left
        sent, _ = asked(found, found.due)
        found, _ = step(sent, Answered(sent.asked, 408), sent.due)
    assert found is not None
    sent, _ = asked(found, found.due)
    assert (None, None) == step(sent, Answered(sent.asked, 408), sent.due)


def test_a_trunk_that_goes_while_it_registers_unregisters_after_the_answer() -> None:
    sent, _ = asked()
    leaving, _ = step(sent, Wanted(None), 1)
    assert leaving is not None
    registered, ask = step(leaving, Answered(1, 200), 2)
    assert registered is not None and ask is None
    farewell, told = asked(registered, 2)
    assert "Expires: 0\r\n" in told
    back, _ = step(farewell, Wanted(ACCOUNT), 3)
    assert back is not None
    again, _ = step(back, Answered(2, 200), 4)
    assert again is not None and "trying" == model.state(again, 4)
    assert "Expires: 600\r\n" in asked(again, 4)[1]


def test_a_trunk_that_never_registered_is_forgotten_at_once() -> None:
    assert (None, None) == step(NEW, Wanted(None), 0)


def test_a_new_password_is_tried_at_once_and_no_change_is_none() -> None:
    before = registered()
    assert (before, None) == step(before, Wanted(ACCOUNT), 5)
    after, _ = step(before, Wanted(replace(ACCOUNT, password="new")), 5)
    assert after is not None and 5 == after.due and before.until == after.until


def test_an_heir_uses_no_number_of_the_dead_and_asks_what_was_asked_again() -> None:
    sent, _ = asked()
    heir = adopted(sent, 7)
    assert (0, 7) == (heir.asked, heir.due)
    assert model.LOST_WRITES < asked(heir, 7)[0].cseq and model.LOST_WRITES < heir.next_n
    quiet = registered()
    assert quiet.due == adopted(quiet, 7).due
