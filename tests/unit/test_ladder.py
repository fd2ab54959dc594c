"""The ladder's promises: sides by Call-ID, order by time, one red line for a death."""

from tandem.cli.ladder import LadderMessage, Mark, ladder

INVITE = "INVITE sip:bob@x SIP/2.0\r\nCall-ID: a\r\nCSeq: 1 INVITE\r\nTo: <sip:bob@x>\r\n\r\n"


def message(at: int, text: str, *, inbound: bool) -> LadderMessage:
    return LadderMessage(at, inbound, "udp", "127.0.0.1:5060", "127.0.0.1:5080", text)


def test_both_sides_of_one_address_are_told_apart_by_call_id() -> None:
    lines = str(
        ladder(
            [
                message(
                    3, "SIP/2.0 180 Ringing\r\nCall-ID: b\r\nCSeq: 1 INVITE\r\n\r\n", inbound=True
                ),
                message(1, INVITE, inbound=True),
                message(2, INVITE.replace("Call-ID: a", "Call-ID: b"), inbound=False),
            ],
            [Mark(4, "node killed", death=True)],
            caller="alice",
            callee="bob",
        )
    ).splitlines()
    assert "alice" in lines[0]
    left, middle, right = (line[10:] for line in lines[1:4])
    assert left.startswith("|---") and left.index(">") < 31  # alice to tandem
    assert middle.startswith("|   ") and middle.rstrip("| ").endswith(">")  # tandem to bob
    assert right.startswith("|   ") and "<" in right and "180 Ringing" in right  # bob to tandem
    assert "== node killed ==" in lines[4]


def test_a_death_is_red() -> None:
    drawn = ladder([message(1, INVITE, inbound=True)], [Mark(2, "node killed", death=True)])
    assert any("red" in str(span.style) for span in drawn.spans)


def test_hold_and_later_offers_are_named() -> None:
    again = INVITE.replace("<sip:bob@x>", "<sip:bob@x>;tag=1")
    held = again + "v=0\r\na=sendonly\r\n"
    text = str(
        ladder(
            [
                message(1, INVITE, inbound=True),
                message(2, again, inbound=True),
                message(3, held, inbound=True),
            ]
        )
    )
    assert "INVITE (again)" in text
    assert "INVITE (hold)" in text


def test_a_message_of_nonsense_breaks_nothing() -> None:
    for text in ("", "\r\n", ":", "SIP/2.0 ", "SIP/2.0 200", "\xff\x00"):
        assert str(ladder([message(1, text, inbound=False)]))
