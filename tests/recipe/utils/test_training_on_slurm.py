"""What matters of jobs in the end: the same model and the same scores, whatever Slurm and its nodes do meanwhile."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from support.chain import ENVIRONMENT, run
from support.scripts import THREADS, torchrun
from support.shells import ON_SLURM, Slurm
from support.training import dino_arguments, lines, same_model
from support.waiting import PATIENCE, Hold, wait_for

pytestmark = ON_SLURM
# checkpoint_minutes=0 takes a checkpoint after every step: four an epoch. The training stands at the tenth.
SETTINGS = ["checkpoint_minutes=0"]
THIRD_EPOCH = 10


@pytest.fixture
def slurm(cluster, root):
    """Jobs start in the repository's root, and write into other folders."""
    return Slurm(root, {**cluster, "OMP_NUM_THREADS": THREADS})


@pytest.fixture(scope="module")
def whole(tiny, script, tmp_path_factory):
    """A training that nothing interrupts."""
    out = tmp_path_factory.mktemp("whole") / "dino"
    script("steps/train_dino.py", *dino_arguments(tiny, out, *SETTINGS))
    return out


def start(slurm, tiny, out, hold=None):
    """A training job that stands in mid-epoch: (queue.pl's process, the job's number, its node)."""
    hold = hold or Hold(out.with_name(f"{out.name}-hold"), THIRD_EPOCH)
    variables = [f"{name}={value}" for name, value in hold.environment.items()]  # behind path.sh, which sets the path
    process = slurm.start("queue.pl", "--mem", "2G", out / f"log/{out.name}.log", "env", *variables,
                          "steps/train_dino.py", *dino_arguments(tiny, out, *SETTINGS))  # fmt: skip
    hold.wait(process)
    return process, slurm.job(f"{out.name}.log"), slurm.job(f"{out.name}.log", "%N")


def assert_resumed(slurm, process, out, whole):
    assert process.wait(timeout=PATIENCE) == 0, process.stderr.read()
    log = slurm.log(out / f"log/{out.name}.log")
    assert [line for line in log if line.startswith("# SLURM_JOB_NODELIST=")] == [
        "# SLURM_JOB_NODELIST=n1",
        "# SLURM_JOB_NODELIST=n2",
    ]
    assert any("resuming at epoch 3, step 3 of 4" in line for line in log)
    assert same_model(whole / "model.pt", out / "model.pt")
    assert [m["epoch"] for m in lines(out / "metrics.jsonl")] == [1, 2, 3]


def test_a_training_on_a_drained_node_goes_on_elsewhere(slurm, tiny, whole, tmp_path):
    process, job, node = start(slurm, tiny, tmp_path / "drained")
    assert node == "n1"
    slurm.node("n1", "DRAIN")
    try:
        slurm.control("requeue", job)
        slurm.restart(job)
        assert_resumed(slurm, process, tmp_path / "drained", whole)
    finally:
        slurm.node("n1", "RESUME")


def processes_of(words):
    """Processes with HOLD=words in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"HOLD={words}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


ENDINGS = {
    "time": "Slurm state TIMEOUT of job",
    "memory": "Slurm state OUT_OF_MEMORY of job",
    "cancelled": "Slurm state CANCELLED of job",
}


@pytest.mark.parametrize("end", ENDINGS)
def test_a_training_that_slurm_ends_goes_on_with_the_same_command(slurm, tiny, whole, tmp_path, end):
    out, hold = tmp_path / end, Hold(tmp_path / "hold", THIRD_EPOCH)
    process, job, _ = start(slurm, tiny, out, hold)
    if end == "time":
        slurm.control("update", f"JobId={job}", "EndTime=now")
    elif end == "memory":
        hold.eat(3 << 30)  # the job asked for 2 GiB
    else:
        slurm.ask("scancel", job)
    errors = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == 1 and ENDINGS[end] in errors
    wait_for(lambda: not processes_of(hold.words), "processes of a job that has ended")
    log = out / "log/again.log"
    again = slurm("queue.pl", "--mem", "2G", log, "steps/train_dino.py", *dino_arguments(tiny, out, *SETTINGS))
    assert again == 0, slurm.err
    assert any("resuming at epoch 3, step 3 of 4" in line for line in slurm.log(log))
    assert same_model(whole / "model.pt", out / "model.pt")
    assert not list(out.rglob("*.tmp")) and not (out / "in_use.json").exists()


def test_a_training_that_an_urgent_job_displaces_is_started_again(slurm, tiny, whole, tmp_path):
    out, hold = tmp_path / "displaced", Hold(tmp_path / "hold", THIRD_EPOCH)
    process, job, node = start(slurm, tiny, out, hold)
    wrap = ["--wrap=true", f"--output={tmp_path}/urgent"]
    slurm.ask("sbatch", "--partition=urgent", "--exclusive", "--mem=1G", f"--nodelist={node}", *wrap)
    slurm.restart(job)
    assert process.wait(timeout=PATIENCE) == 0, process.stderr.read()
    log = slurm.log(out / "log/displaced.log")
    assert any(line.startswith("# Start 2") for line in log)
    assert any("resuming at epoch 3, step 3 of 4" in line for line in log)
    assert same_model(whole / "model.pt", out / "model.pt") and not (out / "in_use.json").exists()
    assert not processes_of(hold.words)


def kill_job(slurm, log):
    """Kills a task as the loss of its node does: Slurm's own watcher first, then all that it started."""
    (task,) = [int(line.split("=")[1]) for line in slurm.log(log) if line.startswith("# SLURM_TASK_PID=")]
    os.kill(int(Path(f"/proc/{task}/stat").read_text().rsplit(")", 1)[1].split()[1]), signal.SIGKILL)
    os.killpg(task, signal.SIGKILL)


def test_a_lost_node(slurm, tiny, whole, tmp_path):
    """Its slurmd is killed; with it a training, and a job that may not be requeued; a third job lives on unseen."""
    once = tmp_path / "once.conf"
    once.write_text("command sbatch --no-requeue --export=ALL\n")
    slurm.node("n2", "DRAIN")
    try:
        line = f"cd {tmp_path}; echo start >>%s; until [ -e finish ]; do sleep 0.1; done; echo end >>%s"
        retried = slurm.start("queue.pl", "--config", once, "--max-retries", "1", tmp_path / "log/retried.log",
                              "bash", "-c", line % ("retried", "retried"))  # fmt: skip
        alive = slurm.start("queue.pl", tmp_path / "log/alive.log", "bash", "-c", line % ("alive", "alive"))
        process, job, node = start(slurm, tiny, tmp_path / "lost")
        assert node == "n1"
    finally:
        slurm.node("n2", "RESUME")
    folder = Path(slurm.env["SLURM_CONF"]).parent
    os.kill(int((folder / "slurmd-n1.pid").read_text()), signal.SIGKILL)
    try:
        kill_job(slurm, tmp_path / "lost/log/lost.log")
        kill_job(slurm, tmp_path / "log/retried.log")
        slurm.restart(job)
        slurm.restart(slurm.job("alive.log"))
        assert_resumed(slurm, process, tmp_path / "lost", whole)

        wait_for(lambda: any(line.startswith("# Start 2") for line in slurm.log(tmp_path / "log/alive.log")))
        assert slurm.log(tmp_path / "alive") == ["start"]  # the second start waits for the first, which is well
        (tmp_path / "finish").touch()
        assert alive.wait(timeout=PATIENCE) == 0, alive.stderr.read()
        wait_for(lambda: not slurm.ask("squeue", "--noheader", "--name=alive.log"))
        assert slurm.log(tmp_path / "alive") == ["start", "end"]

        errors = retried.communicate(timeout=PATIENCE)[1]
        assert retried.returncode == 0, errors
        assert "submitting again (1 of 1)" in errors and "Slurm state NODE_FAIL" in errors
        assert slurm.log(tmp_path / "retried") == ["start", "start", "end"]
    finally:
        (tmp_path / "finish").touch()
        subprocess.run(["slurmd", "-N", "n1"], env=slurm.env, check=True)
        wait_for(lambda: not slurm.ask("sinfo", "--noheader", "--nodes=n1", "--format=%t")[0].startswith("down"))


def test_a_training_over_two_nodes(slurm, tiny, tmp_path):
    words = ["srun", "--cpus-per-task=1", "utils/torchrun_node.sh", "--nnodes=2", "--nproc_per_node=1",
             "--rdzv_backend=c10d", "--rdzv_id=$SLURM_JOB_ID",
             "--rdzv_endpoint=$MASTER_ADDR:$MASTER_PORT", "steps/train_dino.py"]  # fmt: skip
    process = slurm.start("queue.pl", "--num-nodes", "2", "--mem", "2G", tmp_path / "nodes/log/train.log", *words,
                          *dino_arguments(tiny, tmp_path / "nodes"))  # fmt: skip
    done = torchrun(2, "steps/train_dino.py", *dino_arguments(tiny, tmp_path / "here"))
    assert done.returncode == 0, done.stderr
    assert process.wait(timeout=PATIENCE) == 0, process.stderr.read()
    assert same_model(tmp_path / "here/model.pt", tmp_path / "nodes/model.pt")


def test_the_recipe_gives_the_same_through_slurm(slurm, finished, tmp_path):
    """Stages 2 to 6 in a copy: features, models, clusters and scores are equal byte for byte."""
    tree = finished.tree
    there = shutil.copytree(tree, tmp_path / "slurm", symlinks=True)
    shutil.rmtree(there / "exp")
    for made in there.glob("data/mini/*/feats.scp"):
        made.unlink()
    for words in (
        ["--stage", "2", "--stop-stage", "2", "--nj", "2"],
        ["--stage", "3", "--stop-stage", "6", "--nj", "1"],
    ):
        words += ["--corpus-dir", "small", "--rounds", "1", "--ngpu", "0", "--cmd", "utils/queue.pl --mem 2G"]
        run(there, *words, env={**slurm.env, **ENVIRONMENT})
    assert "# SLURM_JOB_ID=" in (there / "exp/mini/round1/log/train.log").read_text()
    for model in ("untrained", "dino", "round1"):
        assert same_model(tree / f"exp/mini/{model}/model.pt", there / f"exp/mini/{model}/model.pt")
    wanted = ["data/mini/*/feats.scp", "exp/mini/*/clusters/utt2cluster", "exp/mini/*/scores/[!.]*"]  # no records
    files = [path.relative_to(there) for pattern in wanted for path in there.glob(pattern)]
    assert len(files) == 2 + 3 + 2 * 10
    for file in files:
        assert (tree / file).read_bytes() == (there / file).read_bytes(), file
