"""Answers to collectors that miss events: a message at a time, behind the live events."""

from __future__ import annotations

import logging
from collections import deque

from vqa_agent.errors import one_line
from vqa_agent.event import Event, decode
from vqa_agent.publish.messages import Replay, ReplayRequest
from vqa_agent.publish.outbox import Outbox

log = logging.getLogger(__name__)

BATCH = 50
"""Events in one message."""

MOST_REQUESTS = 20
"""Requests that wait; what comes beyond is not heard, and asked again by who needs it."""

MOST_BYTES = 4096
"""Longest request that is read at all."""


class Replayer:
    """The requests that wait, over the outbox that has the events. Never raises for what others send."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._requests = deque[ReplayRequest]()

    def take(self, payload: bytes) -> bool:
        """Note a request; whether it was one that can be answered."""
        try:
            if len(payload) > MOST_BYTES:
                raise ValueError(f"{len(payload)} bytes are too many")
            request = ReplayRequest.model_validate(decode(payload))
        except (ValueError, RecursionError) as error:
            log.warning("a request for replay is not understood: %s", one_line(error)[:200])
            return False
        if request not in self._requests and len(self._requests) < MOST_REQUESTS:
            self._requests.append(request)
        return True

    def answer(self) -> Replay | None:
        """The next message to send; None when nobody waits for one, or the disk cannot be asked."""
        if not self._requests:
            return None
        request = self._requests[0]
        found = self._outbox.history(request.from_seq, request.to_seq, BATCH)
        if self._outbox.is_disturbed:
            return None  # what the disk does not give now is not gone
        self._requests.popleft()
        until = found[-1].seq if len(found) == BATCH else request.to_seq
        events = [event for event in found if request.boot in (None, event.boot)]
        if until < request.to_seq:
            self._requests.appendleft(request.model_copy(update={"from_seq": until + 1}))
        return Replay(
            v=1,
            boot=request.boot,
            from_seq=request.from_seq,
            to_seq=until,
            events=events,
            gone=_between(events, request.from_seq, until),
            last=until == request.to_seq,
        )

    def forget(self) -> None:
        self._requests.clear()


def _between(events: list[Event], first: int, last: int) -> list[tuple[int, int]]:
    """The ranges of `first` to `last` that `events` leave out."""
    gone = []
    for seq in [*(event.seq for event in events), last + 1]:
        if seq > first:
            gone.append((first, seq - 1))
        first = seq + 1
    return gone
