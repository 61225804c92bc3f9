#!/usr/bin/env bash
# Start a real SLURM cluster of virtual nodes on this one machine (Debian or Ubuntu, root, no
# systemd). Idempotent: what is up stays up, jobs included, and a changed option restarts daemons.
#
#   ROTE_SLURM_ROOT         state, logs, pids                     /var/tmp/rote-slurm
#   ROTE_SLURM_NODES        virtual nodes n1, n2, ...             4
#   ROTE_SLURM_CPUS         CPUs each node claims                 2
#   ROTE_SLURM_MEMORY_MB    memory each node claims               4000
#   ROTE_SLURM_GPUS         fake GPUs each node claims            2
#   ROTE_SLURM_ARRAY        MaxArraySize; the largest index is one less    101
#   ROTE_SLURM_GRACE_S      grace of partition low, in seconds    15
#   ROTE_SLURM_USER_SIGNAL  1: preemption sends the job's --signal; 0: SIGCONT and SIGTERM    1
#
# A test changes the grace of a running cluster: scontrol update PartitionName=low GraceTime=0
set -euo pipefail

ROOT=${ROTE_SLURM_ROOT:-/var/tmp/rote-slurm}
NODES=${ROTE_SLURM_NODES:-4}
CPUS=${ROTE_SLURM_CPUS:-2}
MEMORY_MB=${ROTE_SLURM_MEMORY_MB:-4000}
GPUS=${ROTE_SLURM_GPUS:-2}
ARRAY=${ROTE_SLURM_ARRAY:-101}
GRACE_S=${ROTE_SLURM_GRACE_S:-15}
USER_SIGNAL=${ROTE_SLURM_USER_SIGNAL:-1}

CONF=/etc/slurm
HOST=$(hostname -s)
MARK='# rote test cluster'
SOCKET=/run/mysqld/mysqld.sock # libmariadb's default; slurmdbd looks there for localhost
changed=0

say() { printf '%4ds  %s\n' "$SECONDS" "$*"; }
die() { echo "up.sh: $*" >&2; exit 1; }

alive() { # PIDFILE
  local pid
  pid=$(cat "$1" 2>/dev/null) && [[ -n $pid ]] && kill -0 "$pid" 2>/dev/null
}

wait_for() { # SECONDS COMMAND...
  local tries=$(($1 * 5))
  shift
  for ((i = 0; i < tries; i++)); do
    "$@" >/dev/null 2>&1 && return
    sleep 0.2
  done
  tail -n 15 "$ROOT"/log/*.log >&2 || true
  die "timed out waiting for: $*"
}

put() { # FILE MODE, content from stdin; notes whether anything changed
  local new
  new=$(mktemp)
  cat >"$new"
  if ! cmp -s "$new" "$1"; then
    install -m "$2" "$new" "$1"
    changed=1
  fi
  rm -f "$new"
}

install_packages() {
  local package missing=()
  for package in munge slurmctld slurmd slurm-client slurmdbd mariadb-server; do
    dpkg -s "$package" 2>/dev/null | grep -q '^Status: install ok installed' || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  export DEBIAN_FRONTEND=noninteractive
  if ! { apt-get update -q && apt-get install -y -q --no-install-recommends "${missing[@]}"; } \
    >"$ROOT/log/apt.log" 2>&1; then
    tail -n 20 "$ROOT/log/apt.log" >&2
    die "could not install: ${missing[*]}"
  fi
}

write_slurm_conf() {
  local gres='' parameters=''
  ((GPUS == 0)) || gres="Gres=gpu:$GPUS"
  ((USER_SIGNAL == 0)) || parameters='SlurmctldParameters=preempt_send_user_signal'
  # cred_expire: a requeued job waits this long plus one second (120 s by default). Below about
  # 10 s the old step may still be there when the job starts again, and its node is drained.
  # ReturnToService=2: a node that was down comes back by itself once its slurmd answers.
  # EnforcePartLimits and AccountingStorageEnforce: sbatch refuses at once, as real clusters do.
  put "$CONF/slurm.conf" 0644 <<CONF
$MARK
ClusterName=rote
SlurmctldHost=$HOST(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CryptoType=crypto/munge
AuthInfo=cred_expire=10
SlurmctldPort=16817
SlurmctldPidFile=$ROOT/run/slurmctld.pid
SlurmctldLogFile=$ROOT/log/slurmctld.log
SlurmdPidFile=$ROOT/run/slurmd.%n.pid
SlurmdLogFile=$ROOT/log/slurmd.%n.log
SlurmdSpoolDir=$ROOT/spool.%n
StateSaveLocation=$ROOT/state
$parameters

ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
JobAcctGatherParams=OverMemoryKill
SlurmdParameters=config_overrides
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SlurmdTimeout=20
KillWait=3
MinJobAge=600
InactiveLimit=0

SchedulerType=sched/backfill
SchedulerParameters=bf_interval=2,sched_interval=2,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=500
MaxArraySize=$ARRAY
MaxJobCount=20000
EnforcePartLimits=ALL
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1

AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=localhost
AccountingStoragePort=16819
AccountingStorageEnforce=associations,limits,qos
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment

GresTypes=gpu
NodeName=n[1-$NODES] NodeHostname=$HOST NodeAddr=127.0.0.1 Port=[17001-$((17000 + NODES))] CPUs=$CPUS RealMemory=$MEMORY_MB $gres State=UNKNOWN
PartitionName=low    Nodes=ALL PriorityTier=1  PreemptMode=REQUEUE GraceTime=$GRACE_S MaxTime=1-00:00:00
PartitionName=normal Nodes=ALL PriorityTier=5  PreemptMode=OFF Default=YES MaxTime=1-00:00:00
PartitionName=high   Nodes=ALL PriorityTier=10 PreemptMode=OFF MaxTime=01:00:00
CONF
}

write_gres_conf() {
  local gpu
  for ((gpu = 0; gpu < GPUS; gpu++)); do
    # A second name of /dev/null: enough for SLURM to hand it out in CUDA_VISIBLE_DEVICES.
    [[ -e $ROOT/gpu$gpu ]] || mknod -m 666 "$ROOT/gpu$gpu" c 1 3
  done
  if ((GPUS)); then
    echo "NodeName=n[1-$NODES] Name=gpu File=$ROOT/gpu[0-$((GPUS - 1))]"
  fi | put "$CONF/gres.conf" 0644
}

write_slurmdbd_conf() {
  # DbdHost must be localhost: with 127.0.0.1 slurmdbd believes it is on another machine.
  put "$CONF/slurmdbd.conf" 0600 <<CONF
AuthType=auth/munge
DbdHost=localhost
DbdPort=16819
SlurmUser=root
LogFile=$ROOT/log/slurmdbd.log
PidFile=$ROOT/run/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=slurm_acct_db
CONF
}

configure() {
  local name node
  if [[ -e $CONF/slurm.conf ]] && ! grep -qF "$MARK" "$CONF/slurm.conf"; then
    die "$CONF/slurm.conf is not ours; this machine may belong to a real cluster"
  fi
  mkdir -p "$CONF" "$ROOT"/{log,run,state}
  # torch.distributed looks up the first node's name, so every node needs an address.
  for ((node = 1; node <= NODES; node++)); do mkdir -p "$ROOT/spool.n$node"; done
  for name in "$HOST" $(seq -f 'n%g' "$NODES"); do
    getent hosts "$name" >/dev/null || echo "127.0.0.1 $name" >>/etc/hosts
  done
  write_slurm_conf
  write_gres_conf
  write_slurmdbd_conf
}

munge_answers() { munge -n | unmunge; }

start_munge() {
  local folder
  install -d -o munge -g munge -m 0755 /run/munge
  for folder in /etc/munge /var/lib/munge /var/log/munge; do
    install -d -o munge -g munge -m 0700 "$folder"
  done
  if [[ ! -s /etc/munge/munge.key ]]; then
    head -c 128 /dev/urandom | install -o munge -g munge -m 0400 /dev/stdin /etc/munge/munge.key
  fi
  munge_answers >/dev/null 2>&1 && return
  runuser -u munge -- /usr/sbin/munged --force # --force: a socket left by a killed munged
  wait_for 20 munge_answers
  cp /run/munge/munged.pid "$ROOT/run/munged.pid" # down.sh stops only what was started here
}

database_answers() { mariadb-admin --socket="$SOCKET" -u root ping; }

start_database() {
  database_answers >/dev/null 2>&1 && return
  local data=$ROOT/mysql
  install -d -o mysql -g mysql -m 0755 /run/mysqld
  if [[ ! -d $data/mysql ]]; then
    install -d -o mysql -g mysql -m 0700 "$data"
    mariadb-install-db --user=mysql --datadir="$data" --skip-test-db \
      --auth-root-authentication-method=socket >"$ROOT/log/mariadb-install.log" 2>&1
  fi
  setsid nohup /usr/sbin/mariadbd --no-defaults --user=mysql --datadir="$data" \
    --socket="$SOCKET" --skip-networking --pid-file="$data/mariadbd.pid" \
    --innodb-buffer-pool-size=64M --innodb-log-file-size=16M \
    --innodb-flush-log-at-trx-commit=0 --innodb-lock-wait-timeout=900 \
    >"$ROOT/log/mariadbd.log" 2>&1 </dev/null &
  wait_for 60 database_answers
}

start_accounting() {
  start_database
  mariadb --socket="$SOCKET" -u root -e 'create database if not exists slurm_acct_db'
  alive "$ROOT/run/slurmdbd.pid" || /usr/sbin/slurmdbd
  wait_for 30 sacctmgr -n list cluster
  # An addition that is there already says so and fails; the last line tells whether all is there.
  sacctmgr -i -Q add cluster rote >/dev/null || true
  sacctmgr -i -Q add account research Description=tests Organization=tests >/dev/null || true
  sacctmgr -i -Q add user root Account=research DefaultAccount=research >/dev/null || true
  sacctmgr -n -P list user format=user,defaultaccount | grep -qx 'root|research' ||
    die 'sacctmgr could not set up the account'
}

stop_daemons() {
  local file
  for file in "$ROOT"/run/slurmd.*.pid "$ROOT/run/slurmctld.pid"; do
    if alive "$file"; then kill "$(cat "$file")"; fi
  done
  for file in "$ROOT"/run/slurmd.*.pid "$ROOT/run/slurmctld.pid"; do
    wait_for 20 not_alive "$file"
  done
}
not_alive() { ! alive "$1"; }

controller_answers() { scontrol ping | grep -q UP; }

nodes_answer() {
  local usable
  usable=$(sinfo -h -N -t idle,alloc,mix,comp,planned -o %N | sort -u | wc -l)
  ((usable == NODES))
}

start_slurm() {
  local node
  ((changed == 0)) || stop_daemons # the controller and running jobs keep their state
  alive "$ROOT/run/slurmctld.pid" || /usr/sbin/slurmctld
  wait_for 30 controller_answers
  for ((node = 1; node <= NODES; node++)); do
    alive "$ROOT/run/slurmd.n$node.pid" || /usr/sbin/slurmd -N "n$node"
  done
  for ((node = 0; node < 50; node++)); do
    nodes_answer && return
    sleep 0.2
  done
  # Drained by a test or by a fault: nothing but an order brings such a node back.
  scontrol update NodeName="n[1-$NODES]" State=RESUME 2>/dev/null || true
  wait_for 40 nodes_answer
}

[[ $(id -u) = 0 ]] || die "run as root"
mkdir -p "$ROOT/log"
install_packages
say "packages"
configure
start_munge
start_accounting
say "munge, mariadb and slurmdbd"
start_slurm
say "slurmctld and $NODES slurmd"
sinfo
