"""`python -m tandem.edge.supervisor FILE [ready fd]`: the first process of a standalone edge. What it does is the cluster's."""

import sys
from pathlib import Path

from tandem.cluster.supervisor import Supervisor, serve
from tandem.edge.config import load
from tandem.edge.house import EdgeHouse
from tandem.edge.summary import summary


def main() -> int:
    file = Path(sys.argv[1])
    ready_fd = int(sys.argv[2]) if len(sys.argv) > 2 else None

    def begun(supervisor: Supervisor) -> None:
        if ready_fd is None and isinstance(supervisor.house, EdgeHouse):
            http = supervisor.bound(supervisor.house.http).hostport if supervisor.house.http else ""
            listens = [str(supervisor.bound(key)) for key in supervisor.house.listens]
            print("\n".join(summary(supervisor.house.config, listens, http)), flush=True)

    return serve(lambda: EdgeHouse(load(file)), ready_fd, begun)


if __name__ == "__main__":
    sys.exit(main())
