"""A bounded queue with a lane for each producer."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Hashable
from typing import Any


class FairQueue:
    """Bounded lanes from several producers to one consumer, who serves them in turn.

    A lane that is full makes its own producer wait and nobody else; a lane that is empty is passed over.

    Args:
        depth: items that a lane holds at most, at least 1.
    """

    def __init__(self, depth: int):
        self._depth = depth
        self._lanes: dict[Hashable, deque[Any]] = {}
        self._ends: dict[Hashable, BaseException | None] = {}
        self._turns: deque[Hashable] = deque()
        self._closed = False
        self._changed = threading.Condition()

    def add_lane(self, lane: Hashable) -> None:
        """A lane for a producer; add all before the consumer begins."""
        self._lanes[lane] = deque()
        self._turns.append(lane)

    def put(self, lane: Hashable, item: Any) -> bool:
        """Waits for room and adds an item; False where the queue was closed and the item is not in it."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._lanes[lane]) < self._depth)
            if not self._closed:
                self._lanes[lane].append(item)
                self._changed.notify_all()
            return not self._closed

    def finish(self, lane: Hashable, error: BaseException | None = None) -> None:
        """No more items come in this lane; `get` raises the error after the last items of all finished lanes."""
        with self._changed:
            self._ends[lane] = error
            self._changed.notify_all()

    def get(self) -> tuple[Hashable, Any] | None:
        """Waits for an item and gives it with its lane; None when all lanes are finished or the queue was closed."""
        with self._changed:
            while not self._closed and self._turns:
                for _ in range(len(self._turns)):
                    lane = self._turns.popleft()
                    if self._lanes[lane]:
                        self._turns.append(lane)
                        item = self._lanes[lane].popleft()
                        self._changed.notify_all()
                        return lane, item
                    if lane not in self._ends:
                        self._turns.append(lane)
                    elif (error := self._ends[lane]) is not None:
                        if not any(self._lanes[ended] for ended in self._ends):
                            raise error
                        # What other producers left before they ended comes first.
                        self._turns.append(lane)
                if self._turns:
                    self._changed.wait()
            return None

    def close(self) -> None:
        """Wakes everybody: `put` gives False and `get` None from now on."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
