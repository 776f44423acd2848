"""Real sources of live streams on the loopback interface: UDP, HTTP, RTSP."""

from __future__ import annotations

import functools
import http.server
import itertools
import socket
import subprocess
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(type=kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class UdpSender:
    """Sends a transport stream to a port in real time, again and again, until stopped."""

    def __init__(self, data: bytes, seconds: float, port: int) -> None:
        self._datagrams = [data[start : start + 1316] for start in range(0, len(data), 1316)]
        self._pause = seconds / len(self._datagrams)
        self._port = port
        self.sending = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> UdpSender:
        self.sending.set()
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with socket.socket(type=socket.SOCK_DGRAM) as out:
            for datagram in itertools.cycle(self._datagrams):
                if self._stop.is_set():
                    return
                if self.sending.is_set():
                    out.sendto(datagram, ("127.0.0.1", self._port))
                time.sleep(self._pause)


@contextmanager
def web_server(folder: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


RTSP_SERVER = """
    import sys, gi
    gi.require_version("Gst", "1.0"); gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtspServer
    Gst.init(None)
    server = GstRtspServer.RTSPServer(); server.set_address("127.0.0.1"); server.set_service(sys.argv[2])
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(f"( filesrc location={sys.argv[1]} ! matroskademux ! rtph264pay name=pay0 pt=96 )")
    server.get_mount_points().add_factory("/live", factory); server.attach(None)
    print("ready", flush=True)
    GLib.MainLoop().run()
"""


@contextmanager
def rtsp_server(file: Path) -> Iterator[str]:
    """Serves the H.264 pictures of a Matroska file; skips the test where GStreamer's server is not installed."""
    probe = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    if subprocess.run(["/usr/bin/python3", "-c", probe], capture_output=True, check=False).returncode:
        pytest.skip("the RTSP server of GStreamer is not installed (gir1.2-gst-rtsp-server-1.0, python3-gi)")
    port = free_port()
    program = ["/usr/bin/python3", "-c", textwrap.dedent(RTSP_SERVER), str(file), str(port)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        yield f"rtsp://127.0.0.1:{port}/live"
        server.kill()
