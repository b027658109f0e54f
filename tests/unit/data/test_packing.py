"""Packing: what an interrupted run left is kept as far as it is whole, and unusable recordings are listed."""

import numpy as np
import pytest
import soundfile

from dlglc.data.audio import Recordings
from dlglc.data.packing import HOPELESS, check, pack, packed_before
from dlglc.data.tables import read_table, write_data_dir
from dlglc.errors import RecipeError
from dlglc.provenance import Stamp


@pytest.fixture
def source(tmp_path):
    """Five recordings of 0.1 to 0.5 s."""
    rng = np.random.default_rng(0)
    wav = {f"u{i}": str(tmp_path / f"u{i}.wav") for i in range(5)}
    for i, path in enumerate(wav.values()):
        soundfile.write(path, rng.integers(-900, 900, 1600 * (i + 1)).astype(np.int16), 16000)
    write_data_dir(tmp_path / "data", wav, {utt: utt for utt in wav})
    return tmp_path / "data"


def pack_into(source, out_dir):
    out_dir.mkdir(exist_ok=True)
    stamp = Stamp(out_dir / "unfinished.json", {"rate": 16000}, [source / "wav.scp"])
    return pack(Recordings(source, probe=False), 1600, out_dir, stamp)


def test_the_ark_holds_every_sample(source, tmp_path):
    assert pack_into(source, tmp_path / "out").tolist() == [1600 * (i + 1) for i in range(5)]
    packed, plain = Recordings(tmp_path / "out"), Recordings(source)
    assert packed.ids == plain.ids
    for i in range(5):
        np.testing.assert_array_equal(packed.read(i), plain.read(i))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["wav.ark", "wav.scp"]


@pytest.mark.parametrize("lost", [1, 44, 5000, 9000, 20000])
def test_an_interrupted_run_goes_on_to_the_same_bytes(source, tmp_path, lost):
    """As a kill leaves both files: the ark without its last bytes, the table perhaps with half a line."""
    pack_into(source, tmp_path / "whole")
    ark = (tmp_path / "whole/wav.ark").read_bytes()
    out = tmp_path / "out"
    out.mkdir()
    Stamp(out / "unfinished.json", {"rate": 16000}, [source / "wav.scp"]).write()
    (out / "wav.ark").write_bytes(ark[:-lost])
    lines = (tmp_path / "whole/wav.scp").read_text().replace("whole", "out")
    (out / "wav.scp.tmp").write_text(lines[:-3])
    pack_into(source, out)
    assert (out / "wav.ark").read_bytes() == ark
    assert (out / "wav.scp").read_text() == lines


def test_a_run_of_other_settings_is_not_continued(source, tmp_path):
    pack_into(source, tmp_path / "whole")
    out = tmp_path / "out"
    out.mkdir()
    Stamp(out / "unfinished.json", {"rate": 8000}, [source / "wav.scp"]).write()
    (out / "wav.ark").write_bytes(bytes(99))
    (out / "wav.scp.tmp").write_text(f"u0 {out}/wav.ark:3\nu1 {out}/wav.ark:50\n")
    pack_into(source, out)
    assert (out / "wav.ark").read_bytes() == (tmp_path / "whole/wav.ark").read_bytes()


def test_what_is_whole_ends_where_the_next_id_begins(source, tmp_path):
    pack_into(source, tmp_path / "out")
    ark, scp = tmp_path / "out/wav.ark", tmp_path / "out/wav.scp"
    found = packed_before(["u0", "u1", "x2", "u3", "u4"], ark, scp)  # another recording stands third
    assert found.tolist() == [1600, 3200]
    assert ark.stat().st_size == 2 * (len("u0 ") + 44) + 2 * (1600 + 3200)
    assert list(read_table(scp)) == ["u0", "u1"]


def test_all_that_cannot_be_used_is_listed(source):
    recordings = Recordings(source)

    def measure(i):
        if i % 2:
            raise RecipeError(f"line {i + 1} is broken")
        return int(recordings.num_samples[i])

    kept = []
    with pytest.raises(RecipeError) as error:
        check(recordings, measure, 2000, kept.append)
    assert str(error.value).splitlines()[0] == "3 of 5 recordings cannot be used:"
    for words in ("line 2 is broken", "line 4 is broken", "wav.scp:1: u0: 0.10 s, under 0.125 s: take the line out"):
        assert words in str(error.value)
    assert kept == [2, 4]
    assert check(recordings, lambda i: 9000 + i, 2000, first=3).tolist() == [9003, 9004]


def test_a_silent_recording_is_named(source, tmp_path):
    soundfile.write(read_table(source / "wav.scp")["u3"], np.zeros(3200, np.int16), 16000)
    with pytest.raises(RecipeError, match=r"1 of 5 .*\n.*wav\.scp:4: u3: silent, every sample is 0"):
        pack_into(source, tmp_path / "out")
    assert not (tmp_path / "out/wav.scp").exists()


def test_a_corpus_of_which_nothing_is_readable_stops_early(tmp_path):
    wav = {f"u{i:03d}": str(tmp_path / "gone.wav") for i in range(3 * HOPELESS)}
    write_data_dir(tmp_path, wav, {utt: utt for utt in wav})
    asked = []

    def measure(i):
        asked.append(i)
        raise RecipeError("gone")

    with pytest.raises(RecipeError, match=rf"{HOPELESS} of {3 * HOPELESS} .*(\n.*)*… and {HOPELESS - 20} more"):
        check(Recordings(tmp_path, probe=False), measure, 1)
    assert asked == list(range(HOPELESS))
