"""A supervisor whose children only hold their sockets: what the supervisor's tests kill. Not a test itself."""

import os
import sys
from pathlib import Path

from tandem.cluster.processes import CHILDREN
from tandem.cluster.product import Product
from tandem.cluster.supervisor import Supervisor
from tandem.config import load

CHILD = os.environ.get("CHILD", "import time; time.sleep(60)")

if __name__ == "__main__":
    file = Path(os.environ["TANDEM_CONFIG"])
    config = load(file)
    commands = {name: [sys.executable, "-c", CHILD] for name in CHILDREN}
    supervisor = Supervisor(Product(config, file, commands), sys.stderr)
    supervisor.open()
    sys.exit(supervisor.run())
