# shellcheck shell=bash
# Sourced, from the repository's root, by run.sh and by every job: the environment of all stages. The first time, it
# makes .venv from requirements.txt (python3 >= 3.10 and a package index are all it needs); DLGLC_VENV moves it.
export PATH=$PWD/utils:$PATH
export PYTHONPATH=$PWD/steps
export PYTHONNOUSERSITE=1 PYTHONUNBUFFERED=1
export LC_ALL=C.UTF-8 # sorts by code point as Kaldi's LC_ALL=C does, and lets text be UTF-8

# Threads of one process; nproc knows what Slurm or a container grants. Stages that run several jobs a machine lower it.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)}
# Threads that wait for others soon sleep (libgomp: after 1,000 looks instead of 300,000). Beside other busy processes they
# would keep those that they wait for from running: a training on two cores became 28 times as slow instead of 3 times.
export GOMP_SPINCOUNT=${GOMP_SPINCOUNT:-1000}
# onnxruntime, which finds speech, shall report nothing to its maker and leave no files in ~/.cache and TMPDIR.
export ORT_DISABLE_TELEMETRY=${ORT_DISABLE_TELEMETRY:-1}
# Memory of a GPU grows in place, so that batches of changing sizes leave no gaps in it.
export PYTORCH_ALLOC_CONF=${PYTORCH_ALLOC_CONF:-expandable_segments:True}
# glibc gives every large tensor back to the kernel and faults its pages in again; keeping them doubles CPU training.
export MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=17179869184 MALLOC_TOP_PAD_=268435456

_venv=${DLGLC_VENV:-$PWD/.venv}
_wanted=$(cksum <requirements.txt)
if [ "$(cat "$_venv/.requirements" 2>/dev/null || true)" != "$_wanted" ]; then
  _python=
  for _candidate in python3 python3.13 python3.12 python3.11 python3.10; do
    if command -v "$_candidate" >/dev/null && "$_candidate" -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
      _python=$_candidate
      break
    fi
  done
  if [ -z "$_python" ]; then
    echo "path.sh: no Python >= 3.10 found: install one (Debian: apt-get install python3 python3-venv)" >&2
    exit 1
  fi
  echo "path.sh: making $_venv with $($_python --version); this happens once and takes a minute or two" >&2
  (
    # Jobs that start together must not install together; flock is missing on some systems, where one waits for luck.
    if command -v flock >/dev/null; then exec 9>"$_venv.lock"; flock 9; fi
    if [ "$(cat "$_venv/.requirements" 2>/dev/null || true)" != "$_wanted" ]; then
      "$_python" -m venv "$_venv" || {
        echo "path.sh: '$_python -m venv' failed: install its venv module (Debian: apt-get install python3-venv)" >&2
        exit 1
      }
      "$_venv/bin/python" -m pip install --quiet --disable-pip-version-check -r requirements.txt
      echo "$_wanted" >"$_venv/.requirements"
    fi
  ) || { echo "path.sh: could not set up $_venv: see above, mend it and run again" >&2; exit 1; }
fi
export PATH=$_venv/bin:$PATH
export TORCHINDUCTOR_CACHE_DIR=${TORCHINDUCTOR_CACHE_DIR:-$_venv/compiled} # what torch.compile makes, on a GPU only
unset _venv _wanted _python _candidate
