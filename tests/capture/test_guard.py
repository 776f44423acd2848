"""Playlists and redirects reach what belongs to the input, and nothing else."""

from __future__ import annotations

import http.server
import random
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.capture import clips
from vqa_agent.capture import Source, open_source
from vqa_agent.capture import guard as guard_module
from vqa_agent.capture.guard import ForbiddenError, Guard
from vqa_agent.errors import InputError
from vqa_agent.media import Picture

HEAD = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-VERSION:3\n"


def playlist(*segments: str) -> str:
    return HEAD + "".join(f"#EXTINF:1,\n{segment}\n" for segment in segments) + "#EXT-X-ENDLIST\n"


@dataclass
class Site:
    """A web server; `redirects` lead elsewhere, `asked` is what was wanted of it."""

    folder: Path
    url: str = ""
    redirects: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    @property
    def port(self) -> str:
        return self.url.rpartition(":")[2]


@pytest.fixture(scope="module")
def segment(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return clips.transport_stream(tmp_path_factory.mktemp("segment") / "a.ts").read_bytes()


@pytest.fixture
def site(tmp_path: Path, segment: bytes) -> Iterator[Site]:
    folder = tmp_path / "www"
    folder.mkdir()
    (folder / "a.ts").write_bytes(segment)
    known = Site(folder)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(folder))

        def do_GET(self) -> None:
            known.asked.append(f"{self.headers['Host']}{self.path}")
            if (target := known.redirects.get(self.path)) is None and "Range" not in self.headers:
                super().do_GET()
                return
            if target is None:
                self.give_part(int(self.headers["Range"].removeprefix("bytes=").rstrip("-")))
                return
            self.send_response(302)
            self.send_header("Location", target)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def give_part(self, begin: int) -> None:
            data = Path(self.translate_path(self.path)).read_bytes()
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
            self.send_header("Content-Length", str(len(data) - begin))
            self.end_headers()
            self.wfile.write(data[begin:])

        def end_headers(self) -> None:
            self.send_header("Accept-Ranges", "bytes")
            super().end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    known.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield known
    server.shutdown()


def pictures(url: str, **more: object) -> int:
    with open_source(Source(name="x", url=url, live=False, **more)) as capture:
        return sum(isinstance(sample, Picture) for sample in capture.samples())


def test_a_playlist_of_its_own_segments_is_read(site: Site) -> None:
    (site.folder / "x.m3u8").write_text(playlist("a.ts", "a.ts", f"{site.url}/a.ts"))
    assert pictures(f"{site.url}/x.m3u8") > 0


def test_an_encrypted_segment_is_read_with_its_key(site: Site) -> None:
    encrypt(site, "locked.ts")
    assert pictures(f"{site.url}/x.m3u8") > 0


def encrypt(site: Site, segment: str) -> None:
    """A playlist x.m3u8 with one segment, which is `locked.ts` by some address."""
    key, iv = "00112233445566778899aabbccddeeff", "0" * 32
    (site.folder / "key").write_bytes(bytes.fromhex(key))
    command = ["openssl", "enc", "-aes-128-cbc", "-K", key, "-iv", iv, "-in", "a.ts", "-out", "locked.ts"]
    subprocess.run(command, check=True, cwd=site.folder)
    head = f'#EXT-X-KEY:METHOD=AES-128,URI="{site.url}/key",IV=0x{iv}\n'
    (site.folder / "x.m3u8").write_text(playlist(segment).replace("#EXTINF", head + "#EXTINF"))


def test_a_playlist_is_known_by_its_beginning_too(site: Site) -> None:
    (site.folder / "x.m3u8").write_text(playlist("a.ts"))
    site.redirects["/channel"] = "/x.m3u8"
    assert pictures(f"{site.url}/channel") > 0


def test_a_host_in_this_network_that_is_not_named_is_not_reached(site: Site) -> None:
    (site.folder / "x.m3u8").write_text(playlist(f"http://localhost:{site.port}/a.ts"))
    with pytest.raises(InputError, match="localhost, which is not in a public network; name it in allow_hosts"):
        pictures(f"{site.url}/x.m3u8")
    assert not [asked for asked in site.asked if asked.startswith("localhost")]
    assert pictures(f"{site.url}/x.m3u8", allow_hosts=("localhost",)) > 0


@pytest.mark.parametrize(
    "segment_url",
    [
        "file:///etc/passwd", "/etc/passwd", "ftp://127.0.0.1/x.ts", "rtsp://127.0.0.1/x", "gopher://127.0.0.1/x.ts",
        "http://169.254.169.254/latest/a.ts", "http://[::1]:9/a.ts", "http://[::ffff:10.0.0.1]/a.ts",
        "http://0x7f000001:9/a.ts", "http://user:canary@10.0.0.1/a.ts", "data:video/mp2t;base64,AAAA",
        "concat:a.ts|b.ts", "crypto:file:///etc/passwd", "subfile,,start,0,end,10,,:/etc/passwd", "tcp://127.0.0.1:9", "http:///a.ts",
    ],
)  # fmt: skip
def test_a_web_playlist_opens_nothing_else(site: Site, segment_url: str) -> None:
    (site.folder / "x.m3u8").write_text(playlist(segment_url))
    with pytest.raises(InputError) as refusal:
        pictures(f"{site.url}/x.m3u8")
    assert "\n" not in str(refusal.value)
    assert "canary" not in str(refusal.value)
    assert all(asked.startswith("127.0.0.1") for asked in site.asked)


@pytest.mark.parametrize(
    "target", ["http://localhost:9/a.ts", "file:///etc/passwd", "http://169.254.169.254/", "rtsp://10.0.0.1/x", ""]
)
@pytest.mark.parametrize("path", ["stream", "x.mp4", "x.m3u8"])
def test_a_redirect_leads_nowhere_else(site: Site, path: str, target: str) -> None:
    site.redirects[f"/{path}"] = target
    with pytest.raises(InputError):
        pictures(f"{site.url}/{path}")
    assert all(asked.startswith("127.0.0.1") for asked in site.asked)


def test_a_segment_may_not_redirect_elsewhere_either(site: Site) -> None:
    (site.folder / "x.m3u8").write_text(playlist("moved.ts"))
    site.redirects["/moved.ts"] = f"http://localhost:{site.port}/a.ts"
    with pytest.raises(InputError, match="allow_hosts"):
        pictures(f"{site.url}/x.m3u8")
    site.redirects["/moved.ts"] = "/a.ts"
    assert pictures(f"{site.url}/x.m3u8") > 0


@pytest.fixture
def elsewhere(site: Site, monkeypatch: pytest.MonkeyPatch) -> str:
    """The site as a public host, under a name that nobody but the guard can resolve, and it only once a request."""
    known = socket.getaddrinfo

    def resolve(host: str, *arguments: object, **more: object) -> object:
        return known("127.0.0.1" if host == "cdn.example" else host, *arguments, **more)

    monkeypatch.setattr(guard_module.socket, "getaddrinfo", resolve)
    monkeypatch.setattr(guard_module, "is_public", lambda address: address == "127.0.0.1")
    return f"http://cdn.example:{site.port}"


@pytest.mark.parametrize("name", ["a.ts", "late.mp4"])
def test_what_a_redirect_leads_to_is_fetched_from_the_address_that_was_looked_at(
    site: Site, elsewhere: str, name: str
) -> None:
    clips.clip(site.folder / "late.mp4", 6.0, options={"qp": "0"}, size=(640, 384))
    site.redirects["/stream"] = f"{elsewhere}/{name}"
    assert pictures(f"{site.url}/stream") > 0
    least = {"a.ts": 2, "late.mp4": 4}  # A file whose index is at its end is asked for in parts.
    assert site.asked.count(f"cdn.example:{site.port}/{name}") >= least[name]


def test_so_is_an_encrypted_segment(site: Site, elsewhere: str) -> None:
    encrypt(site, f"{elsewhere}/locked.ts")
    assert pictures(f"{site.url}/x.m3u8") > 0
    assert f"cdn.example:{site.port}/locked.ts" in site.asked


def test_a_name_that_leads_into_this_network_when_asked_again_is_refused(
    site: Site, elsewhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.redirects["/stream"] = f"{elsewhere}/a.ts"
    answers = iter([True])
    monkeypatch.setattr(guard_module, "is_public", lambda address: next(answers, False))
    with pytest.raises(InputError, match="not in a public network"):
        pictures(f"{site.url}/stream")


def test_redirects_without_end_end(site: Site) -> None:
    site.redirects["/a.ts"] = "/a.ts"
    with pytest.raises(InputError, match="more than 5 redirects"):
        pictures(f"{site.url}/a.ts")


def test_a_playlist_on_disk_reads_its_own_folder(tmp_path: Path, segment: bytes) -> None:
    folder = tmp_path / "show"
    (folder / "parts").mkdir(parents=True)
    (folder / "parts" / "a.ts").write_bytes(segment)
    (folder / "x.m3u8").write_text(playlist("parts/a.ts", str(folder / "parts" / "a.ts")))
    assert pictures(str(folder / "x.m3u8")) > 0


@pytest.mark.parametrize("name", ["../secret.ts", "SECRET", "file:SECRET", "http://127.0.0.1:9/a.ts", "link.ts"])
def test_a_playlist_on_disk_reads_nothing_else(tmp_path: Path, segment: bytes, name: str) -> None:
    folder = tmp_path / "show"
    folder.mkdir()
    (tmp_path / "secret.ts").write_bytes(segment)
    (folder / "link.ts").symlink_to(tmp_path / "secret.ts")
    (folder / "x.m3u8").write_text(playlist(name.replace("SECRET", str(tmp_path / "secret.ts"))))
    with pytest.raises(InputError):
        pictures(str(folder / "x.m3u8"))


@pytest.mark.parametrize("name", ["x.ts", "x.mp4", "x", "x.ffconcat", "x.sdp"])
def test_a_playlist_under_another_name_is_no_playlist(tmp_path: Path, segment: bytes, name: str) -> None:
    (tmp_path / "a.ts").write_bytes(segment)
    (tmp_path / name).write_text("ffconcat version 1.0\nfile a.ts\n" if "concat" in name else playlist("a.ts"))
    with pytest.raises(InputError):
        pictures(str(tmp_path / name))


def test_secrets_go_to_the_inputs_own_host_alone() -> None:
    guard = Guard("http://user:pass@cam/x.m3u8", {"headers": "X-Key: 1\r\n"}, ("other",), 1.0)

    def sent(url: str) -> set[str]:
        return set(guard._headers(guard._checked(url), {})) & {"Authorization", "X-Key"}

    assert sent("http://user:pass@cam/a.ts") == {"Authorization", "X-Key"}
    assert sent("http://user:pass@cdn.example/a.ts") == set()


def test_mutated_playlists_are_refused_or_read_within_their_bounds(site: Site, segment: bytes) -> None:
    rng = random.Random(11)
    whole = playlist("a.ts", "a.ts", f"{site.url}/a.ts").encode()
    words = [b"file:", b"http://10.0.0.1/", b'#EXT-X-KEY:METHOD=AES-128,URI="/etc/passwd"\n', b"\x00", b"../" * 5]
    words += [b'#EXT-X-MAP:URI="file:///etc/passwd"\n', b"#EXT-X-STREAM-INF:BANDWIDTH=1\n", b"9" * 400, b"\xff"]
    refusals: list[str] = []
    for _ in range(40):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            place = rng.randrange(len(data))
            data[place : place + rng.randrange(8)] = rng.choice(words)
        (site.folder / "x.m3u8").write_bytes(data)
        try:
            pictures(f"{site.url}/x.m3u8", limit=0.2)
        except InputError as error:
            refusals.append(str(error))
    assert refusals
    assert not any("\n" in refusal for refusal in refusals)
    assert all(asked.startswith("127.0.0.1") for asked in site.asked)


def test_the_guard_alone_refuses_what_is_no_web_address() -> None:
    guard = Guard("http://cam/x.m3u8", {}, (), 1.0)
    for url in ("file:///etc/passwd", "/etc/passwd", "", "http://", "https:/x", "HTTPX://cam/"):
        with pytest.raises(ForbiddenError):
            guard.open(url, 1, {})
