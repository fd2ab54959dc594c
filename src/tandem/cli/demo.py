"""`tandem call demo`: two soft phones, a real call with real audio through the running Tandem, and kills on demand."""

import asyncio
import os
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING, Literal

from rich.console import Console
from rich.table import Table

from tandem.cli.ask import NoNode, Problem, ask
from tandem.cli.demo_accounts import DemoUser, demo_file, read_demo_users
from tandem.cli.ladder import LadderMessage, Mark, first_line, header, ladder
from tandem.cluster.processes import State, alive, read_state
from tandem.cluster.sockets import default_address
from tandem.config import BadConfig, Config, load, parse_listen

if TYPE_CHECKING:
    from tandem.testing.phones import Message, Phone, PhoneCall

TALK_SECONDS = 3.0
RING_SECONDS = 1.0
HOLD_SECONDS = 1.5
HEALED_SECONDS = 5.0  # from a kill until a new call node is ready
SETTLE_SECONDS = 0.3  # from an answer until sound is judged: the stacks' buffers fill
QUALITY_LOOKS = 20  # a tenth of a second apart
CDR_SECONDS = 5.0
HEARD_LEAST = 0.9  # share of the talking time in which the other side's tone is there
RTP_PORTS = 20

Transport = Literal["udp", "tcp", "tls"]


def demo(*, kill: bool = False, transport: Transport = "udp") -> int:
    """Place a call from alice to bob and show its ladder, what each side heard, and its CDR.

    Parameters
    ----------
    kill: kill -9 the call node while it rings, while they talk and while the call is on hold.
    transport: what the phones speak to Tandem.
    """
    config = load()
    state = read_state(config.run)
    if state is None or not alive(state.supervisor):
        print("tandem: Tandem does not run here: `tandem up` starts it", file=sys.stderr)
        return 3
    users = {user.name: user for user in read_demo_users(config)}
    if not {"alice", "bob"} <= set(users):
        raise BadConfig(
            f"{demo_file(config)}: no alice and bob in it; the demo call needs both, as lines of: user password number domain "
            "(`tandem user password alice` makes a new password)"
        )
    try:
        import baresip  # noqa: F401
    except ImportError:
        print(
            "tandem: the demo call needs soft phones: pip install 'tandem-voice[phones]'",
            file=sys.stderr,
        )
        return 2
    run = Demo(config, edge_address(state, transport), users["alice"], users["bob"], transport)
    return asyncio.run(run.run(kill=kill))


def edge_address(state: State, transport: str) -> str:
    """host:port on this machine where the edge listens for the transport. A wildcard's is that of the default route, as the
    relay's is: phones that know loopback only refuse media from elsewhere."""
    for text in state.listens:
        listen = parse_listen(text, "sip.listen")
        if listen.transport == transport and ":" not in listen.host:
            host = default_address() if listen.host == "0.0.0.0" else listen.host
            return f"{host}:{listen.port}"
    raise BadConfig(f"sip.listen: no IPv4 {transport} address for the demo's phones")


class Demo:
    """One demo call, and what it collects for the report."""

    def __init__(
        self, config: Config, edge: str, alice: DemoUser, bob: DemoUser, transport: Transport
    ) -> None:
        self.config = config
        self.edge = edge
        self.users = (alice, bob)
        self.transport: Transport = transport
        self.console = Console()
        self.marks: list[Mark] = []
        self.talks: list[tuple[float, float]] = []  # seconds since 1970: when both should hear
        self.failures: list[str] = []

    async def run(self, *, kill: bool) -> int:
        from baresip.errors import BaresipError

        from tandem.testing.phones import phones

        host = self.edge.rpartition(":")[0]
        sip_port, rtp_port = free_port(host), free_port(host)
        rtp = (rtp_port & ~1, (rtp_port & ~1) + RTP_PORTS)
        ca = str(self.config.certificate) if self.transport == "tls" else ""
        async with phones(host, sip_port=sip_port, rtp_ports=rtp, ca=ca) as stack:
            alice, bob = [
                await stack.phone(
                    user.name,
                    user.password,
                    domain=user.domain,
                    registrar=self.edge,
                    hz=hz,
                    transport=self.transport,
                )
                for user, hz in zip(self.users, (440, 1000), strict=True)
            ]
            try:
                self.say(f"alice and bob register at {self.edge} ({self.transport})")
                await alice.register()
                await bob.register()
                sides = await self.call(alice, bob, kill=kill)
            except (BaresipError, TimeoutError) as error:
                self.failures.append(
                    f"the call failed: {error or type(error).__name__}{self.hint(str(error))}"
                )
                sides = ()
            self.show_ladder(stack.messages)
            if sides:
                self.show_sound(*sides)
            await self.show_cdr(stack.messages)
            for phone in (alice, bob):
                try:
                    await phone.unregister(3.0)
                except BaresipError as error:
                    self.failures.append(f"{phone.name} could not unregister: {error}")
        for failure in self.failures:
            self.console.print(f"[bold red]FAILED[/] {failure}")
        if not self.failures:
            self.console.print("[bold green]The call went through, both sides heard each other.[/]")
        return 1 if self.failures else 0

    def hint(self, error: str) -> str:
        if "503" in error:
            return " (a limit is reached, or the node is draining: `tandem node list` tells)"
        if "401" in error or "403" in error:
            return f" (are the passwords in {demo_file(self.config)} still those of alice and bob?)"
        return ""

    async def call(self, alice: "Phone", bob: "Phone", *, kill: bool) -> "tuple[PhoneCall, ...]":
        """The whole call; the steps are the same with and without kills, but for hold."""
        self.say("alice calls bob")
        caller = await alice.call(f"sip:bob@{self.users[1].domain}")
        callee = await bob.incoming()
        self.say("bob rings")
        await asyncio.sleep(RING_SECONDS)
        if kill:
            await self.kill_node("while it rings")
        await callee.answer()
        await caller.established()
        self.say("bob answers; both speak their tone")
        await self.talk(kill=kill)
        if kill:
            self.say("alice holds the call")
            await caller.hold()
            from tandem.testing.phones import until

            await until(lambda: bool(callee.call.remote_on_hold), 5.0, "bob is told of the hold")
            await asyncio.sleep(HOLD_SECONDS)
            await self.kill_node("on hold")
            self.say("alice takes the call back")
            await caller.resume()
            await until(lambda: not callee.call.remote_on_hold, 5.0, "bob is told of the resume")
            await self.talk(kill=False)
        self.say("alice hangs up")
        await caller.hangup()
        await callee.ended()
        await caller.ended()
        return caller, callee

    async def talk(self, *, kill: bool) -> None:
        began = time.time() + SETTLE_SECONDS
        await asyncio.sleep(TALK_SECONDS)
        if kill:
            await self.kill_node("while they talk")
            await asyncio.sleep(TALK_SECONDS / 2)
        self.talks.append((began, time.time()))

    async def kill_node(self, when: str) -> None:
        """kill -9, then waits until a new call node is ready."""
        state = read_state(self.config.run)
        old = state.children["node"].process if state else None
        if old is None:
            raise TimeoutError("there is no call node to kill")
        killed = time.time()
        os.kill(old.pid, signal.SIGKILL)
        self.mark(f"call node {old.pid} killed (SIGKILL) {when}", death=True)
        while time.time() - killed < HEALED_SECONDS:
            new = read_state(self.config.run)
            if (
                new
                and "node" in new.children
                and new.children["node"].process != old
                and self.ready()
            ):
                took = round((time.time() - killed) * 1000)
                self.mark(f"call node {new.children['node'].process.pid} goes on after {took} ms")
                return
            await asyncio.sleep(0.005)
        raise TimeoutError(f"no new call node within {HEALED_SECONDS:g} s")

    def ready(self) -> bool:
        try:
            return bool(ask(self.config.control_socket, "ping", patience=0.5).get("ready"))
        except (NoNode, Problem):
            return False

    # --- the report --------------------------------------------------------------------------------------------------

    def show_ladder(self, messages: "list[Message]") -> None:
        rows = [
            LadderMessage(m.at, m.sent, m.transport, m.remote, m.local, m.text)
            for m in messages
            if of_call(m.text)
        ]
        self.console.print()
        self.console.print(ladder(rows, self.marks, caller="alice", callee="bob"), soft_wrap=True)

    def show_sound(self, caller: "PhoneCall", callee: "PhoneCall") -> None:
        table = Table("side", "speaks", "hears", "of the time", "level", "longest gap", "lost")
        for name, side, other in (("alice", caller, callee), ("bob", callee, caller)):
            windows = [
                w for at, w in side.heard.windows if any(a <= at <= b for a, b in self.talks)
            ]
            share = sum(w.has(other.hz) for w in windows) / len(windows) if windows else 0.0
            gap = longest_gap([w.has(other.hz) for w in windows])
            level = f"{side.heard.dbfs(other.hz):.1f} dBFS"
            table.add_row(
                name,
                f"{side.hz} Hz",
                f"{other.hz} Hz",
                f"{share:.0%}",
                level,
                f"{gap:.1f} s",
                f"{side.lost:.2%}",
            )
            if share < HEARD_LEAST:
                speaker = "bob" if name == "alice" else "alice"
                self.failures.append(
                    f"{name} heard {other.hz} Hz only {share:.0%} of the time (with `clean` set for {speaker} the relay "
                    "takes a steady tone out, as it does with a fan)"
                )
        self.console.print(table)

    async def show_cdr(self, messages: "list[Message]") -> None:
        invite = next((m for m in messages if m.sent and m.text.startswith("INVITE ")), None)
        if invite is None:
            return
        from tandem.cli.demo_cdr import find_cdr, find_quality, quality_rows, rows

        call_id = header(invite.text, "call-id")
        deadline = time.monotonic() + CDR_SECONDS
        while (cdr := find_cdr(self.config, call_id)) is None:
            if time.monotonic() > deadline:
                self.failures.append(f"no CDR within {CDR_SECONDS:g} s")
                return
            await asyncio.sleep(0.1)
        table = Table("CDR", "")
        # what was measured comes a moment after the CDR, where a relay has carried the media
        for _ in range(QUALITY_LOOKS):
            if quality := find_quality(self.config, cdr.id):
                break
            await asyncio.sleep(0.1)
        for key, value in (*rows(cdr), *quality_rows(quality)):
            table.add_row(key, value)
        if self.failures:
            table.add_row("more", f"tandem call why {cdr.id}")
        if not cdr.answered_at:
            self.failures.append("the CDR says that nobody answered")
        self.console.print(table)

    def say(self, text: str) -> None:
        self.mark(text)

    def mark(self, text: str, *, death: bool = False) -> None:
        self.marks.append(Mark(int(time.time() * 1_000_000), text, death))
        self.console.print(f"[bold red]{text}[/]" if death else text)


def of_call(text: str) -> bool:
    """Whether the message belongs to a call: REGISTER, OPTIONS and their answers do not."""
    start = first_line(text)
    method = start.split(" ", 1)[0]
    if start.startswith("SIP/2.0 "):
        method = header(text, "cseq").rpartition(" ")[2]
    return method not in ("REGISTER", "OPTIONS", "SUBSCRIBE", "NOTIFY", "PUBLISH")


def longest_gap(has: list[bool]) -> float:
    """Seconds; windows are 0.1 s."""
    longest = run = 0
    for heard in has:
        run = 0 if heard else run + 1
        longest = max(longest, run)
    return longest / 10


def free_port(host: str) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
