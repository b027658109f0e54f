"""Downloads from a server of this machine: resumed, checked, by mirrors; archives unpacked without trusting them."""

import collections
import hashlib
import http.server
import io
import tarfile
import threading
import zipfile

import pytest

from dlglc.data import download
from dlglc.data.download import JoinedFiles, digest_kind, digest_of, fetch, unpack, unzip
from dlglc.errors import RecipeError

PAYLOAD = bytes(range(256)) * 1000


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves PAYLOAD as the path says: /whole knows no ranges, /broken ends in the middle, /ranges does both well."""

    asked: list  # (path, first byte) of each request, in order

    def do_GET(self):
        start = int(self.headers.get("Range", "bytes=0-")[6:-1])
        self.asked.append((self.path, start))
        if self.path == "/gone":
            self.send_error(404)
        elif self.path == "/ranges" and start >= len(PAYLOAD):
            self.send_error(416)
        else:
            body = PAYLOAD if self.path == "/whole" else PAYLOAD[start:]
            self.send_response(206 if start and self.path != "/whole" else 200)
            if self.path != "/unknown":
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if self.path == "/broken" else body)

    def log_message(self, *_):
        pass


Site = collections.namedtuple("Site", "url asked")


@pytest.fixture
def site():
    """The server's URL and the requests that came."""
    handler = type("Listening", (Handler,), {"asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield Site(f"http://127.0.0.1:{server.server_port}", handler.asked)
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("path", ["/ranges", "/whole", "/unknown"])
def test_a_file_arrives_whole_and_is_not_asked_for_again(site, tmp_path, path):
    target = tmp_path / "folder/file"
    for _ in range(2):
        assert fetch([site.url + path], target, hashlib.sha256(PAYLOAD).hexdigest(), len(PAYLOAD)) == target
        assert target.read_bytes() == PAYLOAD
    assert site.asked == [(path, 0)]
    assert [p.name for p in target.parent.iterdir()] == ["file"]


@pytest.mark.parametrize(("path", "asked"), [("/ranges", 1000), ("/whole", 1000)])
def test_a_part_is_continued_where_the_server_can(site, tmp_path, path, asked):
    (tmp_path / "file.part").write_bytes(PAYLOAD[:1000])
    assert fetch([site.url + path], tmp_path / "file").read_bytes() == PAYLOAD
    assert site.asked == [(path, asked)]


def test_a_part_that_is_all_of_it_is_taken(site, tmp_path):
    (tmp_path / "file.part").write_bytes(PAYLOAD)
    assert fetch([site.url + "/ranges"], tmp_path / "file").read_bytes() == PAYLOAD
    assert site.asked == [("/ranges", len(PAYLOAD))]


def test_a_broken_download_goes_on_where_it_stopped(site, tmp_path):
    with pytest.raises(RecipeError, match=r"/broken: the connection ended at byte .*Run the same command"):
        fetch([site.url + "/broken"], tmp_path / "file")
    assert not (tmp_path / "file").exists()
    got = (tmp_path / "file.part").stat().st_size
    assert 0 < got < len(PAYLOAD)
    assert fetch([site.url + "/ranges"], tmp_path / "file").read_bytes() == PAYLOAD
    assert site.asked == [("/broken", 0), ("/ranges", got)]


def test_mirrors_are_tried_in_their_order(site, tmp_path):
    dead = "http://127.0.0.1:1/file"
    assert fetch([dead, site.url + "/gone", site.url + "/ranges"], tmp_path / "file").read_bytes() == PAYLOAD
    assert site.asked == [("/gone", 0), ("/ranges", 0)]
    with pytest.raises(RecipeError, match=r"other: no mirror .*127\.0\.0\.1:1/file: .*; .*/gone: .*404"):
        fetch([dead, site.url + "/gone"], tmp_path / "other")


@pytest.mark.parametrize(
    ("digest", "size", "words"),
    [
        ("0" * 64, None, "with sha256 .*expected any size and 0000"),
        ("0" * 32, None, "with md5 .*expected any size and 0000"),
        (None, 5, f"{len(PAYLOAD)} bytes with sha256 .*expected 5 and any digest"),
    ],
)
def test_what_is_not_as_expected_is_kept_aside(site, tmp_path, digest, size, words):
    with pytest.raises(RecipeError, match=words):
        fetch([site.url + "/ranges"], tmp_path / "file", digest, size)
    assert [p.name for p in tmp_path.iterdir()] == ["file.bad"]
    assert (tmp_path / "file.bad").read_bytes() == PAYLOAD


def test_digests_of_both_kinds(tmp_path):
    (tmp_path / "file").write_bytes(PAYLOAD)
    sha, md5 = hashlib.sha256(PAYLOAD).hexdigest(), hashlib.md5(PAYLOAD).hexdigest()
    assert (digest_kind(None), digest_kind(sha), digest_kind(md5)) == ("sha256", "sha256", "md5")
    assert (digest_of(tmp_path / "file"), digest_of(tmp_path / "file", md5)) == (sha, md5)


def tar_of(path, names, mode="w:gz"):
    with tarfile.open(path, mode) as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(PAYLOAD)
            tar.addfile(member, io.BytesIO(PAYLOAD))
    return path


@pytest.mark.parametrize(("strip", "names"), [(0, ["top/a", "top/b/c"]), (1, ["a", "b/c"])])
def test_a_tar_is_unpacked_beside_what_is_there(tmp_path, strip, names):
    archive = tar_of(tmp_path / "a.tar.gz", ["top/a", "top/b/c"])
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").write_text("kept")
    unpack(archive, tmp_path / "out", strip)
    found = [p for p in (tmp_path / "out").rglob("*") if p.is_file()]
    assert sorted(str(p.relative_to(tmp_path / "out")) for p in found) == sorted([*names, "mine"])
    assert (tmp_path / "out" / names[1]).read_bytes() == PAYLOAD
    assert not (tmp_path / "out.tmp").exists()


@pytest.mark.parametrize("name", ["top/../../escaped", "top//../../escaped", "top/a/../../../escaped"])
def test_a_tar_cannot_leave_its_folder(tmp_path, name):
    archive = tar_of(tmp_path / "evil.tar", [name], "w")
    with pytest.raises(RecipeError, match=r"evil\.tar: cannot unpack .*escaped"):
        unpack(archive, tmp_path / "deep/out", strip=1)
    assert not list(tmp_path.rglob("escaped"))


def test_an_absolute_path_of_a_tar_becomes_one_of_its_folder(tmp_path):
    unpack(tar_of(tmp_path / "a.tar", [f"{tmp_path}/escaped"], "w"), tmp_path / "out")
    assert not (tmp_path / "escaped").exists()
    assert len(list((tmp_path / "out").rglob("escaped"))) == 1


def test_a_damaged_tar_is_named_and_leaves_nothing(tmp_path):
    whole = tar_of(tmp_path / "a.tar.gz", ["a"]).read_bytes()
    for content in (whole[: len(whole) // 2], b"\x1f\x8b not an archive", b""):
        (tmp_path / "a.tar.gz").write_bytes(content)
        with pytest.raises(RecipeError, match=r"a\.tar\.gz: cannot unpack"):
            unpack(tmp_path / "a.tar.gz", tmp_path / "out")
        assert not (tmp_path / "out").exists()


def test_files_cut_from_one_are_read_as_one(tmp_path):
    parts = [tmp_path / f"part{i}" for i in range(4)]
    for part, (start, stop) in zip(parts, ((0, 10), (10, 10), (10, 5000), (5000, None))):
        part.write_bytes(PAYLOAD[start:stop])
    with io.BufferedReader(JoinedFiles(parts), 64) as joined:
        assert joined.read() == PAYLOAD
        for offset in (0, 9, 10, 4999, 5000, len(PAYLOAD) - 3):
            assert joined.seek(offset) == offset
            assert joined.read(7) == PAYLOAD[offset : offset + 7]
        assert joined.seek(-4, io.SEEK_END) == len(PAYLOAD) - 4
        assert joined.read() == PAYLOAD[-4:]


@pytest.fixture
def parts(tmp_path):
    """A zip of a/1 and a/2 in three parts."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/1", PAYLOAD)
        archive.writestr("a/2", PAYLOAD[::-1])
        archive.mkdir("empty")
    data = buffer.getvalue()
    paths = [tmp_path / f"zip_part{i}" for i in range(3)]
    for i, path in enumerate(paths):
        path.write_bytes(data[i * len(data) // 3 : (i + 1) * len(data) // 3])
    return paths


def test_a_zip_in_parts_is_unpacked_and_what_is_there_is_kept(parts, tmp_path):
    out = tmp_path / "out"
    (out / "a").mkdir(parents=True)
    (out / "a/1").write_bytes(PAYLOAD[::-1])  # of full size: kept
    (out / "a/2").write_bytes(PAYLOAD[:5])  # cut short: made again
    unzip(parts, out)
    assert (out / "a/1").read_bytes() == (out / "a/2").read_bytes() == PAYLOAD[::-1]
    assert sorted(p.name for p in out.rglob("*")) == ["1", "2", "a"]


@pytest.mark.parametrize("order", [[0, 1], [1, 0, 2], [0, 1, 1, 2]])
def test_a_part_that_is_missing_or_out_of_order_is_named(parts, tmp_path, order):
    chosen = [parts[i] for i in order]
    with pytest.raises(
        RecipeError, match=rf"{chosen[0].name} … {chosen[-1].name}: cannot unpack .*missing, out of order or damaged"
    ):
        unzip(chosen, tmp_path / "out")


def test_a_damaged_member_of_a_zip_is_named_and_not_kept(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a", PAYLOAD)
    damaged = bytearray((tmp_path / "a.zip").read_bytes())
    damaged[5000] ^= 1
    (tmp_path / "a.zip").write_bytes(damaged)
    with pytest.raises(RecipeError, match=r"a\.zip: cannot unpack .*CRC"):
        unzip([tmp_path / "a.zip"], tmp_path / "out")
    assert not (tmp_path / "out/a").exists()


@pytest.mark.parametrize("name", ["../escaped", "/escaped", "a/../../escaped"])
def test_a_zip_cannot_leave_its_folder(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("fine", "x")
        archive.writestr(name, "x")
    with pytest.raises(RecipeError, match=rf"evil\.zip: its member {name} would leave .*out: do not trust"):
        unzip([tmp_path / "evil.zip"], tmp_path / "deep/out")
    assert not list(tmp_path.rglob("escaped"))


def test_too_little_room_is_named_before_anything_is_written(parts, tmp_path, monkeypatch):
    usage = collections.namedtuple("usage", "total used free")
    monkeypatch.setattr(download.shutil, "disk_usage", lambda path: usage(9, 9, len(PAYLOAD)))
    with pytest.raises(RecipeError, match="out: 0 GiB to unpack, 0 GiB free"):
        unzip(parts, tmp_path / "out")
    assert not (tmp_path / "out").exists()
