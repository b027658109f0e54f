"""local/make_noise.py makes the same clips and rooms each time, as ordinary data directories."""

import hashlib
import http.server
import shutil
import subprocess
import tarfile
import threading
import zipfile
from collections import Counter

import kaldiio
import numpy as np
import pytest
import soundfile

from dlglc.data.augment import Augmenter
from dlglc.data.tables import read_table
from dlglc.settings import load_settings
from dlglc.settings.schema import AugmentSettings

pytestmark = pytest.mark.slow


def hashes(folder):
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*.wav")}


@pytest.fixture(scope="module")
def speech(once):
    """A data directory of ten recordings: five files, and five packed in an ark."""
    return once("ten_recordings", write_speech)


def write_speech(folder):
    rng = np.random.default_rng(0)
    lines = []
    for i in range(5):
        x = (rng.standard_normal(rng.integers(8000, 48000)) * 1000).astype(np.int16)
        soundfile.write(folder / f"u{i}.wav", x, 16000)
        lines.append(f"u{i} {folder}/u{i}.wav\n")
    with kaldiio.WriteHelper(f"ark,scp:{folder}/packed.ark,{folder}/packed.scp") as writer:
        for i in range(5, 10):
            writer[f"u{i}"] = 16000, (rng.standard_normal(20000) * 1000).astype(np.int16)
    lines += (folder / "packed.scp").read_text().splitlines(keepends=True)
    (folder / "wav.scp").write_text("".join(lines))


@pytest.fixture(scope="module")
def made(script, speech, once):
    """The data directories of one run; tests must not change them."""
    return once("noise", lambda out: script("local/make_noise.py", out, "--speech", speech))


def test_data_directories(made):
    for name in ("noise", "rirs"):
        wav = read_table(made / name / "wav.scp")
        kinds = read_table(made / name / "utt2spk")
        assert wav.keys() == kinds.keys() == read_table(made / name / "utt2dur").keys()
        assert all(utt.startswith(f"{kind}-") for utt, kind in kinds.items())
        grouped = {utt: kind for kind, utts in read_table(made / name / "spk2utt").items() for utt in utts.split()}
        assert grouped == kinds
        for path in wav.values():
            header = soundfile.info(path)
            assert (header.samplerate, header.channels, header.subtype) == (16000, 1, "PCM_16")
    assert Counter(read_table(made / "noise/utt2spk").values()) == {"noise": 30, "music": 15, "babble": 15}
    assert set(read_table(made / "rirs/utt2spk").values()) == {"rir"}


def test_clips_sound(made):
    for utt, path in read_table(made / "noise/wav.scp").items():
        x, rate = soundfile.read(path)
        assert 5.0 <= len(x) / rate <= 10.0
        assert np.abs(x).max() < 0.95, f"{utt} is clipped"
        assert 20 * np.log10(x.std()) > -45, f"{utt} is silent"


def test_rooms_decay(made):
    times = []
    for path in read_table(made / "rirs/wav.scp").values():
        x, rate = soundfile.read(path)
        assert len(x) <= 0.8 * rate
        assert np.abs(x).argmax() < 0.005 * rate  # the direct path, as far as the microphone leaves it the highest
        assert np.abs(x).max() == pytest.approx(0.98, abs=1e-3)
        # Schroeder's backward integral of what follows the direct path, from −5 to −25 dB.
        decay = 10 * np.log10(np.cumsum((x[1:] ** 2)[::-1])[::-1] / np.sum(x[1:] ** 2) + 1e-12)
        times.append(3 * (np.argmax(decay < -25) - np.argmax(decay < -5)) / rate)
    assert 0.05 < min(times) < 0.2 and 0.5 < max(times) < 0.85


def test_finished_is_reused_and_half_made_rebuilt_to_the_same_bytes(script, speech, made, tmp_path):
    shutil.copytree(made, tmp_path / "copy")
    assert "reused" in script("local/make_noise.py", tmp_path / "copy", "--speech", speech).stdout
    (tmp_path / "copy/noise.json").unlink()
    (tmp_path / "copy/noise.unfinished").write_text("")
    (tmp_path / "copy/rirs/wav/rir-0001.wav").unlink()
    (tmp_path / "copy/noise/wav/noise-0001.wav").write_bytes(b"RIFF")
    script("local/make_noise.py", tmp_path / "copy", "--speech", speech)
    assert hashes(tmp_path / "copy") == hashes(made)
    assert not (tmp_path / "copy/noise.unfinished").exists()


def test_another_seed_without_speech(script, made, tmp_path):
    done = script("local/make_noise.py", tmp_path, "--seed", 1)
    assert "no babble" in done.stdout
    assert set(read_table(tmp_path / "noise/utt2spk").values()) == {"noise", "music"}
    old, new = hashes(made), hashes(tmp_path)
    assert new.keys() < old.keys() and all(old[name] != new[name] for name in new)


def test_mistakes_are_named(script, tmp_path):
    done = script("local/make_noise.py", tmp_path, "--speech", tmp_path / "nowhere", check=False)
    assert done.returncode == 1 and "nowhere/wav.scp: no such file" in done.stderr
    assert not (tmp_path / "noise").exists()
    done = script("local/make_noise.py", tmp_path, "--seed", -1, check=False)
    assert done.returncode == 1 and "--seed -1" in done.stderr
    (tmp_path / "noise").mkdir()
    (tmp_path / "noise/wav.scp").write_text("musan-1 x.wav\n")
    done = script("local/make_noise.py", tmp_path, check=False)
    assert done.returncode == 1 and f"{tmp_path}/noise: already there" in done.stderr
    assert (tmp_path / "noise/wav.scp").exists()


@pytest.fixture(scope="module")
def openslr(tmp_path_factory):
    """MUSAN and RIRS_NOISES as OpenSLR has them, with a few short files, behind a server that can go on."""
    top = tmp_path_factory.mktemp("openslr")
    rng = np.random.default_rng(0)

    def wav(path, samples):
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, (3000 * rng.standard_normal(samples)).astype(np.int16), 16000)

    for name in ("noise/free-sound", "music/fma", "speech/librivox"):
        for i in range(3):
            wav(top / "musan" / name / f"{name.replace('/', '-')}-{i:04d}.wav", 24000)
    for size in ("smallroom", "largeroom"):
        for i in range(12):
            wav(top / f"RIRS_NOISES/simulated_rirs/{size}/Room001/Room001-{i + 1:05d}.wav", 4000)
    wav(top / "RIRS_NOISES/pointsource_noises/noise-free-sound-0000.wav", 4000)
    (top / "site").mkdir()
    with tarfile.open(top / "site/musan.tar.gz", "w:gz") as tar:
        tar.add(top / "musan", "musan")
    with zipfile.ZipFile(top / "site/rirs_noises.zip", "w") as archive:
        for path in sorted((top / "RIRS_NOISES").rglob("*.wav")):
            archive.write(path, path.relative_to(top))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            data = (top / "site" / self.path[1:]).read_bytes()
            first = int(self.headers.get("Range", "bytes=0-")[6:-1])
            self.send_response(206 if first else 200)
            self.send_header("Content-Length", str(len(data) - first))
            self.end_headers()
            self.wfile.write(data[first:])

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", top / "site"
        server.shutdown()
        thread.join()


def test_published_noise_is_downloaded_checked_and_augments(root, script, openslr, tmp_path):
    url, site = openslr
    for corpus, name in (("musan", "musan.tar.gz"), ("rirs", "rirs_noises.zip")):
        where = ["local/noise_corpora.py", corpus, tmp_path / corpus, "--url", f"{url}/{name}"]
        done = script(*where, check=False)  # not the published archive
        assert done.returncode == 1 and "md5" in done.stderr and "remove it and run again" in done.stderr
        (tmp_path / f"{name}.bad").unlink()
        data = (site / name).read_bytes()
        (tmp_path / f"{name}.part").write_bytes(data[: len(data) // 2])
        done = script(*where, "--digest", hashlib.md5(data).hexdigest())
        assert f"from byte {len(data) // 2} of {len(data)}" in done.stdout
        (tmp_path / name).unlink()
        assert "already there" in script(*where).stdout

    places = ["--musan", tmp_path / "musan", "--rirs-noises", tmp_path / "rirs", "--rirs-per-room", 5]
    done = script("local/make_noise.py", tmp_path / "data", *places)
    assert "3 clips, MUSAN has 930" in done.stdout and "2 rooms, 24 responses" in done.stdout
    assert Counter(read_table(tmp_path / "data/noise/utt2spk").values()) == {"noise": 3, "music": 3, "speech": 3}
    assert len(read_table(tmp_path / "data/rirs/wav.scp")) == 10
    assert "reused" in script("local/make_noise.py", tmp_path / "data", *places).stdout
    assert not (tmp_path / "data/noise/wav").exists()
    for part in ("noise", "rirs"):
        words = ["--no-feats", "--no-spk-sort", tmp_path / "data" / part]
        subprocess.run([root / "utils/validate_data_dir.sh", *words], check=True, capture_output=True)
    augmenter = Augmenter(load_settings(AugmentSettings), tmp_path / "data/noise", tmp_path / "data/rirs", 16000)
    assert len(augmenter.rirs) == 10 and set(augmenter.by_kind) == {"noise", "music", "speech"}
    plans = [augmenter.draw(np.random.default_rng(i), 16000) for i in range(40)]
    assert {plan[2] is None for plan in plans} == {True, False}

    # One of them synthetic, the other not; and folders that are something else.
    script("local/make_noise.py", tmp_path / "data", *places[2:])
    assert set(read_table(tmp_path / "data/noise/utt2spk").values()) == {"noise", "music"}
    done = script("local/make_noise.py", tmp_path / "data", "--musan", tmp_path / "rirs", check=False)
    assert done.returncode == 1 and "this is not MUSAN" in done.stderr
    done = script("local/make_noise.py", tmp_path / "data", "--rirs-noises", tmp_path / "musan", check=False)
    assert done.returncode == 1 and "this is not RIRS_NOISES" in done.stderr
