"""Asks a real rtpengine everything in cases.py and keeps the answers beside the questions, one file a case.

`python3 tests/golden/ng/record.py`: needs Debian's rtpengine-daemon; listens on the loopback only. Keys, ports and names are made
anew by each run, so only a run that is wanted should be committed.
"""

import json
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from cases import CASES, Step

HERE = Path(__file__).parent
NG = ("127.0.0.1", 22_229)
COMMAND = [
    "rtpengine",
    "--foreground",
    "--table=-1",
    *(f"--interface={name}/{address}" for name, address in (
        ("default", "127.0.0.1"),
        ("default", "::1"),
        ("pub", "127.0.0.2"),
        ("priv", "127.0.0.3"),
    )),
    f"--listen-ng={NG[0]}:{NG[1]}",
    "--port-min=23000",
    "--port-max=23998",
    "--num-threads=1",
    "--log-level=3",
    "--log-stderr",
    "--delete-delay=0",
]  # fmt: skip
READY_SECONDS = 5.0


def body(name: str, before: str) -> str:
    """A description; `{SUITE}` is the tag that the description before it gave the suite."""
    text = (HERE / "bodies" / f"{name}.sdp").read_text()
    tags = {suite: tag for tag, suite in re.findall(r"a=crypto:(\d+) (\S+)", before)}
    text = re.sub(r"\{(\w+)\}", lambda found: tags.get(found[1], "1"), text)
    return text.replace("\n", "\r\n")


def ask(client: socket.socket, cookie: str, question: dict[str, Any]) -> dict[str, Any]:
    client.send(f"{cookie} {json.dumps(question)}".encode())
    answer: dict[str, Any] = json.loads(client.recv(65_536).split(b" ", 1)[1])
    return answer


def run(client: socket.socket, name: str, steps: list[Step]) -> dict[str, Any]:
    told, before = [], ""
    for number, step in enumerate(steps):
        question = {"call-id": name, **{key: value for key, value in step.items() if key != "body"}}
        if "body" in step:
            question["sdp"] = body(step["body"], before)
        answer = ask(client, f"{name}_{number}", question)
        before = answer.get("sdp", "")
        kept = {key: answer[key] for key in ("result", "error-reason", "warning") if key in answer}
        told.append({"ask": step, "rtpengine": kept | {"sdp": before.splitlines()}})
    ask(client, f"{name}_end", {"command": "delete", "call-id": name, "delete-delay": 0})
    return {"steps": told}


def main() -> None:
    if shutil.which("rtpengine") is None:
        raise SystemExit("rtpengine is not installed: apt-get install rtpengine-daemon")
    relay = subprocess.Popen(COMMAND, stderr=subprocess.DEVNULL)
    try:
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client.connect(NG)
        client.settimeout(1.0)
        until = time.monotonic() + READY_SECONDS
        while True:
            try:
                ask(client, f"ready_{time.monotonic_ns()}", {"command": "ping"})
                break
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)
        for name, steps in CASES.items():
            kept = json.dumps(run(client, name, steps), indent=1, ensure_ascii=False)
            (HERE / f"{name}.json").write_text(kept + "\n")
    finally:
        relay.terminate()
        relay.wait()


if __name__ == "__main__":
    main()
