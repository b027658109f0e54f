"""Whether an output is stale: something that it was made from has changed since."""

import functools
from pathlib import Path

from ..provenance import changed_inputs, read_record
from ..scoring.trials import stamp_of_scores


@functools.cache
def reasons(output: Path) -> tuple[str, ...]:
    """Why an output is stale: one of its inputs has changed, or an input of an input, and so on."""
    found: list[str] = []
    for record in records_of(output):
        found += changed_inputs(record)
        for name in inputs_of(record):
            found += reasons(Path(name))
    return tuple(dict.fromkeys(found))


def outdated(output: Path) -> str | None:
    """The first reason why an output does not belong to the files beside it; None if it does.

    An input that is gone is no reason: data may have been removed to save space.
    """
    return next((reason for reason in reasons(output) if not reason.endswith(" is gone")), None)


def inputs_of(record: Path) -> list[str]:
    """The names of the inputs in a record. Empty if there is no record, or a broken one."""
    return list((read_record(record) or {}).get("inputs", {}))


def records_of(output: Path) -> list[Path]:
    """The records of an output, by its name."""
    if output.name == "utt2cluster":
        return existing(output.with_name("stamp.json"))
    if output.name == "embedding.scp":
        return stamps(output.parent, "embedding.json")
    if output.name == "model.pt":
        return existing(output.with_name("stamp.json"))
    if output.name in ("plda.npz", "bundle.dlglc"):
        return existing(output.with_suffix(".json"))
    return existing(stamp_of_scores(output))


def existing(path: Path) -> list[Path]:
    return [path] if path.exists() else []


def stamps(folder: Path, name: str) -> list[Path]:
    """The records of a step. A step that ran in several jobs has several records."""
    return sorted(folder.glob(f"parts/*/{name}")) or [folder / name]
