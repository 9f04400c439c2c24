"""A bounded queue with a lane for each producer."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Hashable
from typing import Any


class FairQueue:
    """Bounded lanes from several producers to one consumer, who serves them in turn.

    A full lane makes its own producer wait and no other; an empty lane is passed over.

    Args:
        depth: items that a bounded lane holds at most, at least 1.
    """

    def __init__(self, depth: int):
        self._depth = depth
        # Of (item, whether the next of its kind replaces it).
        self._lanes: dict[Hashable, deque[tuple[Any, bool]]] = {}
        self._unbounded: set[Hashable] = set()
        self._ends: dict[Hashable, BaseException | None] = {}
        self._turns: deque[Hashable] = deque()
        self._closed = self._awaited = False
        self._changed = threading.Condition()

    def add_lane(self, lane: Hashable, bounded: bool = True) -> None:
        """A lane for a producer; add all before the consumer begins. One that is not bounded never makes it wait: its
        producer replaces what would pile up."""
        self._lanes[lane] = deque()
        if not bounded:
            self._unbounded.add(lane)
        self._turns.append(lane)

    def put(self, lane: Hashable, item: Any, replace: bool = False) -> bool:
        """Waits for room and adds an item; False where the queue was closed and the item is not in it.

        Args:
            replace: whether it takes the place of the last item put so, if that still waits; it comes behind whatever
                else was put since.
        """
        with self._changed:
            if replace:
                self._lanes[lane] = deque(entry for entry in self._lanes[lane] if not entry[1])
            if lane not in self._unbounded:
                self._changed.wait_for(lambda: self._closed or len(self._lanes[lane]) < self._depth)
            if not self._closed:
                self._lanes[lane].append((item, replace))
                self._changed.notify_all()
            return not self._closed

    def wait_for_demand(self) -> bool:
        """Waits until the consumer waits in `get` and nothing is there for it; False where the queue was closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or (self._awaited and not any(self._lanes.values())))
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
                        item, _ = self._lanes[lane].popleft()
                        self._awaited = False
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
                    self._awaited = True
                    self._changed.notify_all()
                    self._changed.wait()
            return None

    def close(self) -> None:
        """Ends all waiting: `put` gives False and `get` None from now on."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
