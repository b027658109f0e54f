"""LibriSpeech: data directories of a tree like the official one and of the real copy; parts that are downloaded."""

import hashlib
import http.server
import io
import tarfile
import threading

import numpy as np
import pytest
import soundfile

from dlglc.data.tables import read_table, read_trials

pytestmark = pytest.mark.slow

BOOKS = {"11": "1", "12": "1", "13": "2"}  # chapters of every reader: two of one book, one of another


def write_part(top, part, readers, chapters=BOOKS, count=3):
    """A part of the official tree: SPEAKER/CHAPTER/*.flac, with SPEAKERS.TXT and CHAPTERS.TXT beside it."""
    for reader in readers:
        for chapter in chapters:
            folder = top / part / reader / f"{reader}{chapter}"
            folder.mkdir(parents=True)
            for k in range(count):
                soundfile.write(folder / f"{reader}-{reader}{chapter}-{k:04d}.flac", np.zeros(1600, np.int16), 16000)
            (folder / f"{reader}-{reader}{chapter}.trans.txt").write_text("A TEXT\n")
    everyone = [*map(str, range(1, 60))]
    lines = [f"{r:<5}| {'FM'[int(r) % 2]} | {part} | 8.0 | Some | Body" for r in everyone]
    (top / "SPEAKERS.TXT").write_text(";ID  |SEX| SUBSET           |MINUTES| NAME\n" + "\n".join(lines) + "\n")
    rows = [f"{r}{c} | {r} | 3.1 | {part} | 7 | {b} | A | B" for r in everyone for c, b in BOOKS.items()]
    (top / "CHAPTERS.TXT").write_text(
        ";ID |READER|MINUTES| SUBSET | PROJ.|BOOK ID| CH. TITLE |\n" + "\n".join(rows) + "\n"
    )


@pytest.fixture
def tree(tmp_path):
    """Two parts, four readers to train on and sixteen to evaluate on."""
    top = tmp_path / "corpus/LibriSpeech"
    write_part(top, "train-clean-5", ["2", "3", "4", "5"])
    write_part(top, "dev-clean", [str(r) for r in range(20, 36)])
    return tmp_path / "corpus"


PARTS = ("--train", "train-clean-5", "--eval", "dev-clean")


def test_data_directories_of_the_official_tree(script, tree, tmp_path):
    script("local/prepare_librispeech.py", "corpus", tree, *PARTS)
    script("local/prepare_librispeech.py", "data", tree, tmp_path / "out", *PARTS)
    train, held_out = tmp_path / "out/train", tmp_path / "out/eval"
    assert len(read_table(train / "wav.scp")) == 4 * 3 * 3
    assert all(utt == speaker for utt, speaker in read_table(train / "utt2spk").items())
    assert set(read_table(train / "utt2spk.truth").values()) == {"2", "3", "4", "5"}
    truth, sessions = read_table(held_out / "utt2spk.truth"), read_table(held_out / "utt2sess")
    books = read_table(held_out / "sess2book")
    assert sessions["20-2011-0001"] == "20-2011" and books["20-2011"] == "1"
    halves = []
    for half in ("trials", "trials_final"):
        there = set()
        for end in ("", "_within", "_books"):
            enrol, test, target = read_trials(held_out / f"{half}{end}")
            there |= {truth[utt] for utt in (*enrol, *test)}
            for e, t, same in zip(enrol, test, target):
                assert (truth[e] == truth[t]) == same
                assert int(truth[e]) % 2 == int(truth[t]) % 2  # of the same sex
                if same:
                    assert (sessions[e] == sessions[t]) == (end == "_within")
                    assert (books[sessions[e]] != books[sessions[t]]) or end != "_books"
        halves.append(there)
    assert len(halves[0]) + len(halves[1]) == 16 and not halves[0] & halves[1]


def test_a_reader_in_both_sets_a_part_that_is_missing_and_lost_metadata_are_named(script, tree, tmp_path):
    write_part(tree / "LibriSpeech", "train-clean-100", ["20"])
    words = ("data", tree, tmp_path / "out")
    done = script(
        "local/prepare_librispeech.py", *words, "--train", "train-clean-100", "--eval", "dev-clean", check=False
    )
    assert done.returncode == 1
    assert "1 readers are in both sets, e.g. 20" in done.stderr
    done = script("local/prepare_librispeech.py", *words, "--train", "dev-other", "--eval", "dev-clean", check=False)
    assert "no dev-other/ with SPEAKER/CHAPTER folders: run stage 0" in done.stderr
    (tree / "LibriSpeech/CHAPTERS.TXT").unlink()
    done = script("local/prepare_librispeech.py", *words, *PARTS, check=False)
    assert f"{tree}/LibriSpeech/CHAPTERS.TXT: no such file" in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_trial_lists_of_the_real_copy_are_a_fixed_recipe(script, librispeech, tmp_path):
    script("local/prepare_librispeech.py", "corpus", librispeech)
    script("local/prepare_librispeech.py", "data", librispeech, tmp_path)
    assert len(read_table(tmp_path / "train/wav.scp")) == 3249
    expected = {
        **{"trials": (6040, "7cbd09851cad9f8d"), "trials_within": (6230, "fc0f3c00bb51d55b")},
        **{"trials_books": (4940, "ccb53e65647a829d"), "trials_final": (4220, "cc0eb9ce40da2cb2")},
        **{"trials_final_within": (4385, "6aef74db703892fc"), "trials_final_books": (3620, "4b84324a91b4cc15")},
    }
    found = {
        path.name: (path.read_text().count("\n"), hashlib.sha256(path.read_bytes()).hexdigest()[:16])
        for path in (tmp_path / "eval").glob("trials*")
    }
    assert found == expected, "figures are compared over these lists"


class Server(http.server.BaseHTTPRequestHandler):
    """Serves the archives; the first answer breaks off in the middle, and ranges are honoured."""

    archives: dict = {}  # noqa: RUF012
    requests: list = []  # noqa: RUF012

    def do_GET(self):
        body = self.archives.get(self.path)
        if body is None:
            self.send_error(404)
            return
        start = int(self.headers.get("Range", "bytes=0-")[6:-1])
        type(self).requests.append((self.path, start))
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        self.wfile.write(body[start : start + len(body) // 2] if len(self.requests) == 1 else body[start:])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tree):
    """Archives of both parts behind a URL of this machine, and their checksums as options."""
    Server.archives, Server.requests = {}, []
    checksums = []
    for number, part in ((31, "train-clean-5"), (12, "dev-clean")):
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w:gz") as tar:
            for name in (part, "SPEAKERS.TXT", "CHAPTERS.TXT"):
                tar.add(tree / "LibriSpeech" / name, f"LibriSpeech/{name}")
        Server.archives[f"/{number}/{part}.tar.gz"] = data.getvalue()
        checksums.append(f"{part}={hashlib.md5(data.getvalue()).hexdigest()}")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield ["--url", f"http://127.0.0.1:{httpd.server_port}", "--md5", *checksums]
        httpd.shutdown()
        thread.join()


def test_missing_parts_are_downloaded_and_the_download_goes_on_where_it_broke(script, server, tmp_path):
    there = tmp_path / "downloaded"
    broken = script("local/prepare_librispeech.py", "corpus", there, *PARTS, *server, check=False)
    assert broken.returncode == 1
    assert "Run the same command again" in broken.stderr
    script("local/prepare_librispeech.py", "corpus", there, *PARTS, *server)
    first = len(Server.archives["/31/train-clean-5.tar.gz"]) // 2
    assert Server.requests[:2] == [("/31/train-clean-5.tar.gz", 0), ("/31/train-clean-5.tar.gz", first)]
    script("local/prepare_librispeech.py", "data", there, tmp_path / "out", *PARTS)
    assert len(read_table(tmp_path / "out/train/wav.scp")) == 36
    asked = len(Server.requests)
    script("local/prepare_librispeech.py", "corpus", there, *PARTS, *server)
    assert len(Server.requests) == asked == 3


def test_an_archive_with_another_checksum_is_refused(script, server, tmp_path):
    words = [word for word in server if "=" not in word and word != "--md5"]
    done = script("local/prepare_librispeech.py", "corpus", tmp_path / "x", *PARTS, *words, check=False)
    done = script("local/prepare_librispeech.py", "corpus", tmp_path / "x", *PARTS, *words, check=False)
    assert done.returncode == 1
    assert "5df7d4e78065366204ca6845bb08f490" in done.stderr and "damaged or of another version" in done.stderr
    assert not (tmp_path / "x/train-clean-5").exists()
