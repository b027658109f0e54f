"""One training from beginning to end: what both trainers do around the loop."""

import random
import shutil
from collections.abc import Callable, Iterable
from contextlib import nullcontext, suppress
from pathlib import Path

import torch

from ..console import log
from ..data.augment import Augmenter
from ..data.crops import AnyCrops
from ..errors import RecipeError
from ..files import write_text
from ..locks import only_process
from ..provenance import Stamp, damages, describe_code, describe_machine, read_record
from ..settings import save_settings
from ..settings.schema import AugmentSettings, TrainingSettings
from .checkpoint import identity_in
from .distributed import Processes, explain_lost_process, read_places
from .options import TrainingOptions
from .task import State, Task
from .trainer import Trainer

RUN_FILES = ("model.pt", "checkpoint.pt", "metrics.jsonl", "gate", "tensorboard")


def open_augmenter(settings: AugmentSettings, options: TrainingOptions, sample_rate: int) -> Augmenter | None:
    """The augmentation of waveforms; None without noise and rooms."""
    if options.noise or options.rirs:
        return Augmenter(settings, options.noise, options.rirs, sample_rate)
    return None


def input_files(data_dir: Path, inputs: str, options: TrainingOptions, *more: Path | None) -> list[Path | None]:
    """The files that determine a training: the table of the data directory, `more`, the tables of noise and rooms.

    Args:
        inputs: wav or feats.
    """
    table = data_dir / ("wav.scp" if inputs == "wav" else "feats.scp")
    return [table, *more, *(folder and folder / "wav.scp" for folder in (options.noise, options.rirs))]


def train(
    options: TrainingOptions,
    settings: TrainingSettings,
    stamp: Stamp,
    seed: int,
    crops: AnyCrops,
    make_task: Callable[[Processes], Task],
    save: Callable[[str, State], None],
) -> None:
    """Train, unless out_dir holds a finished model with the same settings. Call this last (see Processes.close).

    Args:
        options: where and how the training runs.
        settings: of conf/dino.yaml or conf/dlglc.yaml.
        stamp: the record of the run.
        seed: of the initial weights.
        crops: the training data.
        make_task: gives the task. It is called after the random generators are seeded.
        save: called as save("model.pt", state of the final encoder).

    Raises:
        RecipeError: as prepare_run and Trainer.train; another process trains in out_dir.
    """
    first = read_places()[0] == 0
    elsewhere = "use another directory (run.sh --exp)"
    # Before the processes meet: if one is refused here, the others need not say that they have lost it.
    with only_process(options.out_dir, False, elsewhere) if first else nullcontext():
        processes = Processes(options.device)
        if settings.input == "feats" and (options.noise or options.rirs):
            log.warning("input: feats: --noise and --rirs are not used: only waveforms can be augmented (input: wav)")
        with explain_lost_process(options.out_dir, processes):
            if prepare_run(options, settings, stamp, processes):
                set_seed(seed)
                task = make_task(processes)
                Trainer(task, crops, settings, options.out_dir, processes, options.max_hours, stamp.identity).train()
                if processes.first:
                    save("model.pt", task.final_state())
                    stamp.write(strict=False)
    with explain_lost_process(options.out_dir, processes):
        processes.close()


def prepare_run(options: TrainingOptions, settings: TrainingSettings, stamp: Stamp, processes: Processes) -> bool:
    """Write settings, command and versions into out_dir, and decide whether there is anything to train.

    Returns:
        False when out_dir holds a finished model with the same settings.

    Raises:
        RecipeError: out_dir holds a run with other or unknown settings, or a damaged model, and overwrite is off; or
            only some processes see its model.pt.
    """
    out_dir = options.out_dir
    finished = (out_dir / "model.pt").exists()
    trained_here = stamp.read() is not None
    problem = find_conflict(out_dir, stamp)
    if problem and not options.overwrite:
        raise RecipeError(
            f"{out_dir}: {problem}. Use another directory (run.sh --exp), or discard what is there with --overwrite"
        )
    if problem:
        finished = False
    processes.wait()  # all have looked before the first one changes anything
    if problem and processes.first:
        discard(out_dir, (*RUN_FILES, stamp.path.name))
    processes.wait()
    if not processes.agree(int(finished)):
        raise RecipeError(f"{out_dir}: not every process sees its model.pt: every node must see the same folder")
    if finished and (trained_here or (out_dir / "checkpoint.pt").exists()):
        if processes.first and "outputs" not in (read_record(stamp.path) or {}):
            with suppress(PermissionError):  # the record was lost, or is from before the model
                stamp.write(strict=False)
        log.info("%s/model.pt is finished with these settings: reused", out_dir)
        return False
    if finished:
        log.info("%s/model.pt was not trained here, but put there: kept", out_dir)
        return False
    if processes.first:
        out_dir.mkdir(parents=True, exist_ok=True)
        save_settings(settings, out_dir / "config.yaml")
        stamp.write()
        write_text(out_dir / "command", f"{options.command}\n# {describe_code()} · {describe_machine()}\n")
    return True


def find_conflict(out_dir: Path, stamp: Stamp) -> str:
    """Why a training must not go on with what a folder holds; empty if it may.

    Args:
        stamp: the record of the training that is wanted.
    """
    there = [name for name in RUN_FILES if (out_dir / name).exists()]
    if not there:  # nothing was trained, though its record may be there
        return ""
    if stamp.read() is not None:
        if not stamp.matches():
            return f"holds a run with other settings ({'; '.join(stamp.differences()[:4])})"
        wrong = damages(stamp.path) if "model.pt" in there else []
        if wrong:
            return (
                f"{wrong[0]}. Remove it, and the same command writes it again; if you have put it there, take it away"
            )
        return ""
    if stamp.damaged or "checkpoint.pt" in there:
        state = "damaged" if stamp.damaged else "missing"
        found = identity_in(out_dir / "checkpoint.pt") if "checkpoint.pt" in there else None
        if found == stamp.identity:
            log.info("%s is %s: written again, as checkpoint.pt is of these settings", stamp.path, state)
            return ""
        whose = "its checkpoint is of other settings" if found else "no checkpoint says them"
        return f"{stamp.path.name} is {state}, so the settings of the run there are not known, and {whose}"
    return ""


def discard(out_dir: Path, names: Iterable[str]) -> None:
    """Remove the files and folders of an earlier run."""
    for name in names:
        if (out_dir / name).is_dir():
            shutil.rmtree(out_dir / name)
        (out_dir / name).unlink(missing_ok=True)


def set_seed(seed: int) -> None:
    """Seed the generators of the initial weights. Data and augmentation have their own generators."""
    random.seed(seed)
    torch.manual_seed(seed)
