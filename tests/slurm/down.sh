#!/usr/bin/env bash
# Ends the Slurm that up.sh brought up, by its pid files. The folder stays, for its logs.
# usage: tests/slurm/down.sh <folder>
set -euo pipefail
if [ $# -ne 1 ] || [ ! -d "$1" ]; then
  sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0" >&2
  exit 1
fi
dir=$(cd "$1" && pwd)
export SLURM_CONF=$dir/slurm.conf

# pid_of DAEMON: its process, if it is still the one that wrote the pid file
pid_of() {
  local file=$dir/$1.pid pid
  [ -s "$file" ] || return 0
  pid=$(cat "$file")
  if [ -d "/proc/$pid" ] && [ "$(cat "/proc/$pid/comm")" = "${1%%-*}" ]; then echo "$pid"; fi
}

if [ -s "$dir/slurmctld.pid" ]; then
  # Jobs outlive their slurmd, so they go first.
  mapfile -t jobs < <(squeue --noheader --format=%A)
  if [ ${#jobs[@]} -gt 0 ]; then
    scancel --signal=KILL --full "${jobs[@]}" || true
    scancel "${jobs[@]}" || true
    for _ in $(seq 50); do
      [ -n "$(squeue --noheader)" ] || break
      sleep 0.1
    done
  fi
fi
daemons=(slurmd-n1 slurmd-n2 slurmctld munged)
pids=()
for daemon in "${daemons[@]}"; do
  pid=$(pid_of "$daemon")
  [ -z "$pid" ] || { kill "$pid" && pids+=("$pid"); }
done
for _ in $(seq 60); do  # a slurmd that still waits for a lost job is not waited for
  alive=()
  for pid in ${pids[@]+"${pids[@]}"}; do [ ! -d "/proc/$pid" ] || alive+=("$pid"); done
  [ ${#alive[@]} -gt 0 ] || break
  sleep 0.05
done
[ ${#alive[@]} -eq 0 ] || kill -9 "${alive[@]}"
for daemon in "${daemons[@]}"; do rm -f "$dir/$daemon.pid"; done
if [ -s "$dir/cgroup.conf" ]; then find /sys/fs/cgroup/*/slurm_n[12] -depth -type d -exec rmdir {} +; fi
