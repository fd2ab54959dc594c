"""The command line's table of contents: names, where they live, one line each. Nothing is imported before it is called.

To add a command: a function (or, for a noun with verbs, a `cyclopts.App` named `app`) in a file of its own, and a line here.
"""

import io
import os
import sys

from cyclopts import App

from tandem import __version__

# name, "module:function or app", help
COMMANDS: tuple[tuple[str, str, str], ...] = (
    (
        "up",
        "tandem.cli.up:up",
        "Start Tandem on this machine; make a first configuration if there is none.",
    ),
    ("down", "tandem.cli.down:down", "Stop it. Data stays."),
    ("reload", "tandem.cli.reload:reload", "Read tandem.toml again; restart what it concerns."),
    ("status", "tandem.cli.status:status", "Show processes, addresses, calls and registrations."),
    ("top", "tandem.cli.top:top", "Watch rates, servers, latency and bans, live."),
    ("logs", "tandem.cli.logs:logs", "Show what the processes wrote."),
    ("edge", "tandem.cli.edge:app", "An edge alone, in front of other servers: a load balancer."),
    ("call", "tandem.cli.call:app", "Calls: place the demo call, look at live and past ones."),
    ("tenant", "tandem.cli.tenant:app", "Tenants: whose users share a domain."),
    ("user", "tandem.cli.user:app", "Users: who can register and be called."),
    ("abuse", "tandem.cli.abuse:abuse", "Who is banned at the edges, who is refused, and why."),
    ("ban", "tandem.cli.abuse:ban", "Do not hear an address any more."),
    ("unban", "tandem.cli.abuse:unban", "Hear a banned address again."),
    ("trunk", "tandem.cli.trunk:app", "Trunks: carriers and other switches."),
    ("route", "tandem.cli.route:app", "Routes: which numbers go to which trunk; test them."),
    ("dns", "tandem.cli.dns:dns", "Show where a SIP URI or a number leads, step by step."),
    ("login", "tandem.cli.login:app", "Logins: who may use the HTTP API."),
    ("token", "tandem.cli.token:app", "API tokens: which programs may use the HTTP API."),
    ("cdr", "tandem.cli.cdr:app", "CDRs: past calls; list, show, export."),
    ("registration", "tandem.cli.registration:app", "Registrations: where phones are."),
    ("node", "tandem.cli.node:app", "Nodes: list them, drain them."),
    ("media", "tandem.cli.media:app", "Media relays: how they do; drain them."),
    ("keys", "tandem.cli.keys:app", "Keys: what signs route tokens and nonces; rotate them."),
    ("events", "tandem.cli.events:app", "Events: what happens to calls, as it happens."),
    ("audit", "tandem.cli.audit:app", "The audit log: who changed what."),
    ("test", "tandem.cli.test:test", "Run all tests, with coverage. CI runs this."),
    ("check", "tandem.cli.check:check", "The fast gate: form, types, architecture, fast tests."),
    ("sim", "tandem.cli.sim:sim", "Play seeded calls in a simulation that kills nodes."),
    ("fuzz", "tandem.cli.fuzz:fuzz", "Feed parsers what nobody would send, for a while."),
    ("bench", "tandem.cli.bench:bench", "Measure Tandem beside tuned peers on the same load."),
)


def build() -> App:
    app = App(name="tandem", help="A clustered voice platform in a box.", version=__version__)
    for name, where, text in COMMANDS:
        app.command(where, name=name, help=text)
    return app


def main() -> None:
    """The entry point of the wheel and of `./tandem`."""
    from tandem.config import BadConfig

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(
            line_buffering=True
        )  # progress in pipes and logs, in order with stderr
    try:
        result = build()(sys.argv[1:])
    except BadConfig as error:
        print(f"tandem: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # head and the like have read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(0)
    except OSError as error:
        if error.filename is None:
            raise
        print(f"tandem: {error.filename}: {error.strerror}", file=sys.stderr)
        sys.exit(1)
    sys.exit(result if isinstance(result, int) else 0)
