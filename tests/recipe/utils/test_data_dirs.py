"""The tools that cut, join, mend and check data directories."""

import os
import subprocess
import time

import pytest

from support.shells import UTILS

UTTS = [f"s{speaker}-u{utt}" for speaker in range(1, 5) for utt in range(1, 6)]
FILES = {
    "utt2spk": "".join(f"{utt} {utt[:2]}\n" for utt in UTTS),
    "spk2utt": "".join(f"s{s} " + " ".join(f"s{s}-u{u}" for u in range(1, 6)) + "\n" for s in range(1, 5)),
    "wav.scp": "".join(f"{utt} /corpus/{utt}.wav\n" for utt in UTTS),
    "feats.scp": "".join(f"{utt} exp/raw.1.ark:{n}\n" for n, utt in enumerate(UTTS)),
    "utt2dur": "".join(f"{utt} 2.5\n" for utt in UTTS),
    "utt2num_frames": "".join(f"{utt} 250\n" for utt in UTTS),
    "utt2spk.truth": "".join(f"{utt} true{utt[1]}\n" for utt in UTTS),
    "trials": "s1-u1 s1-u2 target\ns1-u1 s2-u1 nontarget\ns4-u1 s4-u2 target\ns3-u1 s4-u5 nontarget\n",
}


@pytest.fixture
def data(shell):
    for name, text in FILES.items():
        shell.write(f"data/{name}", text)
    return shell


def read(shell, path):
    return (shell.cwd / path).read_text()


def keys(shell, path):
    return [line.split()[0] for line in shell.log(path)]


# ------------------------------------------------------------------------------------------------- validate_data_dir.sh


def test_a_good_directory_is_valid(data):
    assert data("validate_data_dir.sh", "data") == 0, data.err
    assert data.out == "validate_data_dir.sh: data is valid: 20 utterances\n" and data.err == ""


def test_kaldis_flags_are_taken(data):
    (data.cwd / "data/feats.scp").unlink()
    (data.cwd / "data/wav.scp").unlink()
    assert (
        data("validate_data_dir.sh", "--no-feats", "--no-text", "--no-wav", "--no-spk-sort", "--non-print", "data") == 0
    )
    assert data("validate_data_dir.sh", "data/") == 1
    assert "data/wav.scp: not there" in data.err and "data/feats.scp: not there" in data.err
    assert data("validate_data_dir.sh", "--no-feat", "data") == 1 and "unknown option --no-feat" in data.err


FAULTS = [  # file, what is replaced, by what (None: the file is removed), the complaint
    ("utt2spk", "s2-u1 s2\n", "s2-u1 s2 x\n", "data/utt2spk:6: 3 fields instead of 2: s2-u1 s2 x; mend the line"),
    ("utt2spk", "s2-u1 s2\n", "s2-u1\n", "data/utt2spk:6: 1 fields instead of 2"),
    ("utt2spk", "s2-u1 s2\n", "s2-u1  s2\n", "data/utt2spk:6: tab, carriage return, or stray space"),
    ("utt2spk", "s2-u1 s2\n", "s2-u1\ts2\n", "data/utt2spk:6: tab"),
    ("utt2spk", "s2-u1 s2\n", "s2-u1 s2\r\n", "data/utt2spk:6: tab, carriage return"),
    ("utt2spk", "s2-u1 s2\n", "\n", "data/utt2spk:6: tab, carriage return, or stray space"),
    (
        "utt2spk",
        "s2-u1 s2\n",
        "s2-u1 s2\ns2-u1 s2\n",
        "data/utt2spk:7: 's2-u1' is there twice; remove one, or run utils/fix",
    ),
    (
        "utt2spk",
        "s1-u1 s1\ns1-u2 s1\n",
        "s1-u2 s1\ns1-u1 s1\n",
        "data/utt2spk:2: 's1-u1' comes after 's1-u2': not sorted",
    ),
    ("utt2spk", "s4-u5 s4\n", "s4-u5 s4", "data/utt2spk:20: the last line has no newline"),
    (
        "utt2spk",
        "s2-u1 s2\n",
        "s2-u1 s0\n",
        "data/utt2spk:6: speaker 's0' comes after 's1': not sorted by speaker; start",
    ),
    ("utt2spk", FILES["utt2spk"], "", "data/utt2spk: empty"),
    ("utt2spk", None, None, "data/utt2spk: cannot be read: No such file"),
    (
        "spk2utt",
        None,
        None,
        "data/spk2utt: cannot be read: No such file or directory; utils/utt2spk_to_spk2utt.pl data",
    ),
    ("spk2utt", "s2-u3 ", "", "data/spk2utt:2: the line of speaker 's2' is not what utt2spk gives"),
    ("spk2utt", "s4 s4-u1 s4-u2 s4-u3 s4-u4 s4-u5\n", "", "data/spk2utt:3: speaker 's4' of utt2spk is missing"),
    ("spk2utt", "s4 ", "s5 ", "data/spk2utt:4: the line of speaker 's5'"),
    (
        "wav.scp",
        "s1-u3 /corpus/s1-u3.wav\n",
        "",
        "data/wav.scp:3: 's1-u3' of utt2spk (line 3) is missing (1 missing, 0 too",
    ),
    ("wav.scp", "s4-u5 ", "s4-u6 ", "data/wav.scp:20: 's4-u5' of utt2spk (line 20) is missing (1 missing, 1 too many"),
    ("wav.scp", "s4-u5 /", "s4-u4x ~/", "data/wav.scp:20: '~' is not expanded by anyone"),
    (
        "wav.scp",
        "/corpus/s1-u3.wav",
        "sox x |",
        "data/wav.scp:3: 's1-u3' is a command, which would run when read; write",
    ),
    ("feats.scp", "exp/raw.1.ark:2\n", "copy-feats x |\n", "data/feats.scp:3: 'copy-feats x |' is a command"),
    ("feats.scp", "s1-u3 exp/raw.1.ark:2\n", "s1-u3 \n", "data/feats.scp:3: tab, carriage return, or stray space"),
    ("utt2dur", "s1-u3 2.5", "s1-u3 0", "data/utt2dur:3: the duration '0' is not a number above 0"),
    ("utt2dur", "s1-u3 2.5", "s1-u3 nan", "data/utt2dur:3: the duration 'nan'"),
    ("utt2num_frames", "s1-u3 250", "s1-u3 2.5", "data/utt2num_frames:3: '2.5' is not a whole number above 0"),
    ("utt2spk.truth", "s1-u3 true1\n", "", "data/utt2spk.truth:3: 's1-u3' of utt2spk (line 3) is missing"),
    ("trials", "s1-u2 target", "s1-u2", 'data/trials:1: not "utterance utterance target|nontarget": s1-u1 s1-u2; mend'),
    ("trials", "s1-u2 target", "s1-u2 1", "data/trials:1: '1' is neither target nor nontarget; write 1 as target"),
    ("trials", "s1-u2 target", "s9-u2 target", "data/trials:1: 's9-u2' is not in utt2spk"),
    ("trials", " nontarget", " target", "data/trials: no nontarget trial; an error rate needs both classes"),
    ("trials", "s4-u5 nontarget\n", "s4-u5 nontarget", "data/trials:4: the last line has no newline"),
]


@pytest.mark.parametrize("file, old, new, complaint", FAULTS, ids=[f"{f[0]}-{n}" for n, f in enumerate(FAULTS)])
def test_each_fault_is_named_with_its_line(data, file, old, new, complaint):
    path = data.cwd / "data" / file
    if old is None:
        path.unlink()
    else:
        assert old in FILES[file]
        path.write_text(FILES[file].replace(old, new))
    assert data("validate_data_dir.sh", "data") == 1
    assert f"validate_data_dir.sh: {complaint}" in data.err and "data is not valid: " in data.err
    assert data.out == ""


def test_a_missing_directory(shell):
    assert shell("validate_data_dir.sh", "nowhere") == 1 and "there is no directory nowhere" in shell.err
    assert shell("validate_data_dir.sh") == 1 and "usage:" in shell.err


def test_commands_are_taken_when_allowed(data):
    data.write("data/wav.scp", FILES["wav.scp"].replace("/corpus/s1-u3.wav", "sox a.flac -t wav - |"))
    assert data("validate_data_dir.sh", "--allow-pipes", "true", "data") == 0, data.err
    assert data("validate_data_dir.sh", "--allow-pipes", "yes", "data") == 1


def test_labels_in_an_unlabelled_set(data):
    assert data("validate_data_dir.sh", "--unlabelled", "true", "data") == 1
    assert "data/utt2spk:1: speaker 's1' in a set declared unlabelled; write the utterance as its own" in data.err
    data.write("data/utt2spk", "".join(f"{utt} {utt}\n" for utt in UTTS))
    data.write("data/spk2utt", "".join(f"{utt} {utt}\n" for utt in UTTS))
    assert data("validate_data_dir.sh", "--unlabelled", "true", "data") == 0, data.err


def test_segments_are_keyed_by_recording(data):
    data.write("data/segments", "".join(f"{utt} rec{utt[1]} 0.5 2.5\n" for utt in UTTS))
    data.write("data/wav.scp", "".join(f"rec{n} /r{n}.wav\n" for n in range(1, 5)))
    assert data("validate_data_dir.sh", "data") == 0, data.err
    assert data("split_data.sh", "data", 2) == 0 and keys(data, "data/split2/2/wav.scp") == ["rec3", "rec4"]
    data.write("data/segments", "".join(f"{utt} rec{utt[1]} 2.5 2.5\n" for utt in UTTS))
    assert data("validate_data_dir.sh", "data") == 1 and "data/segments:1: the segment from 2.5 to 2.5" in data.err
    assert "data/segments: ... and 17 more" in data.err


# ---------------------------------------------------------------------------------------------- split, combine, ...


def test_speaker_lists_turn_both_ways(data):
    assert data("utt2spk_to_spk2utt.pl", "data/utt2spk") == 0 and data.out == FILES["spk2utt"]
    assert data("spk2utt_to_utt2spk.pl", "data/spk2utt") == 0 and data.out == FILES["utt2spk"]
    data.write("bad", "a b\na b c\n")
    assert data("utt2spk_to_spk2utt.pl", "bad") != 0 and "bad:2: expected 'utterance speaker'" in data.err
    data.write("bad", "a b\nc\n")
    assert data("spk2utt_to_utt2spk.pl", "bad") != 0 and "bad:2:" in data.err


@pytest.mark.parametrize("pieces", [1, 3, 7, 20])
def test_split_scp_is_balanced_and_loses_nothing(data, pieces):
    outs = [f"p{i}" for i in range(pieces)]
    assert data("split_scp.pl", "data/wav.scp", *outs) == 0
    parts = [read(data, out) for out in outs]
    assert "".join(parts) == FILES["wav.scp"]
    sizes = [part.count("\n") for part in parts]
    assert max(sizes) - min(sizes) <= 1
    assert data("split_scp.pl", "-j", pieces, pieces - 1, "data/wav.scp") == 0 and data.out == parts[-1]
    assert data("split_scp.pl", "--one-based", "-j", pieces, 1, "data/wav.scp", "one") == 0
    assert read(data, "one") == parts[0]


def test_split_scp_keeps_speakers_whole(data):
    assert data("split_scp.pl", "--utt2spk=data/utt2spk", "data/wav.scp", "a", "b", "c") == 0
    speakers = [{key[:2] for key in keys(data, part)} for part in "abc"]
    assert all(speakers) and sum(map(len, speakers)) == 4
    assert data("split_scp.pl", "--utt2spk=data/utt2spk", "data/wav.scp", *"abcde") != 0
    assert "4 speakers, too few for 5 pieces" in data.err
    assert data("split_scp.pl", "data/spk2utt", *"abcde") != 0 and "ask for fewer jobs" in data.err
    assert data("split_scp.pl", "-j", 3, 3, "data/wav.scp") != 0 and "does not exist" in data.err


def test_split_data(data):
    assert data("split_data.sh", "data", 3) == 0, data.err
    for name in ("utt2spk", "spk2utt", "wav.scp", "feats.scp", "utt2dur", "utt2num_frames", "utt2spk.truth"):
        assert "".join(read(data, f"data/split3/{i}/{name}") for i in (1, 2, 3)) == FILES[name]
    for i in (1, 2, 3):
        assert data("validate_data_dir.sh", f"data/split3/{i}") == 0, data.err
    assert data("split_data.sh", "data", 5) == 1
    assert "4 speakers, too few for 5 pieces: ask for 4 jobs or fewer (--nj 4), or use --per-utt" in data.err
    assert data("split_data.sh", "--per-utt", "data", 6) == 0
    assert "".join(read(data, f"data/split6utt/{i}/wav.scp") for i in range(1, 7)) == FILES["wav.scp"]
    assert data("split_data.sh", "--per-utt", "data", 21) == 1
    assert "20 utterances, too few for 21 pieces: ask for 20 jobs or fewer (--nj 20)" in data.err
    assert data("split_data.sh", "data", "x") == 1 and data("split_data.sh", "data") == 1
    assert [name for name in os.listdir(data.cwd / "data") if name.startswith(".split")] == [".split.lock"]


def test_splits_of_the_same_data_at_the_same_time(data):
    for attempt in range(5):
        later = time.time() + 5 + attempt
        os.utime(data.cwd / "data/utt2spk", (later, later))
        command = [str(UTILS / "split_data.sh"), "--per-utt", "data", "4"]
        started = [subprocess.Popen(command, cwd=data.cwd, stderr=subprocess.PIPE, text=True) for _ in range(4)]
        assert [(process.communicate()[1], process.returncode) for process in started] == 4 * [("", 0)]
        assert "".join(read(data, f"data/split4utt/{i}/wav.scp") for i in range(1, 5)) == FILES["wav.scp"]


def test_a_split_is_kept_until_its_source_changes(data):
    assert data("split_data.sh", "data", 2) == 0
    mark = data.write("data/split2/1/mark", "")
    assert data("split_data.sh", "data", 2) == 0 and mark.exists()
    later = time.time() + 5
    os.utime(data.cwd / "data/utt2dur", (later, later))
    assert data("split_data.sh", "data", 2) == 0 and not mark.exists()
    mark.touch()
    (data.cwd / "data/feats.scp").unlink()
    os.utime(data.cwd / "data/utt2dur", (0, 0))
    assert data("split_data.sh", "data", 2) == 0 and not mark.exists()
    assert not (data.cwd / "data/split2/1/feats.scp").exists()


def test_subset(data):
    assert data("subset_data_dir.sh", "--first", 6, "data", "a") == 0 and keys(data, "a/feats.scp") == UTTS[:6]
    assert read(data, "a/trials") == "s1-u1 s1-u2 target\ns1-u1 s2-u1 nontarget\n"
    assert data("subset_data_dir.sh", "--last", 2, "data", "a") == 0 and keys(data, "a/wav.scp") == UTTS[-2:]
    assert data("subset_data_dir.sh", 4, "data", "a") == 0 and len({key[:2] for key in keys(data, "a/utt2spk")}) == 4
    data.write("list", "s3-u1 x\ns1-u2\nnobody\n")
    assert data("subset_data_dir.sh", "--utt-list", "list", "data", "a") == 0
    assert keys(data, "a/utt2dur") == ["s1-u2", "s3-u1"] and '"nobody" (list:3)' in data.err
    data.write("list", "s3\n")
    assert data("subset_data_dir.sh", "--spk-list", "list", "data", "a") == 0
    assert keys(data, "a/spk2utt") == ["s3"] and len(keys(data, "a/utt2spk")) == 5
    for words in ((21, "data", "b"), ("--utt-list", "none", "data", "b"), ("x", "data", "b"), ("--utt-list",),
                  (3, "data", "data"), ("--spk-list", "data/utt2dur", "data", "b")):  # fmt: skip
        assert data("subset_data_dir.sh", *words) == 1 and data.err, words


def test_combine_is_the_inverse_of_subset(data):
    assert data("subset_data_dir.sh", "--first", 10, "data", "a") == 0
    assert data("subset_data_dir.sh", "--last", 10, "data", "b") == 0
    assert data("combine_data.sh", "c", "b", "a") == 0, data.err
    for name in FILES.keys() - {"trials"}:
        assert read(data, f"c/{name}") == FILES[name]
    (data.cwd / "a/utt2dur").unlink()
    assert data("combine_data.sh", "c", "a", "b") == 0
    assert not (data.cwd / "c/utt2dur").exists() and "utt2dur is left out, only 1 of 2 sources" in data.err
    assert data("combine_data.sh", "c", "a", "data") == 1
    assert "10 utterances stand in more than one directory, the first is 's1-u1'" in data.err


def test_fix_keeps_what_all_files_have(data):
    data.write("data/wav.scp", "".join(reversed(FILES["wav.scp"].splitlines(keepends=True)[1:])) + "s1-u2 /other.wav\n")
    data.write("data/utt2dur", FILES["utt2dur"].replace("s2-u2 2.5\n", "s2-u2   2.5\r\n").rstrip("\n"))
    assert data("fix_data_dir.sh", "data") == 0, data.err
    assert read(data, "data/trials") == "s4-u1 s4-u2 target\ns3-u1 s4-u5 nontarget\n"
    assert data("validate_data_dir.sh", "data") == 0, data.err
    assert keys(data, "data/feats.scp") == UTTS[1:] and "s1-u2 /corpus/s1-u2.wav\n" in read(data, "data/wav.scp")
    assert read(data, "data/.backup/utt2spk") == FILES["utt2spk"]
    assert data("fix_data_dir.sh", "data") == 0 and "kept" not in data.out


def test_fix_says_what_it_drops_and_does_not_drop_all(data):
    data.write("data/wav.scp", "".join(FILES["wav.scp"].splitlines(keepends=True)[:10]))
    assert data("fix_data_dir.sh", "data") == 0
    assert "data/feats.scp: kept 10 of 20 lines" in data.out
    assert "WARNING: 10 of 20 lines of data/feats.scp are gone, more than a tenth" in data.err
    before = read(data, "data/utt2spk")
    data.write("data/wav.scp", "other x.wav\n")
    assert data("fix_data_dir.sh", "data") == 1 and "nothing was changed" in data.err
    assert read(data, "data/utt2spk") == before and read(data, "data/wav.scp") == "other x.wav\n"
