"""Prints the live calls of a tenant every second, by the HTTP API. Standard library only.

TANDEM_TOKEN=$(tandem token add operator --tenant demo --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["token"])')
"""

import json
import os
import sys
import time
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

BASE = os.environ.get("TANDEM_API", "http://127.0.0.1:8080")
TIMEOUT_SECONDS = 5.0


def get(path: str) -> dict[str, object]:
    """The answer's JSON; a refusal is an HTTPError whose body says field and reason (RFC 9457)."""
    headers = {"Authorization": f"Bearer {os.environ['TANDEM_TOKEN']}"}
    with urlopen(Request(BASE + path, headers=headers), timeout=TIMEOUT_SECONDS) as answer:
        return json.load(answer)


def main(rounds: int) -> None:
    for _ in range(rounds):
        try:
            page = get("/api/calls?limit=100")
        except HTTPError as error:
            if error.code != 503:  # 503: the call node is restarting; its calls go on
                sys.exit(f"{error.code}: {error.read().decode()}")
            page = {"items": []}
        except URLError as error:
            sys.exit(f"{BASE}: {error.reason}")
        print(time.strftime("%H:%M:%S"), json.dumps(page), flush=True)
        time.sleep(1)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
