"""Tells systemd how the daemon is: sd_notify(3), a datagram to the socket it named."""

from __future__ import annotations

import os
import socket
from contextlib import suppress


class Notifier:
    """Silent where the daemon was not started by systemd."""

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "")
        if self._address.startswith("@"):
            self._address = "\0" + self._address[1:]

    def tell(self, **values: str | int) -> None:
        """Send `READY=1`, `WATCHDOG=1`, `STATUS=...` and the like in one message."""
        if not self._address:
            return
        message = "\n".join(f"{name}={value}" for name, value in values.items())
        # A full or vanished socket must not stop the daemon: systemd's own watchdog answers for it.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.connect(self._address)
            channel.sendall(message.encode())
