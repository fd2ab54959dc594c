"""`tandem up`: first configuration, first data, then the supervisor. Says where to point a phone."""

import os
import subprocess
import sys
import time
from ipaddress import ip_address
from pathlib import Path

from tandem.cli.ask import NoNode, Problem, ask
from tandem.cluster import first
from tandem.cluster.processes import State, alive, read_state
from tandem.cluster.sockets import advertised_host
from tandem.config import SECURE_TRANSPORTS, BadConfig, Config, config_path, load, parse_listen
from tandem.turn.program import MISSING, program

READY_SECONDS = 20.0  # from the supervisor's start to the call node's "ready"


def up(*, foreground: bool = False, turn: bool = False) -> int:
    """Start Tandem on this machine; the first time it makes a configuration, keys and a demo tenant.

    Parameters
    ----------
    turn: with coturn for browsers that nothing else reaches; writes [turn] into tandem.toml, so that it stays.
    foreground: stay, stop on Ctrl-C or SIGTERM (for systemd and containers); the processes' logs stay files.
    """
    is_first = not config_path().exists()
    path = first.make_config()
    os.environ["TANDEM_CONFIG"] = str(path)
    added = turn and _add_turn(path)
    config = load(path)
    state = read_state(config.run)
    if state is not None and alive(state.supervisor):
        print("Tandem is up already.")
        if added:
            print("`tandem reload` starts TURN.")
        return summary(config, state)
    if is_first:
        print(f"wrote a first configuration: {path}")
    first.make_data(config)
    _demo_accounts(config)
    _first_admin(config)
    if foreground:
        os.execv(sys.executable, [sys.executable, "-P", "-m", "tandem.cluster.supervisor"])
    _start(config)
    ready = _wait(config)
    state = read_state(config.run)
    if state is None:
        raise BadConfig(f"the supervisor ended: see {config.log_dir / 'supervisor.log'}")
    return summary(config, state) if ready else 1


def _add_turn(path: Path) -> bool:
    """Raises BadConfig without coturn."""
    if program() is None:
        raise BadConfig(MISSING)
    added = first.add_turn(path)
    if added:
        print(f"wrote [turn] enabled = true: {path}")
    return added


def _demo_accounts(config: Config) -> None:
    from tandem.cli.demo_accounts import make_demo_accounts

    if made := make_demo_accounts(config):
        print(
            f"made the tenant demo with {made} users, passwords in {config.data / 'demo-users.txt'}"
        )


def _first_admin(config: Config) -> None:
    """The password is shown this once; `tandem login password admin` makes a new one."""
    from tandem.adapters.sqlite import open_database
    from tandem.web.logging_in import ensure_admin

    connection = open_database(config.database)
    try:
        password = ensure_admin(connection, time.time_ns() // 1000)
    finally:
        connection.close()
    if password:
        print(f"made the login admin for the API, password {password} (shown this once)")


def _start(config: Config) -> None:
    """The supervisor in a session of its own; raises BadConfig with what it says."""
    reader, writer = os.pipe()
    with (config.log_dir / "supervisor.log").open("ab") as log:
        subprocess.Popen(
            [sys.executable, "-P", "-m", "tandem.cluster.supervisor", str(writer)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(writer,),
            start_new_session=True,
        )
    os.close(writer)
    with os.fdopen(reader) as told:
        said = told.read().strip()
    if said != "ready":
        raise BadConfig(said or f"the supervisor ended: see {config.log_dir / 'supervisor.log'}")


def _wait(config: Config) -> bool:
    """Until the call node is ready; says what it waits for. False: it is not, and why was printed."""
    began, told, why = time.monotonic(), 1.0, ""
    while (waited := time.monotonic() - began) < READY_SECONDS:
        try:
            ping = ask(config.control_socket, "ping", patience=1.0)
            if ping.get("ready"):
                return True
            why = ", ".join(ping.get("reasons", [])) or "not ready"
        except (NoNode, Problem) as error:
            why = _dead_node(config) or ("it starts" if isinstance(error, NoNode) else str(error))
        if waited > told:
            print(f"waiting for the call node: {why}", file=sys.stderr)
            told += 5.0
        time.sleep(0.02)
    print(f"tandem: the call node is not ready after {READY_SECONDS:g} s: {why}", file=sys.stderr)
    print("tandem: `tandem logs node` shows what it wrote", file=sys.stderr)
    return False


def _dead_node(config: Config) -> str:
    state = read_state(config.run)
    node = state.children.get("node") if state else None
    if node is None or not node.last_death:
        return ""
    return f"it died ({node.last_death}), start {node.starts}: see {config.log_dir / 'node.log'}"


def summary(config: Config, state: State) -> int:
    """Where to point a phone, who can register, where the API is."""
    print("\nPoint a phone at")
    for text in state.listens:
        listen = parse_listen(text, "sip.listen")
        host = advertised_host(listen, config.sip.advertised)
        if listen.host == "::" and host == "::1":
            continue  # no IPv6 route: nothing that a phone could use
        shown = f"[{host}]:{listen.port}" if ":" in host else f"{host}:{listen.port}"
        note = (
            "   (self-signed certificate: let the phone accept it)"
            if listen.transport in SECURE_TRANSPORTS and not config.sip.certificate
            else ""
        )
        print(f"  {listen.transport.upper():<4} {shown}{note}")
    print(f"  domain {config.sip.default_domain}, or just the address above")
    listens = [parse_listen(text, "sip.listen") for text in state.listens]
    if all(ip_address(listen.host).is_loopback for listen in listens):
        print(f"  these are addresses of this machine alone: see [sip] listen in {state.config}")
    elif not config.sip.advertised:
        print(
            f'  phones outside this network: set advertised = "<public address>" under [sip] in {state.config}'
        )
        print("  and forward the ports above to this machine")
    _print_users(config.data / "demo-users.txt")
    print(f"\nAPI      http://{state.http}/api/openapi.json (guide: docs/guide/api.md)")
    print(f"Data     {config.data}")
    name = "./tandem" if _in_checkout() else "tandem"
    words = ("call demo --kill", "status", "logs", "down", "--help")
    print("Next    ", " | ".join(f"{name} {word}" for word in words))
    return 0


def _in_checkout() -> bool:
    return Path(os.environ.get("TANDEM_HOME", "/nowhere"), "tandem").is_file()


def _print_users(path: Path) -> None:
    if not path.exists():
        return
    print("\nUsers")
    for line in path.read_text().splitlines():
        if line and not line.startswith("#"):
            print(f"  {line}")
