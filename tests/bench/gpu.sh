#!/usr/bin/env bash
# Training and clustering at the paper's width on one GPU: utterances a second, waiting for data, how busy the GPU is,
# memory, minutes per epoch of VoxCeleb2, beside the same steps done crop by crop. Needs no network.
#   tests/bench/gpu.sh              everything; sized for an H100 to take under eight minutes
#   tests/bench/gpu.sh --cpu true   the same at a small size without a GPU, a few minutes
# PYTHON=... names the Python to use; otherwise .venv's or the one at hand, whichever has torch with CUDA.
# shellcheck disable=SC2154  # parse_options.sh sets them
set -euo pipefail
cd "$(dirname "$0")/../.."

# begin options
cpu=false             # a small size on the CPU
out=exp/bench/gpu.md  # where the tables go
workers=auto          # processes that read ahead; auto = one per core, 16 at most; on the CPU none
share=1.0             # of the usual number of utterances per epoch; less on a slow GPU
only=                 # dino, dlglc or kmeans alone
keep=false            # leave audio and models in exp/bench/gpu
# end options
. utils/parse_options.sh

usable() { # PYTHON: it has what the trainers import, and a GPU if one is wanted
  PYTHONPATH=$PWD/steps${PYTHONPATH:+:$PYTHONPATH} "$1" -c 'import sys, kaldiio, scipy, soundfile, sklearn, threadpoolctl, torch, tqdm, yaml
sys.exit(sys.argv[1] == "false" and not torch.cuda.is_available() and "torch sees no GPU")' "$cpu"
}
python=${PYTHON:-}
said=
for candidate in "${DLGLC_VENV:-.venv}/bin/python" python3 python; do
  [ -z "$python" ] || break
  if said+="$candidate: $(usable "$candidate" 2>&1 | tail -1)"$'\n'; then python=$candidate; fi
done
if [ -z "$python" ]; then
  echo "tests/bench/gpu.sh: no Python here has what it takes (PYTHON=... names another; --cpu true needs no GPU):" >&2
  printf '%s' "$said" >&2
  exit 1
fi
export PYTHONPATH=$PWD/steps${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1 PATH=$PWD/utils:$PATH LC_ALL=C.UTF-8
# As path.sh has it: glibc would give every large tensor back to the kernel and fault its pages in again.
export MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=17179869184 MALLOC_TOP_PAD_=268435456
options=(--out "$out" --workers "$workers" --share "$share")
! $cpu || options+=(--cpu)
! $keep || options+=(--keep)
[ -z "$only" ] || options+=(--only "$only")
exec "$python" tests/bench/gpu.py "${options[@]}"
