"""Real processes that tests start find the product where the tests do, also under a plain `pytest`."""

import os
from pathlib import Path

SOURCE = str(Path(__file__).parent.parent / "src")
known = os.environ.get("PYTHONPATH", "").split(os.pathsep)
if SOURCE not in known:
    os.environ["PYTHONPATH"] = os.pathsep.join([SOURCE, *filter(None, known)])
