"""A supervisor whose children only hold their sockets: what the supervisor's tests kill. Not a test itself."""

import os
import sys
from pathlib import Path

from tandem.cluster import supervisor as module
from tandem.cluster.processes import CHILDREN
from tandem.cluster.product import Product
from tandem.config import load

CHILD = os.environ.get("CHILD", "import time; time.sleep(60)")

if __name__ == "__main__":
    file = Path(os.environ["TANDEM_CONFIG"])
    config = load(file)
    module.LOOK_SECONDS = float(os.environ.get("LOOK_SECONDS", module.LOOK_SECONDS))
    commands = {name: [sys.executable, "-c", CHILD] for name in CHILDREN}
    supervisor = module.Supervisor(Product(config, file, commands), sys.stderr)
    supervisor.open()
    sys.exit(supervisor.run())
