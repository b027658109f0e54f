#!/usr/bin/env bash
# Starts torchrun on one node of a Slurm job: srun utils/torchrun_node.sh WORDS FOR TORCHRUN
# The processes of the other nodes connect to the address that Slurm has for this node. Left alone, torchrun gives them
# the full host name, which other nodes of a cluster often cannot resolve.
set -euo pipefail
address=$(scontrol show node "$SLURMD_NODENAME" | sed -n 's/.*\<NodeAddr=\([^ ]*\).*/\1/p')
exec torchrun ${address:+"--local-addr=$address"} "$@"
