"""The readers once more, with inputs that a coverage-guided fuzzer (atheris) finds: python -m faults.fuzz N."""

import json
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["dlglc"]):
    from faults.forks import run, warm_up
    from faults.inputs import GOOD, judge
    from faults.readers import READERS


def fuzz(name: str, count: int, folder: Path) -> tuple[Counter[str], list[str]]:
    """As inputs.mutated."""
    results = folder / "results.jsonl"

    def go() -> None:
        (folder / "files").mkdir()
        (folder / "corpus").mkdir()
        path = READERS[name].make(folder / "files")
        (folder / "corpus/good").write_bytes(path.read_bytes())
        out = open(results, "a")  # noqa: SIM115  # libFuzzer ends the process itself

        def one(data: bytes) -> None:
            found, words = judge(name, path, data)
            out.write(json.dumps([found, words, data[:200].hex()]) + "\n")
            out.flush()

        os.chdir(folder)
        options = ["-seed=1", "-timeout=0", "-rss_limit_mb=0", "-max_len=400000", "-verbosity=0"]
        atheris.Setup(["fuzz", *options, f"-runs={count}", str(folder / "corpus")], one)
        atheris.Fuzz()

    ended = run(go, folder, memory=64 << 30, patience=60 + count)
    lines = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    counts = Counter(line[0] for line in lines)
    failures = [f"{name}: {line[0]}: {line[1]}: {line[2][:80]}" for line in lines if line[0] not in GOOD]
    if ended.hung or len(lines) < count:
        counts["crash"] += 1
        failures.append(f"{name}: ended with {ended.status} after {len(lines)} inputs: {ended.text[-500:]}")
    return counts, failures


def main() -> None:
    warm_up()
    count = int(sys.argv[1]) // len(READERS)
    total: Counter[str] = Counter()
    for name in sys.argv[2:] or READERS:
        counts, failures = fuzz(name, count, Path(tempfile.mkdtemp(prefix="faults-")))
        total += counts
        print(f"  {name}: {dict(counts)}", flush=True)
        for failure in list(dict.fromkeys(failures))[:5]:
            print(f"  {failure[:400]}", flush=True)
    print("coverage-guided:", ", ".join(f"{name} {count}" for name, count in total.most_common()))
    sys.exit(any(name not in GOOD for name in total))


if __name__ == "__main__":
    main()
