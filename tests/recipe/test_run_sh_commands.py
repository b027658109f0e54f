"""run.sh: the commands that it would start, on the CPU, on GPUs and through Slurm."""

import os
import re

import pytest

from support.chain import command, run


def programs(folder, **texts):
    """PATH with programs of these names in front, which print a text."""
    for name, text in texts.items():
        path = folder / name.replace("_", "-")
        path.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n")
        path.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def commands(root, *words, env=None) -> dict[str, str]:
    """What a dry run of stages 3 to 5 prints for each script: the last command that runs it."""
    stages = ["--stage", "3", "--stop-stage", "5", "--rounds", "1", "--exp", "exp/dry"]
    done = run(root, *stages, "--dry-run", *words, env=env)
    found = {}
    for line in done.stdout.splitlines():
        if name := re.search(r"steps/(\w+)\.py", line):
            found[name[1]] = line
    return found


def test_gpus_are_asked_for_and_used(root, tmp_path):
    """Nothing that runs a model may fall to the CPU in silence, and no start-up waits for the GPU of another."""
    env = programs(tmp_path, nvidia_smi="GPU 0: A (UUID: x)\nGPU 1: A (UUID: y)")
    stage1 = ["--set", "dino.stage1=contrastive+dino"]
    said = commands(root, *stage1, "--set", "dino.workers=7", "--set", "dlglc.workers=3", env=env)
    for script in ("train_contrastive", "train_dino", "train_dlglc", "extract_embeddings", "cluster"):
        assert "--device cuda" in said[script]
    for script, cores in (("train_contrastive", 2 * 8), ("train_dino", 2 * 8), ("train_dlglc", 2 * 4)):
        assert f"--gpu 2 --num-nodes 1 --num-threads {cores} " in said[script]
        assert "torchrun --standalone --nproc_per_node=2" in said[script]
    assert "--gpu 1 --nj 2 " in said["extract_embeddings"]
    assert "--gpu 1 " in said["cluster"]


def test_without_gpus_everything_is_told_to_use_the_cpu(root):
    said = commands(root, "--ngpu", "0", env={"OMP_NUM_THREADS": "3"})
    for script in ("train_dino", "train_dlglc", "extract_embeddings", "cluster"):
        assert "--device cpu" in said[script]
    assert "--gpu 0 --num-nodes 1 --num-threads 3 " in said["train_dino"]
    assert "torchrun" not in said["train_dino"]


def test_processes_on_the_cpu_ask_for_no_gpu(root):
    said = commands(root, "--ngpu", "2", "--device", "cpu", env={"OMP_NUM_THREADS": "6"})
    assert "--gpu 0 " in said["train_dino"] and "--num-threads 6 " in said["train_dino"]
    assert "env OMP_NUM_THREADS=3 torchrun --standalone --nproc_per_node=2 steps/train_dino.py" in said["train_dino"]


def test_through_slurm_the_gpus_of_this_machine_say_nothing(root, tmp_path):
    queue = ["--cmd", "utils/queue.pl --mem 2G"]
    env = programs(tmp_path, sinfo="(null)\ngpu:a100:4(S:0-1),shard:8\ngpu:2", nvidia_smi="GPU 0: A (UUID: x)")
    done = run(root, "--dry-run", "--stage", "3", *queue, check=False, env=env)
    assert done.returncode == 1
    assert "the nodes of this Slurm have up to 4 GPUs: say how many a training takes: --ngpu 4" in done.stderr
    env = programs(tmp_path, sinfo="(null)", nvidia_smi="GPU 0: A (UUID: x)")
    assert "--device cpu" in commands(root, *queue, env=env)["train_dino"]


def test_a_training_on_several_nodes(root):
    words = ["--ngpu", "4", "--num-nodes", "2", "--cmd", "utils/queue.pl --mem 2G", "--set", "dino.workers=8"]
    said = commands(root, *words)
    assert "--gpu 4 --num-nodes 2 --num-threads 36 " in said["train_dino"]
    launcher = "srun --kill-on-bad-exit=1 --cpus-per-task=36 utils/torchrun_node.sh --nnodes=2 --nproc_per_node=4 "
    assert launcher in said["train_dino"]
    assert "--gpu 1 --nj 8 " in said["extract_embeddings"]


@pytest.mark.parametrize(("address", "option"), [("10.0.0.7", "--local-addr=10.0.0.7 "), ("", "")])
def test_each_node_gives_the_others_the_address_that_slurm_has(root, tmp_path, address, option):
    """torchrun's own choice, the full host name, cannot be resolved on many clusters."""
    (tmp_path / "torchrun").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "torchrun").chmod(0o755)
    env = programs(tmp_path, scontrol=f"NodeName=n1\n   NodeAddr={address} NodeHostName=n1" if address else "none")
    done = command(root, "utils/torchrun_node.sh", "--nnodes=2", "x.py", env={**env, "SLURMD_NODENAME": "n1"})
    assert done.stdout == f"{option}--nnodes=2 x.py\n"
