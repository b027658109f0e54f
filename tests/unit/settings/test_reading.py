"""YAML as the settings use it: what is read, where each key stands, and what is refused before it does harm."""

import math
import os

import pytest

from dlglc.errors import RecipeError
from dlglc.settings.reading import one_line, read_settings_file, read_word


def read(tmp_path, content: str | bytes):
    """What read_settings_file makes of a file of this content."""
    (tmp_path / "my.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_settings_file(tmp_path / "my.yaml", "my.yaml")


def refusal(tmp_path, content: str | bytes) -> str:
    with pytest.raises(RecipeError) as error:
        read(tmp_path, content)
    assert str(error.value).isprintable()
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-3", -3),
        ("+3", 3),
        ("0", 0),
        ("010", "010"),  # YAML 1.1 reads 8
        ("0o10", "0o10"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),  # YAML 1.1 reads 90
        ("1e-4", 1e-4),  # YAML 1.1 reads a word
        ("1E3", 1000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("-0.0", 0.0),
        ("00.5", "00.5"),
        ("1e", "1e"),
        (".", "."),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("nan", "nan"),
        ("9" * 30, int("9" * 30)),
        ("9" * 5000, math.inf),
        ("9" * 50_000 + "x", "9" * 50_000 + "x"),
        ("true", True),
        ("FALSE", False),
        ("yes", "yes"),  # YAML 1.1 reads true
        ("off", "off"),
        ("~", None),
        ("", None),
        ("Null", None),
        ("none", "none"),
        ("2024-01-01", "2024-01-01"),
        ("=", "="),
        ("'3'", "3"),
        ("k-means++  # a comment", "k-means++"),
        ("|\n  two\n  lines", "two\nlines\n"),
        ("[1, x, [], {a: 2}]", [1, "x", [], {"a": 2}]),
    ],
)
def test_values(tmp_path, text, value):
    found = read(tmp_path, f"key: {text}\n").values["key"]
    assert found == value
    assert type(found) is type(value)


def test_nan_is_read_as_such(tmp_path):
    assert math.isnan(read(tmp_path, "key: .nan").values["key"])


def test_each_key_has_its_place(tmp_path):
    layer = read(tmp_path, "\ufeff# comment\r\nepochs: 3\r\n\r\ngate:\r\n  mode: fixed\r\n  'from_epoch': 2\r\n")
    assert layer.values == {"epochs": 3, "gate": {"mode": "fixed", "from_epoch": 2}}
    assert layer.origins == {
        "epochs": "my.yaml:2",
        "gate": "my.yaml:4",
        "gate.mode": "my.yaml:5",
        "gate.from_epoch": "my.yaml:6",
    }
    layer = read_word("dlglc.gate.mode=fixed", "dlglc.")
    assert layer.values == {"gate": {"mode": "fixed"}}
    assert layer.origins == dict.fromkeys(["gate", "gate.mode"], "--set dlglc.gate.mode=fixed")


def test_keys_are_words_whatever_yaml_takes_them_for(tmp_path):
    assert read(tmp_path, "1: a\ntrue: b\nnull: c\n").values == {"1": "a", "true": "b", "null": "c"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "my.yaml: sets nothing"),
        ("# only a comment\n", "my.yaml: sets nothing"),
        ("---\n...\n", "my.yaml: sets nothing"),
        ("\n- epochs\n", "my.yaml:2: expected `key: value` lines, found a list"),
        ("epochs 3", "my.yaml:1: expected `key: value` lines, found 'epochs 3'"),
        ("epochs:3", "found 'epochs:3'"),
        ("epochs:\u00a03", r"found 'epochs:\xa03'"),
        ("null", "found 'null'"),
        ("a: 1\nb: 2\na: 3\n", "my.yaml:3: 'a' is set twice (my.yaml:1): keep one"),
        ("s:\n  a: 1\n  'a': 2\n", "my.yaml:3: 's.a' is set twice (my.yaml:2)"),
        ("a: [{b: 1, b: 2}]", "'a.0.b' is set twice"),
        ("a:\t3\n", "my.yaml:1: not valid YAML: a tab stands where YAML wants spaces"),
        ("s:\n\ta: 3\n", "my.yaml:2: not valid YAML: a tab stands"),
        ("a: 3\n b: 4\n", "my.yaml:2: not valid YAML: mapping values are not allowed here"),
        ("a: 3\n---\nb: 4\n", "my.yaml:2: a second document begins here"),
        ("a: &x 3\nb: *x\n", "my.yaml:2: settings have no aliases (*x)"),
        ("a: &x [*x]\n", "settings have no aliases"),
        ("a: &x {b: 1}\nc: {<<: *x}\n", "my.yaml:2: settings have no aliases"),
        ("a: !!int '3'", "my.yaml:1: settings have no tags (!!int)"),
        ("a: !mine {b: 1}", "settings have no tags (!mine)"),
        ("a: ! 3", "settings have no tags (!)"),
        ("? [a]\n: 3\n", "my.yaml:1: a list or a section stands where a key should"),
        ("? {a: 1}\n: 3\n", "a list or a section stands where a key should"),
        ("a:\n  b.c: 1\n", "my.yaml:2: 'a.b.c': write `b:` and, indented below it, `c:`"),
        ("a: [1, 2", "my.yaml:1: not valid YAML: expected ',' or ']'"),
        ('a: "x', "not valid YAML: found unexpected end of stream"),
        ("a: @x", "not valid YAML: found character '@'"),
        ('a: "\\q"', "not valid YAML: found unknown escape character 'q'"),
        ('a: "\\U00110000"', "not valid YAML: an escape or a version in it is out of range"),
        (f"%YAML {'1' * 5000}.1\n---\na: 1\n", "not valid YAML"),
        ("%YAML 2.0\n---\na: 1\n", "not valid YAML: found incompatible YAML document"),
        ("a: 1\nb: \x00\n", r"my.yaml:2: not valid YAML: the character '\x00' is not allowed"),
        (b"a: 1\nb: \xe9\n", "my.yaml:2: cannot read these settings: it is not UTF-8 text"),
        ("a: 1\n".encode("utf-16"), "it is not UTF-8 text"),
        (b"\x80\x02PK\x00" * 100, "it is not UTF-8 text"),
        (b"PK\x03\x04\x00\x00" * 100, r"the character '\x03' is not allowed"),
        ("a: " + "[" * 50_000, "more than 10 levels"),
        ("a: " + "{b: " * 5_000, "more than 10 levels"),
        ("\n".join("  " * level + "a:" for level in range(40)), "my.yaml:11: more than 10 levels"),
        ("a: 1\n" * 30_000, "more than 100 kB"),
    ],
)
def test_what_settings_have_no_use_for_is_refused(tmp_path, content, words):
    assert words in refusal(tmp_path, content)


def test_nested_aliases_are_refused_before_they_fill_the_memory(tmp_path):
    levels = [f"l{number}: &l{number} [{', '.join([f'*l{number - 1}'] * 9)}]" for number in range(1, 30)]
    assert "my.yaml:2: settings have no aliases (*l0)" in refusal(tmp_path, "l0: &l0 [x]\n" + "\n".join(levels))


def test_nothing_is_executed(tmp_path):
    done = tmp_path / "done"
    for command in (f"!!python/object/apply:os.system ['touch {done}']", f"!!python/object/new:os.mkdir [{done}]"):
        assert "settings have no tags (!!python/object" in refusal(tmp_path, f"epochs: {command}\n")
    assert not done.exists()


def test_what_is_no_file_is_refused(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)  # reading it would wait for ever
    for path, words in (
        (tmp_path, "it is a folder or a device, not a file"),
        (pipe, "it is a folder or a device, not a file"),
        ("/dev/zero", "it is a folder or a device, not a file"),
        (tmp_path / "gone.yaml", "No such file"),
        (tmp_path / ("x" * 300), "File name too long"),
        (tmp_path / "a\0b", "null byte"),
    ):
        with pytest.raises(RecipeError, match="cannot read these settings") as error:
            read_settings_file(type(tmp_path)(path), "my.yaml")
        assert words in str(error.value)


@pytest.mark.parametrize("word", ["a", "=", "=3", ".=3", "a.=3", "dino.=3"])
def test_a_word_without_key_or_value_is_refused(word):
    with pytest.raises(RecipeError, match="expected key=value"):
        read_word(word, "dino.")


@pytest.mark.parametrize("text", ["[1", "*x", "!!int 3", "{a: 1, a: 2}", "{a.b: 1}", "\t3\t: x", "1\n---\n2"])
def test_a_word_whose_value_is_no_setting_is_refused(text):
    with pytest.raises(RecipeError, match="--set epochs=") as error:
        read_word(f"epochs={text}", "dino.")
    assert "\n" not in str(error.value)


def test_one_line():
    assert one_line("a\n\x1b[0m") == r"a\n\x1b[0m"
    assert one_line("é" * 200) == "é" * 80 + "…"
