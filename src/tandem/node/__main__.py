"""`python -m tandem.node`: the call node's process, as the supervisor starts it."""

import faulthandler
import gc
import sys

import uvloop

from tandem.config import BadConfig, load
from tandem.log import log


def main() -> int:
    faulthandler.enable()  # SIGABRT: the supervisor asks where it hangs
    try:
        config = load()
    except BadConfig as error:
        print(f"tandem.node: {error}", file=sys.stderr)
        return 2
    from tandem.wiring import node

    log.level = config.log.level
    running = node(config)
    gc.freeze()
    gc.set_threshold(
        50_000, 50, 100
    )  # calls are values without cycles: full collections are rare and short
    uvloop.run(running.run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
