"""The status of an experiment: each stage is done, running, stopped, waiting or stale (run.sh --status)."""

import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from ..provenance import changed_inputs, compare, read_record
from .records import systems_of
from .staleness import reasons, stamps

PRETRAINED = ("untrained", "contrastive", "dino", "start")  # systems of stage 3
RECENT = 180  # s; a training whose log is older does not run


class State(NamedTuple):
    """A line of the status.

    Attributes:
        stage: number of the stage.
        what: e.g. "round1".
        state: done, running, stopped, waiting or stale.
        why: of a stale output, what has changed; of a training, its last step.
    """

    stage: int
    what: str
    state: str
    why: str


def status(exp_dir: Path, data: Path, settings: dict[str, Any], systems: list[str]) -> list[State]:
    """The states of all stages.

    Args:
        exp_dir: directory of the experiment.
        data: its data directory.
        settings: present settings of each idea, as plain values: {"dino": {…}, …}.
        systems: the systems that the experiment will have: untrained, dino, round1, …
    """
    parts = [part for part in ("train", "eval") if (data / part).is_dir() or part == "train"]
    states = [of_files(1, part, stamps(data / part, "packed.json"), data / part / "utt2spk") for part in parts]
    for part in parts:
        found = of_files(2, part, stamps(data / part, "feats.json"), data / part / "feats.scp")
        states.append(found._replace(what=f"features of {part}"))
    states += [of_training(exp_dir / name, settings, 3) for name in systems if name in PRETRAINED]
    for name in systems:
        stage = 4 if name in PRETRAINED else 5
        if stage == 5:
            states.append(of_training(exp_dir / name, settings, 5))
        states.append(of_outputs(stage, f"clusters of {name}", [exp_dir / name / "clusters/utt2cluster"]))
    for name in systems:
        scores = scores_of(exp_dir / name)
        if (data / "eval/trials").exists():
            states.append(of_outputs(6, f"scores of {name}", scores or [exp_dir / name / "scores/cosine"]))
    states += [of_report(exp_dir / name, exp_dir) for name in ("RESULTS.md", "report.html")]
    return states + of_bundles(exp_dir, settings, systems)


def scores_of(system: Path) -> list[Path]:
    """Score files of a system."""
    return sorted(path.with_suffix("") for path in system.glob("scores/*.json"))


def of_files(stage: int, what: str, records: list[Path], output: Path) -> State:
    """The state of a step of stage 1 or 2, from its records."""
    if not output.exists() or not all(record.exists() for record in records):
        return State(stage, what, "waiting", "")
    changed = [reason for record in records for reason in changed_inputs(record)]
    return State(stage, what, "stale", changed[0]) if changed else State(stage, what, "done", "")


def of_training(system: Path, settings: dict[str, Any], stage: int) -> State:
    """The state of a training, from its record, its checkpoint and its log."""
    record = read_record(system / "stamp.json")
    model, checkpoint = system / "model.pt", system / "checkpoint.pt"
    if record is None:
        put = model.exists() or model.with_suffix(".onnx").exists()
        return State(stage, system.name, *(("done", "not trained here, but put there") if put else ("waiting", "")))
    changed = changed_inputs(system / "stamp.json") + changed_settings(record, settings, system.name)
    changed += [reason for name in record["inputs"] for reason in reasons(Path(name))]
    if changed:
        return State(stage, system.name, "stale", changed[0])
    if model.exists():
        return State(stage, system.name, "done", "")
    running, line = last_line(system / "log/train.log")
    if running:
        return State(stage, system.name, "running", line)
    return State(stage, system.name, "stopped" if checkpoint.exists() else "waiting", line)


def changed_settings(record: dict[str, Any], settings: dict[str, Any], system: str) -> list[str]:
    """The settings that have changed since a system was trained, without those that a script sets itself."""
    then = {idea: values for idea, values in record["settings"].items() if isinstance(values, dict)}
    now = {idea: dict(settings[idea]) for idea in then if idea in settings}
    if "augment" in now and "dlglc" in then:
        now["augment"]["probability"] = then["augment"]["probability"]
    if "dino" in now:  # stage 3 records the keys that each of its trainings uses
        now["dino"] = {key: value for key, value in now["dino"].items() if key in then["dino"]}
    if system == "untrained" and "dino" in now:
        now["dino"]["epochs"] = then["dino"]["epochs"]
    return compare({"settings": {idea: then[idea] for idea in now}}, {"settings": now})


def last_line(log: Path) -> tuple[bool, str]:
    """Whether a log was written to a short time ago, and the last step of the training in it."""
    if not log.exists():
        return False, ""
    lines = [line for line in log.read_text(errors="replace").splitlines() if re.search(r"epoch \d+ of \d+", line)]
    found = re.search(r"(epoch \d+ of \d+(?:, step \d+ of \d+)?).*?(\d+ s left)?$", lines[-1]) if lines else None
    words = ", ".join(filter(None, found.groups())) if found else "beginning"
    return time.time() - log.stat().st_mtime < RECENT, words


def of_outputs(stage: int, what: str, outputs: Iterable[Path]) -> State:
    """The state of outputs that have records beside them."""
    for output in outputs:
        if not output.exists():
            return State(stage, what, "waiting", "")
        found = reasons(output)
        if found:
            return State(stage, what, "stale", found[0])
    return State(stage, what, "done", "")


def of_report(page: Path, exp_dir: Path) -> State:
    """The state of a page of the report. It is stale if one of its scores or clusters is newer."""
    if not page.exists():
        return State(7, page.name, "waiting", "")
    shown = [path for system in systems_of(exp_dir) for path in (*scores_of(system), system / "clusters/utt2cluster")]
    newer = [path for path in shown if path.exists() and path.stat().st_mtime > page.stat().st_mtime]
    return State(7, page.name, "stale", f"{newer[0]} is newer") if newer else State(7, page.name, "done", "")


def of_bundles(exp_dir: Path, settings: dict[str, Any], systems: list[str]) -> list[State]:
    """The states of the bundles: that of the last system, and those of others that are there."""
    return [
        of_bundle(exp_dir / name / "bundle.dlglc", f"bundle of {name}", settings)
        for name in systems
        if name == systems[-1] or (exp_dir / name / "bundle.dlglc").exists()
    ]


def of_bundle(bundle: Path, what: str, settings: dict[str, Any]) -> State:
    """The state of a bundle. Without its record it was not made here, and nothing is known against it."""
    if not bundle.exists():
        return State(7, what, "waiting", "")
    record = read_record(bundle.with_suffix(".json"))
    then = (record or {"settings": {}})["settings"].get("backend", {})
    changed = compare({"settings": then}, {"settings": settings["backend"]}) if then else []
    found = [*changed, *reasons(bundle)]
    return State(7, what, "stale", found[0]) if found else State(7, what, "done", "")
