"""The noun `call`: a table of its verbs, each in a file of its own, imported when it is called."""

from cyclopts import App

app = App(name="call", help="Calls: place the demo call, look at live and past ones.")

VERBS: tuple[tuple[str, str, str], ...] = (
    ("demo", "tandem.cli.demo:demo", "Place a real call with real audio between two soft phones."),
    ("list", "tandem.cli.calls:list_calls", "List live calls."),
    ("show", "tandem.cli.calls:show", "Show a live call with its legs and transactions."),
    ("hangup", "tandem.cli.calls:hangup", "Hang up a live call."),
    (
        "transfer",
        "tandem.cli.calls:transfer",
        "Connect one side of a live call with somebody else.",
    ),
    ("record", "tandem.cli.calls:record", "Record a live call, pause that, or end it."),
    (
        "originate",
        "tandem.cli.calls:originate",
        "Ring somebody, then connect him with somebody else.",
    ),
    ("trace", "tandem.cli.call_story:trace", "Show the real SIP messages of a call as a ladder."),
    ("pcap", "tandem.cli.call_pcap:pcap", "Write SIP and media of a call for Wireshark."),
    ("why", "tandem.cli.call_story:why", "Tell a call, live or past, in one paragraph."),
)

for _name, _where, _text in VERBS:
    app.command(_where, name=_name, help=_text)
