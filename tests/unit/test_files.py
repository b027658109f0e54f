"""Files are whole or not there: after an error and after a kill half-way the old file stands."""

import multiprocessing
import os
import pickle
import signal

import pytest
import torch

from dlglc.errors import RecipeError
from dlglc.files import load_tensors, save_tensors, whole_file, write_lines, write_text


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
