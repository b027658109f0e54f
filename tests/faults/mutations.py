"""Mutated inputs, drawn by hypothesis: what disks, networks, editors and strangers do to files."""

from hypothesis import strategies

WORDS = [
    *("\0", "\u0085", "\u00a0", "\u2028", "\ufeff", "\u202e", "\x1c", "\x7f"),
    *("\r", "\r\n", "\n\n", "\t", "  ", "\v", "\f"),
    *("nan", "inf", "-inf", "-1", "0", "1e999", "1_000", "٣", "9" * 30, "0x10", "1e-400", "true", "null", "~"),
    *("../../x", "-rf", "$(touch PWNED)", "`touch PWNED`", "; touch PWNED", "touch PWNED |", "<script>", "x" * 10_000),
    *("!!python/object/apply:os.system [touch PWNED]", "&a [*a]", "*a", "{" * 60, "[" * 2000, "---", "%YAML 9.9", ": "),
    *("u0", "target", "nontarget", "a.ark:-5", "a.ark:99999999999999999999", "/dev/zero", "/dev/stdin", "/", "."),
]
BYTES = [b"\xff", b"\xfe\xff", b"\xc3", b"\xed\xa0\x80", b"\x00" * 64, b"\xff" * 8, b"\xff\xff\xff\x7f", b"PK\x05\x06"]
KINDS = ("bit", "bit", "byte", "cut", "insert", "insert", "delete", "repeat", "end", "line")
TOKENS = [word.encode() for word in WORDS] + BYTES


@strategies.composite
def mutations(draw: strategies.DrawFn, original: bytes) -> bytes:
    """One to three changes of a file's bytes; sometimes all of it is something else."""
    data = bytearray(original)
    if draw(strategies.integers(0, 30)) == 0:
        return draw(strategies.one_of(strategies.binary(max_size=200), strategies.sampled_from(TOKENS)))
    for _ in range(draw(strategies.integers(1, 3))):
        _change(draw, data)
    return bytes(data)


def _change(draw: strategies.DrawFn, data: bytearray) -> None:
    kind = draw(strategies.sampled_from(KINDS))
    at = draw(strategies.integers(0, max(0, len(data) - 1)))
    length = draw(strategies.integers(1, 64))
    if kind == "bit" and data:
        data[at] ^= 1 << draw(strategies.integers(0, 7))
    elif kind == "byte" and data:
        data[at] = draw(strategies.integers(0, 255))
    elif kind == "cut":
        del data[at:]
    elif kind == "insert":
        data[at:at] = draw(strategies.sampled_from(TOKENS))
    elif kind == "delete":
        del data[at : at + length]
    elif kind == "repeat":
        data[at:at] = data[at : at + length]
    elif kind == "end":
        data += draw(strategies.sampled_from(TOKENS))
    elif kind == "line":
        lines = bytes(data).split(b"\n")
        row, other = (draw(strategies.integers(0, len(lines) - 1)) for _ in range(2))
        lines[row] = lines[other]
        data[:] = b"\n".join(lines)
