"""A file on a web server that is not the operator's own. FFmpeg would ask for the server's name again, which may then
lead elsewhere; so every connection is made by the guard, to an address that it has looked at.
"""

from __future__ import annotations

import os
from http import HTTPStatus

from vqa_agent.capture.guard import Answer, ForbiddenError, Guard


class Remote:
    """What `url` has, as a file for FFmpeg, and as an `Origin`. Raises what the guard raises."""

    def __init__(self, guard: Guard, url: str) -> None:
        self._guard, self._url = guard, url
        self._place = 0
        self._answer: Answer | None = guard.ask(url)
        self._size = self._answer.size

    def read(self, size: int) -> bytes:
        """Some bytes, at most `size`; nothing at the end."""
        if self._answer is None:
            self._answer = self._guard.ask(self._url, self._place)
            if self._place and self._answer.status != HTTPStatus.PARTIAL_CONTENT:
                raise ForbiddenError("the server does not give parts of a file, although it says that it does")
        data = self._answer.read(size)
        self._place += len(data)
        return data

    def seekable(self) -> bool:
        return self._size is not None

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go on from another byte; the next `read` asks for it."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size or 0}[whence]
        if base + offset != self._place:
            self.close()
            self._place = base + offset
        return self._place

    def tell(self) -> int:
        return self._place

    def stop(self) -> None:
        """A read ends at its own time limit."""

    def close(self) -> None:
        if self._answer is not None:
            self._answer.close()
            self._answer = None
