#!/usr/bin/env bash
# Brings up a real Slurm of two nodes on this one machine, for the tests: as root, on the loopback only, with every
# file in one folder. Needs Debian's or Ubuntu's packages slurm-wlm and munge.
# usage: tests/slurm/up.sh <folder>
# Then:  export SLURM_CONF=<folder>/slurm.conf;  sinfo;  ...;  tests/slurm/down.sh <folder>
set -euo pipefail
if [ $# -ne 1 ]; then
  sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0" >&2
  exit 1
fi
error() {
  printf 'up.sh: %s\n' "$*" >&2
  exit 1
}
[ "$(id -u)" -eq 0 ] || error "must be root: slurmd starts jobs as other users"
for program in munged slurmctld slurmd sinfo; do
  command -v "$program" >/dev/null || error "no $program here: apt-get install slurm-wlm munge"
done
mkdir -p "$1"
dir=$(cd "$1" && pwd)
[ ! -e "$dir/slurmctld.pid" ] || error "$dir/slurmctld.pid is there: tests/slurm/down.sh $dir first"
mkdir -p "$dir"/{state,log}
# Three ports that nobody listens on, below those that the kernel gives out.
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
port=$((21000 + $$ % 1400 * 8))
while listens "$port" || listens "$((port + 1))" || listens "$((port + 2))"; do
  port=$((21000 + (port - 21000 + 8) % 11200))
done
memory=$(awk '/^MemTotal/ { print int($2 / 1024 * 0.4) }' /proc/meminfo)

# A munged of its own: key, socket and logs in the folder. munged wants them out of other people's reach, which a
# folder below /tmp is not; hence --force, and the warnings in its log.
dd if=/dev/urandom of="$dir/munge.key" bs=1024 count=1 status=none
chmod 600 "$dir/munge.key"
munged --force --key-file="$dir/munge.key" --socket="$dir/munge.socket" --pid-file="$dir/munged.pid" \
  --log-file="$dir/log/munged.log" --seed-file="$dir/munge.seed" --num-threads=2

# Memory is held by cgroups where root may make them, as in most containers with cgroup v1, else by Slurm's own polling;
# so for a second Slurm beside this one, too, whose nodes would have the same cgroups.
limits=$(printf '%s\n' ProctrackType=proctrack/linuxproc TaskPlugin=task/none JobAcctGatherType=jobacct_gather/linux \
  JobAcctGatherFrequency=task=1 JobAcctGatherParams=OverMemoryKill)
if [ -z "${SLURM_NO_CGROUPS:-}" ] && mkdir /sys/fs/cgroup/memory/slurm_n1 2>/dev/null; then
  limits=$(printf '%s\n' ProctrackType=proctrack/cgroup TaskPlugin=task/cgroup JobAcctGatherType=jobacct_gather/none)
  printf '%s\n' CgroupPlugin=cgroup/v1 CgroupAutomount=no ConstrainRAMSpace=yes ConstrainSwapSpace=yes \
    AllowedSwapSpace=0 >"$dir/cgroup.conf"
fi

# Two slurmd on one host: a node name, port, pid file and spool of its own each (%n is the node's name). Each node
# claims eight processors, whatever there are: the tests count on them.
cat >"$dir/slurm.conf" <<CONF
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort=$port
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge.socket
CredType=cred/munge
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool-%n
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd-%n.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd-%n.log
SwitchType=switch/none
MpiDefault=none
$limits
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=64
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,sched_min_interval=100000
ReturnToService=2
SlurmdParameters=config_overrides
SlurmdTimeout=10
SlurmctldTimeout=10
KillWait=2
OverTimeLimit=0
MaxArraySize=2001
MaxJobCount=10000
GresTypes=gpu
NodeName=n1 NodeHostname=localhost NodeAddr=127.0.0.1 Port=$((port + 1)) CPUs=8 RealMemory=$memory Gres=gpu:1
NodeName=n2 NodeHostname=localhost NodeAddr=127.0.0.1 Port=$((port + 2)) CPUs=8 RealMemory=$memory Gres=gpu:1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=all Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
PartitionName=urgent Nodes=n1,n2 PriorityTier=10 MaxTime=INFINITE State=UP
CONF
printf 'NodeName=n%d Name=gpu Count=1 File=/dev/null\n' 1 2 >"$dir/gres.conf"  # GPUs in name only

export SLURM_CONF=$dir/slurm.conf
slurmctld -c
slurmd -c -N n1
slurmd -c -N n2
for _ in $(seq 1200); do
  # No `grep -q` here: it would close the pipe early. The controller may not listen yet; sinfo then says so.
  if [ "$(sinfo --noheader --Node --partition=all --states=idle --format=%N 2>"$dir/log/sinfo.err" | wc -l)" -eq 2 ]; then
    echo "export SLURM_CONF=$SLURM_CONF"
    exit 0
  fi
  sleep 0.1
done
cat "$dir/log/sinfo.err" >&2
tail -n 5 "$dir"/log/*.log >&2
error "the nodes did not become idle within 120 s; the logs are in $dir/log"
