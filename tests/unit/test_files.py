"""Files are whole or not there: after an error and after a kill half-way the old file stands."""

import hashlib
import multiprocessing
import os
import pickle
import re
import signal
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from dlglc.errors import RecipeError
from dlglc.files import (
    SEAL,
    SEAL_BYTES,
    check_archive,
    load_arrays,
    load_tensors,
    read_json,
    read_json_lines,
    save_arrays,
    save_tensors,
    whole_file,
    write_lines,
    write_text,
)
from support.waiting import wait_for


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_texts_and_lines_are_utf_8_and_folders_are_made(tmp_path):
    write_text(tmp_path / "a/b/text", "é – 中\n")
    assert (tmp_path / "a/b/text").read_bytes() == "é – 中\n".encode()
    write_text(tmp_path / "pieces", (piece for piece in ("one ", "two")))
    assert (tmp_path / "pieces").read_text() == "one two"
    write_lines(tmp_path / "lines", ["x", "", "y"])
    assert (tmp_path / "lines").read_text() == "x\n\ny\n"
    write_lines(tmp_path / "lines", [])
    assert (tmp_path / "lines").read_text() == ""
    assert names(tmp_path) == ["a", "lines", "pieces"]


def test_an_error_half_way_leaves_the_old_file(tmp_path):
    path = tmp_path / "table"
    write_lines(path, ["old"])

    def lines():
        yield "new"
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        write_lines(path, lines())
    assert path.read_text() == "old\n"


def half_a_table(path):
    """Lines enough to reach the disk, and then a kill."""
    for i in range(200_000):
        yield f"line {i}"
    os.kill(os.getpid(), signal.SIGKILL)


class KillsWhoPicklesIt:
    def __reduce__(self):
        os.kill(os.getpid(), signal.SIGKILL)
        return int, ()


def write_a_table(path):
    write_lines(path, half_a_table(path))


def write_a_model(path):
    save_tensors({"weight": torch.zeros(1000), "end": KillsWhoPicklesIt()}, path)


def write_bytes(path):
    with whole_file(path) as file:
        file.write(bytes(5_000_000))
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("write", [write_a_table, write_a_model, write_bytes])
def test_a_kill_half_way_leaves_the_old_file_and_the_next_run_replaces_it(tmp_path, write):
    path = tmp_path / "file"
    save_tensors({"old": 1}, path)
    process = multiprocessing.get_context("fork").Process(target=write, args=(path,))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert names(tmp_path) == ["file", "file.tmp"]  # it was killed in the middle
    assert load_tensors(path) == {"old": 1}
    save_tensors({"new": 2}, path)
    assert load_tensors(path) == {"new": 2}
    assert names(tmp_path) == ["file"]


def test_tensors_there_and_back(tmp_path):
    contents = {"w": torch.randn(3, 4), "half": torch.ones(2, dtype=torch.bfloat16), "deep": {"list": [1, "x", None]}}
    save_tensors(contents, tmp_path / "model.pt")
    found = load_tensors(tmp_path / "model.pt")
    assert torch.equal(found["w"], contents["w"])
    assert found["half"].dtype == torch.bfloat16
    assert found["deep"] == contents["deep"]


def test_missing_and_damaged_models_are_named(tmp_path):
    with pytest.raises(RecipeError, match=r"model\.pt: no such model"):
        load_tensors(tmp_path / "model.pt")
    save_tensors({"w": torch.zeros(1000)}, tmp_path / "model.pt")
    whole = (tmp_path / "model.pt").read_bytes()
    for content in (whole[:1000], b"", b"no model"):
        (tmp_path / "model.pt").write_bytes(content)
        with pytest.raises(RecipeError, match=r"model\.pt: not a model file of this recipe, or damaged"):
            load_tensors(tmp_path / "model.pt")


class Touch:
    """Unpickled, it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_nothing_in_a_model_is_executed(tmp_path):
    mark = tmp_path / "executed"
    torch.save({"w": Touch(mark)}, tmp_path / "a.pt")
    (tmp_path / "b.pt").write_bytes(pickle.dumps(Touch(mark), protocol=2))
    for name in ("a.pt", "b.pt"):
        with pytest.raises(RecipeError, match=r"refused: loading this file would run code \(io\.open\)"):
            load_tensors(tmp_path / name)
        assert not mark.exists()


def test_a_file_that_cannot_be_written_leaves_the_old_one_alone(tmp_path):
    write_lines(tmp_path / "t", ["old"])
    with pytest.raises(ZeroDivisionError):
        write_lines(tmp_path / "t", (str(1 // n) for n in (1, 0)))
    assert names(tmp_path) == ["t"] and (tmp_path / "t").read_text() == "old\n"


def test_a_seal_is_the_hash_of_all_bytes_before_it(tmp_path):
    save_tensors({"w": torch.arange(9.0)}, tmp_path / "m.pt")
    data = (tmp_path / "m.pt").read_bytes()
    assert data[-SEAL_BYTES:] == SEAL + hashlib.sha256(data[:-SEAL_BYTES]).hexdigest().encode()
    assert check_archive(tmp_path / "m.pt")
    with zipfile.ZipFile(tmp_path / "m.pt") as archive:
        assert archive.comment == data[-SEAL_BYTES:] and archive.testzip() is None
    assert torch.equal(torch.load(tmp_path / "m.pt")["w"], torch.arange(9.0))  # other programs read it, too


def test_arrays_there_and_back(tmp_path):
    save_arrays({"a": np.arange(3.0), "n": np.eye(2, dtype=np.int32)}, tmp_path / "x.npz")
    found = load_arrays(tmp_path / "x.npz")
    np.testing.assert_array_equal(found["a"], [0, 1, 2])
    assert found["n"].dtype == np.int32
    save_arrays({"a": np.array([1, np.nan])}, tmp_path / "x.npz")
    with pytest.raises(ValueError, match="a has something else than finite numbers"):
        load_arrays(tmp_path / "x.npz")
    np.savez(tmp_path / "x.npz", a=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        load_arrays(tmp_path / "x.npz")


def test_an_archive_that_grows_when_it_is_unpacked_is_refused(tmp_path):
    np.savez_compressed(tmp_path / "x.npz", a=np.zeros(100_000))
    with pytest.raises(ValueError, match="its parts are compressed"):
        load_arrays(tmp_path / "x.npz")


def test_json_that_is_damaged_is_named(tmp_path):
    path = tmp_path / "x.jsonl"
    assert read_json_lines(path) == []
    path.write_text('{"a": 1}\n{"b": 2}\n')
    assert read_json_lines(path) == [{"a": 1}, {"b": 2}]
    for text in ('{"a": 1}\n{"b"', "{}\n[1]\n", "{}\n\n"):
        path.write_text(text)
        with pytest.raises(RecipeError, match=r"x\.jsonl:2: not a JSON object"):
            read_json_lines(path)
    for text in ("", "{", "[" * 100_000):
        path.write_text(text)
        with pytest.raises(RecipeError, match=r"x\.jsonl: not JSON, or damaged"):
            read_json(path)


def test_two_processes_that_write_one_file_write_it_one_after_the_other(tmp_path):
    """They share the name of the unfinished file. The second one must not write into that of the first."""
    other = multiprocessing.get_context("fork").Process(target=write_text, args=(tmp_path / "text", "second\n"))
    with whole_file(tmp_path / "text") as file:
        file.write(b"fir")
        other.start()
        waits = re.compile(rf"-> POSIX +ADVISORY +WRITE +{other.pid} ")
        wait_for(lambda: not other.is_alive() or waits.search(Path("/proc/locks").read_text()))
        file.write(b"st\n")
    assert (tmp_path / "text").read_text() in ("first\n", "second\n")
    other.join()
    assert other.exitcode == 0 and (tmp_path / "text").read_text() == "second\n"
    assert names(tmp_path) == ["text"]
