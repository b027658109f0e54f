"""speechocean762: data directories from the real copy, and the download against a server on this machine."""

import hashlib
import http.server
import io
import tarfile
import threading

import pytest

from dlglc.data import download
from dlglc.data.tables import read_table, read_trials
from dlglc.errors import RecipeError

pytestmark = pytest.mark.slow


def test_data_directories_from_the_real_copy(speechocean, script, tmp_path):
    script("local/prepare_speechocean762.py", "data", speechocean, tmp_path)
    for name, count in (("train", 2500), ("eval", 1300)):
        utt2spk = read_table(tmp_path / name / "utt2spk")
        assert len(utt2spk) == count
        assert all(utt == spk for utt, spk in utt2spk.items())
        assert read_table(tmp_path / name / "wav.scp").keys() == utt2spk.keys()
    train, held_out = (set(read_table(tmp_path / n / "utt2spk.truth").values()) for n in ("train", "eval"))
    assert len(train) == 125
    assert not train & held_out
    truth, sex = read_table(tmp_path / "eval/utt2spk.truth"), read_table(speechocean / "eval/spk2gender")
    enrol, test, target = read_trials(tmp_path / "eval/trials")
    assert len(target) == 13000
    assert sum(target) == 6500
    for e, t, same in zip(enrol, test, target):
        assert (truth[e] == truth[t]) == same
        assert e != t
        assert sex[truth[e]] == sex[truth[t]]
    digest = hashlib.sha256((tmp_path / "eval/trials").read_bytes()).hexdigest()
    assert digest.startswith("d3d124a5443f663e"), "the trial list is a fixed recipe: figures are compared over it"


def test_a_wrong_folder_is_named(script, tmp_path):
    done = script("local/prepare_speechocean762.py", "data", tmp_path, tmp_path / "out", check=False)
    assert done.returncode == 1
    assert f"{tmp_path}: no train/wav.scp" in done.stderr


class Server(http.server.BaseHTTPRequestHandler):
    """Serves `payload`; the first answer breaks off in the middle, and ranges are honoured."""

    payload = b""
    requests: list = []  # noqa: RUF012
    broken = False

    def do_GET(self):
        start = int(self.headers.get("Range", "bytes=0-")[6:-1])
        type(self).requests.append(start)
        if start >= len(self.payload):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(self.payload) - start))
        self.end_headers()
        body = self.payload[start:]
        if type(self).broken:
            type(self).broken = False
            body = body[: len(body) // 2]
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    """An archive with speechocean762/hello.txt behind a URL of this machine."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as tar:
        member = tarfile.TarInfo("speechocean762/train/hello.txt")
        member.size = 200_000
        tar.addfile(member, io.BytesIO(bytes(range(256)) * 782))
    Server.payload, Server.requests, Server.broken = data.getvalue(), [], False
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}/a.tar.gz"
        httpd.shutdown()
        thread.join()


def test_a_broken_download_goes_on_where_it_stopped(server, tmp_path):
    Server.broken = True
    target = tmp_path / "a.tar.gz"
    with pytest.raises(RecipeError, match="Run the same command again"):
        download.fetch([server], target)
    assert not target.exists()
    part = (tmp_path / "a.tar.gz.part").stat().st_size
    assert 0 < part < len(Server.payload)
    digest = hashlib.sha256(Server.payload).hexdigest()
    assert download.fetch([server], target, digest, len(Server.payload)).read_bytes() == Server.payload
    assert Server.requests == [0, part]
    download.fetch([server], target)  # finished: not asked for again
    assert len(Server.requests) == 2
    download.unpack(target, tmp_path / "corpus", strip=1)
    assert (tmp_path / "corpus/train/hello.txt").stat().st_size == 200_000


def test_a_second_mirror_and_a_wrong_checksum(server, tmp_path):
    dead = "http://127.0.0.1:1/a.tar.gz"
    download.fetch([dead, server], tmp_path / "ok.tar.gz")
    with pytest.raises(RecipeError, match="sha256"):
        download.fetch([server], tmp_path / "bad.tar.gz", "0" * 64)
    assert not (tmp_path / "bad.tar.gz").exists()
    with pytest.raises(RecipeError, match="expected 5 "):
        download.fetch([server], tmp_path / "size.tar.gz", size=5)


def test_an_archive_cannot_leave_its_folder(tmp_path):
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        member = tarfile.TarInfo("top/../../escaped")
        member.size = 1
        tar.addfile(member, io.BytesIO(b"x"))
    with pytest.raises(RecipeError, match="cannot unpack"):
        download.unpack(tmp_path / "evil.tar", tmp_path / "deep/out", strip=1)
    assert not (tmp_path / "escaped").exists()
    assert not (tmp_path / "deep/escaped").exists()
    (tmp_path / "cut.tar.gz").write_bytes(b"\x1f\x8b not an archive")
    with pytest.raises(RecipeError, match="remove it and run again"):
        download.unpack(tmp_path / "cut.tar.gz", tmp_path / "out2")
