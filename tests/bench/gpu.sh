#!/usr/bin/env bash
# Measures training and clustering at the paper's width on one GPU: utterances per second, the time spent waiting for
# data, how busy the GPU is, memory, and minutes per epoch of VoxCeleb2. The same training done crop by crop stands beside
# it. Then embeddings are extracted, a training is killed and resumed, and two trainings run at once. No network is needed.
#   tests/bench/gpu.sh              everything; about ten minutes on an H100 or H200
#   tests/bench/gpu.sh --cpu true   the same at a small size without a GPU, a few minutes
# PYTHON=... names the Python to use. Without it, the first of .venv's Python and the system's that has torch with CUDA.
set -euo pipefail
cd "$(dirname "$0")/../.."

# begin options
cpu=false             # a small size on the CPU
out=exp/bench/gpu.md  # file of the tables
workers=auto          # processes that read ahead; auto = one per core, 16 at most, and none on the CPU
share=1.0             # of the usual number of utterances per epoch; less on a slow GPU
only=                 # dino, dlglc, embeddings, endings or kmeans alone
peer=true             # false: leave out the steps of the public toolkits, which take longest
keep=false            # true: do not remove the audio and models in exp/bench/gpu
# end options
. utils/parse_options.sh
refuse_words "$@"

export PYTHONPATH=$PWD/steps:$PWD/tests/bench${PYTHONPATH:+:$PYTHONPATH}
usable() { # PYTHON: true if it has all that the trainers import, and sees a GPU if one is needed
  "$1" -c 'import sys, scipy.signal, torch, dlglc.clusters.kmeans, dlglc.dino.task, dlglc.rounds.task
sys.exit(sys.argv[1] == "false" and not torch.cuda.is_available() and "torch sees no GPU")' "$cpu"
}
python=${PYTHON:-}
said=
for candidate in "${DLGLC_VENV:-.venv}/bin/python" python3 python; do
  [ -z "$python" ] || break
  if said+="$candidate: $(usable "$candidate" 2>&1 | tail -1)"$'\n'; then python=$candidate; fi
done
if [ -z "$python" ]; then
  echo "tests/bench/gpu.sh: no Python here is complete (PYTHON=... names another; --cpu true needs no GPU). What each lacks:" >&2
  printf '%s' "$said" >&2
  exit 1
fi
export PYTHONUNBUFFERED=1 PATH=$PWD/utils:$PATH LC_ALL=C.UTF-8
# As in path.sh: threads that wait soon sleep, and glibc keeps the memory of large tensors instead of fetching it anew.
export GOMP_SPINCOUNT=${GOMP_SPINCOUNT:-1000}
export PYTORCH_ALLOC_CONF=${PYTORCH_ALLOC_CONF:-expandable_segments:True}
export MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=17179869184 MALLOC_TOP_PAD_=268435456
options=(--out "$out" --workers "$workers" --share "$share")
! $cpu || options+=(--cpu)
! $keep || options+=(--keep)
$peer || options+=(--no-peer)
[ -z "$only" ] || options+=(--only "$only")
exec "$python" tests/bench/gpu.py "${options[@]}"
