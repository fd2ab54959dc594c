"""kill -9 of the call node, and of the edge, under a crowd's calls: which are lost, and what the CDRs say of them."""

import asyncio
import os
from collections import Counter
from typing import Any

from phones.call import Call
from phones.crowd import KILL_SECONDS, Crowd, Script, lost

from scenarios.figure import Figure, Missing
from scenarios.machine import LOAD_CORE, Budget
from scenarios.product import DOMAIN, PASSWORD, Tandem, Wanted, tandem

IDS = ("restart_lost", "restart_cdr_wrong", "restart_cdr_error_s", "edge_restart_lost")
LISTEN = ("udp:127.0.0.1:5060", "tcp:127.0.0.1:5060", "tls:127.0.0.1:5061")
WANTED = Wanted(users=200, allow=("127.0.0.1/32",), listen=LISTEN)
RECONNECTED_SECONDS = 0.3  # after the kill: an INVITE written to a connection as it died
CDR_SECONDS = 10.0  # from the last call's end to its CDR in SQLite
SHOWN = 6  # kinds of loss that the method names


def measure(budget: Budget) -> list[Figure]:
    """One run of each; each run has a thousand calls."""
    script = Script(talking=200, ringing=200) if budget.quick else Script()
    node = asyncio.run(once("node", script))
    edge = asyncio.run(once("edge", script))
    about = (
        f"{script.talking} talking and {script.ringing} ringing calls of {2 * script.phones} registered phones on UDP, TCP and TLS (every"
        f" pair), {script.during} more begun around it; kill -9, the supervisor restarts it; then people answer, decline, cancel, hang up"
        f" on either side or wait. Phones repeat as RFC 3261 says"
    )
    errors = node["errors"]
    return [
        Figure(
            "restart_lost",
            len(node["lost"]),
            f"{about}; lost: no final reply in 32 s, sides that disagree, a failed BYE, or a CDR that says otherwise;"
            f" {node['calls']} calls{kinds(node['lost'])}",
        ),
        Figure(
            "restart_cdr_wrong",
            len(node["wrong"]),
            f"the same run: calls with no CDR or more than one, {node['cdrs']} CDRs{kinds(node['wrong'])}",
        ),
        Figure(
            "restart_cdr_error_s",
            max(errors) if errors else None,
            f"the same run: largest difference of a CDR's answer or end to when the phone that answered or hung up says it did,"
            f" {len(errors)} times compared; {node['takeovers']} CDRs name a takeover",
        ),
        Figure(
            "edge_restart_lost",
            len(edge["lost"]),
            f"{about}; phones on TCP and TLS connect and register anew; not counted: calls unanswered whose caller's connection"
            f" died ({edge['excused']}), which must not leave the callee ringing or talking and have one CDR; {edge['calls']} calls"
            f"{kinds(edge['lost'] + edge['wrong'])}",
        ),
    ]


def kinds(reasons: list[str]) -> str:
    """The most frequent reasons."""
    found = Counter(reason.split(":: ")[-1] for reason in reasons).most_common(SHOWN)
    return ": " + ", ".join(f"{n} x {what}" for what, n in found) if found else ""


async def once(victim: str, script: Script) -> dict[str, Any]:
    """Sets up, kills, waits, compares."""
    with tandem(WANTED) as product:
        cores = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {LOAD_CORE})
        crowd = Crowd(script, DOMAIN, PASSWORD)
        try:
            await crowd.open()
            try:
                talking, ringing = await crowd.set_up()
            except TimeoutError:
                raise Missing(f"not all calls could be set up: {states(crowd)}") from None
            around = asyncio.create_task(crowd.around(talking, ringing))
            await asyncio.sleep(KILL_SECONDS)
            crowd.moment = product.kill(victim)
            await around
            found = await compare(product, crowd, victim)
        finally:
            crowd.close()
            os.sched_setaffinity(0, cores)
    print(
        f"  {victim}: {found['calls']} calls, lost {len(found['lost'])}{kinds(found['lost'])};"
        f" CDRs wrong {len(found['wrong'])}{kinds(found['wrong'])};"
        f" worst error {max(found['errors'], default=float('nan')):.3f} s; repeats {found['repeats']}",
        flush=True,
    )
    return found


def states(crowd: Crowd) -> str:
    near = Counter(
        f"{call.near.status or ('rings' if call.near.rang_at else 'nothing')}{call.near.trouble}"
        for call in crowd.calls
    )
    return ", ".join(f"{what}: {many}" for what, many in near.most_common(SHOWN))


async def compare(product: Tandem, crowd: Crowd, victim: str) -> dict[str, Any]:
    """Beliefs beside beliefs, and beside the CDRs once they are all there."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for _ in range(int(CDR_SECONDS * 2)):
        rows = {}
        for row in product.cdrs():
            rows.setdefault(row["caller_call_id"], []).append(row)
        if all(call.call_id in rows for call in crowd.calls):
            break
        await asyncio.sleep(0.5)
    gone: list[str] = []
    wrong: list[str] = []
    errors: list[float] = []
    excused = 0
    for call in crowd.calls:
        mine = rows.get(call.call_id, [])
        answered = 0 < call.near.answered_at < crowd.moment
        begun = call.near.invited_at < crowd.moment + RECONNECTED_SECONDS
        excuse = victim == "edge" and call.caller.transport != "UDP" and not answered and begun
        excused += excuse
        if len(mine) != 1 and not (excuse and not mine and not call.far.invited_at):
            wrong.append(f"{call.name}:: {len(mine)} CDRs")
        why = lost(call, crowd.moment, excused=excuse)
        if not why and len(mine) == 1 and not excuse:
            why = disagree(call, mine[0])
        if why:
            gone.append(f"{call.name} {call.caller.transport}-{call.callee.transport}:: {why}")
            if os.environ.get("BENCH_SHOW"):
                print("   ", gone[-1], call.near, call.far, flush=True)
        elif len(mine) == 1 and not excuse:
            errors += differences(call, mine[0])
    return {
        "calls": len(crowd.calls),
        "cdrs": sum(len(found) for found in rows.values()),
        "lost": gone,
        "wrong": wrong,
        "errors": errors,
        "takeovers": sum(row["takeovers"] > 0 for found in rows.values() for row in found),
        "excused": excused,
        "repeats": sum(phone.repeats for phone in (*crowd.callers, *crowd.callees)),
    }


def disagree(call: Call, cdr: dict[str, Any]) -> str:
    if bool(cdr["answered_at"]) != bool(call.near.answered_at):
        return "the CDR and the caller disagree whether it was answered"
    if cdr["status"] != call.near.status:
        return f"the caller heard {call.near.status}, the CDR says {cdr['status']}"
    return ""


def differences(call: Call, cdr: dict[str, Any]) -> list[float]:
    """Seconds between what the CDR says and what the phone did that did it."""
    found = []
    if cdr["answered_at"]:
        found.append(abs(cdr["answered_at"] / 1e6 - call.far.answered_at))
    for side in (call.near, call.far):
        if side.ended_by_me and side.ended_at:
            other = call.far if side is call.near else call.near
            if other.ended_by_me:
                continue  # both hung up at once: either time is right
            found.append(abs(cdr["ended_at"] / 1e6 - side.ended_at))
    return found
