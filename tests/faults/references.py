"""Slow readers of text tables, written from the rules alone: what an accepted table must have been read as."""

import re
import unicodedata

from dlglc.data.folder import id_of

NUMBER = re.compile(r"[-+]?(([0-9]+\.?[0-9]*|\.[0-9]+)(e[-+]?[0-9]+)?|inf|infinity|nan)", re.IGNORECASE)
Pairs = list[tuple[str, str]]


def lines_of(data: bytes) -> list[str]:
    """The lines of a UTF-8 text.

    Raises:
        ValueError: it is not one.
    """
    text = data.decode("utf-8")
    if "\0" in text:
        raise ValueError("a zero byte")
    return [line for number, line in enumerate(text.split("\n")) if line or number < text.count("\n")]


def is_key(word: str) -> bool:
    """True if nobody can take a part of the word for a blank or a line end."""
    return bool(word) and not any(c.isspace() or unicodedata.category(c) == "Cc" or c == "\ufeff" for c in word)


def table(data: bytes) -> Pairs:
    """Keys and values, sorted by key, without duplicates."""
    pairs: Pairs = []
    for line in lines_of(data):
        found = re.fullmatch(r"[ \t\r\v\f]*([^ \t]+)[ \t]+(.*?)[ \t\r\v\f]*", line, re.DOTALL)
        if not found or not found[2] or not is_key(found[1]) or (pairs and pairs[-1][0] >= found[1]):
            raise ValueError(line)
        pairs.append((found[1], found[2]))
    if not pairs:
        raise ValueError("empty")
    return pairs


def fields(data: bytes) -> list[list[str]]:
    """Lines of words, with blanks and tabs between them."""
    rows = [line.strip(" \t\r\v\f").replace("\t", " ").split(" ") for line in lines_of(data)]
    rows = [[word for word in row if word] for row in rows]
    if not rows or not all(is_key(word) for row in rows for word in row):
        raise ValueError("a word that is none")
    return rows


def trials(data: bytes) -> list[tuple[str, str, bool]]:
    """Both ids, and whether they are of one speaker."""
    said = {"target": True, "1": True, "nontarget": False, "0": False}
    found = []
    for row in fields(data):
        if len(row) == 3 and row[2] not in said and row[0] in ("0", "1"):
            row = [row[1], row[2], row[0]]
        if len(row) != 3 or row[2] not in said:
            raise ValueError(row)
        found.append((row[0], row[1], said[row[2]]))
    return found


def scores(data: bytes) -> dict[tuple[str, str], float]:
    """The score of each pair."""
    found: dict[tuple[str, str], float] = {}
    for row in fields(data):
        if len(row) != 3 or not NUMBER.fullmatch(row[2]):
            raise ValueError(row)
        value = float(row[2])
        if found.setdefault((row[0], row[1]), value) != value:
            raise ValueError("two scores")
    return found


def labels(data: bytes) -> list[tuple[str, str]]:
    """Path and speaker of each line of a label list; # begins a remark. The speaker as ids have it: %XX for blanks."""
    found = []
    for line in lines_of(data.removeprefix(b"\xef\xbb\xbf")):
        words = line.split("\t") if "\t" in line else re.split("[ \t]+", line.strip(" \t\r\v\f"))
        words = [word.strip(" \r\v\f") for word in words]
        if line.startswith("#") or not "".join(words):
            continue
        names = [name.replace(" ", "_") for name in words[1:]]
        if len(words) not in (2, 3) or not all(words) or not all(map(is_key, names)):
            raise ValueError(line)
        found.append((words[0], words[1]))
    return [(path, id_of(speaker)) for path, speaker in found]
