"""`tandem keys`: what signs route tokens, branches and nonces."""

import secrets
import time
from datetime import UTC, datetime
from typing import Annotated

from cyclopts import App, Parameter

from tandem.cli.desk import Json, fail, now, reload, show_rows
from tandem.cluster.keys import SECRET_BYTES, read_keys, sole_writer, write_keys
from tandem.cluster.model import keys as model
from tandem.config import load

app = App(name="keys", help="Keys: what signs route tokens, branches and nonces.")
COLUMNS = ("use", "id", "state", "signs_at")
HOUR_SECONDS = 3_600

Hours = Annotated[int, Parameter(help="The longest call: old keys verify for so many hours.")]


@app.command(name="list")
def list_(*, json: Json = False) -> None:
    """List keys by name, newest first; secrets are not shown."""
    keys = read_keys(load().keys)
    rows = [
        {"use": key.use, "id": key.id, "state": key.state, "signs_at": key.signs_at or None}
        for key in model.shown(keys, now())
    ]
    show_rows(rows, COLUMNS, as_json=json)


@app.command
def rotate(*, keep_hours: Hours = model.KEPT_SECONDS // HOUR_SECONDS) -> None:
    """Make new keys, which sign in 10 seconds; old ones verify for the longest call allowed. Nothing restarts, no call ends."""
    if keep_hours < 1:
        fail(f"--keep-hours: {keep_hours} is not 1 or more")
    config = load()
    with sole_writer(config.keys):
        keys = read_keys(config.keys)
        try:
            turned = model.rotate(
                keys,
                now=time.time_ns() // 1000,
                signing=secrets.token_hex(SECRET_BYTES),
                nonce=secrets.token_hex(SECRET_BYTES),
                kept_seconds=keep_hours * HOUR_SECONDS,
            )
        except model.Full as full:
            free = datetime.fromtimestamp(full.free_at / 1e6, UTC).isoformat(timespec="seconds")
            fail(f"{full}; the oldest may leave at {free} (or sooner, with fewer --keep-hours)")
        write_keys(config.keys, turned)
    newest = turned["signing"][0]
    print(
        f"key {newest['id']} signs in {model.LEAD_SECONDS} s;"
        f" {len(turned['signing']) - 1} older ones verify"
    )
    reload(config, "keys")
