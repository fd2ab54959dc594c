"""Virtual time: a heap of things to do. The same seed gives the same order, always."""

import heapq
import random
from collections.abc import Callable

START = 1_700_000_000_000_000  # microseconds since 1970
MS, SECOND = 1_000, 1_000_000
STEPS_MOST = 400_000  # a run that does more has a loop in it


class Clock:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = START
        self.heap: list[tuple[int, int, Callable[[], object]]] = []
        self.ticket = 0
        self.steps = 0

    def at(self, when: int, do: Callable[[], object]) -> None:
        self.ticket += 1
        heapq.heappush(self.heap, (max(when, self.now), self.ticket, do))

    def after(self, delay: float, do: Callable[[], object]) -> None:
        self.at(self.now + int(delay), do)

    def run(self, until: int) -> None:
        while self.heap and self.heap[0][0] <= until:
            self.now, _, do = heapq.heappop(self.heap)
            self.steps += 1
            if self.steps > STEPS_MOST:
                raise RuntimeError("the simulation does not come to rest")
            do()
        self.now = max(self.now, until)
