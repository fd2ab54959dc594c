"""The noun `call`: a table of its verbs, each in a file of its own, imported when it is called."""

from cyclopts import App

app = App(name="call", help="Calls: place the demo call, look at live and past ones.")

VERBS: tuple[tuple[str, str, str], ...] = (
    ("demo", "tandem.cli.demo:demo", "Place a real call with real audio between two soft phones."),
)

for _name, _where, _text in VERBS:
    app.command(_where, name=_name, help=_text)
