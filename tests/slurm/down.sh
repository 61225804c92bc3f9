#!/usr/bin/env bash
# Stop the cluster that up.sh started, by its pid files and never by name.
#
#   down.sh           cancel all jobs and stop the daemons; up.sh continues with the same state
#   down.sh --purge   and forget the state, the accounting and the configuration
#   ROTE_SLURM_ROOT   as for up.sh
set -euo pipefail

ROOT=${ROTE_SLURM_ROOT:-/var/tmp/rote-slurm}

pid_of() { # PIDFILE: prints the pid of a process that is alive, or fails
  local pid
  pid=$(cat "$1" 2>/dev/null) && [[ -n $pid ]] && kill -0 "$pid" 2>/dev/null && echo "$pid"
}

stop() { # PIDFILE...: asks all of them first (a slurmd takes 2 s to leave), then waits for each
  local file pid
  for file in "$@"; do
    if pid=$(pid_of "$file"); then kill "$pid"; fi
  done
  for file in "$@"; do
    for ((i = 0; i < 100; i++)); do
      pid=$(pid_of "$file") || break
      sleep 0.1
    done
    if pid=$(pid_of "$file"); then kill -9 "$pid"; fi
    rm -f "$file"
  done
}

cancel_jobs() {
  pid_of "$ROOT/run/slurmctld.pid" >/dev/null || return 0
  squeue -h -o %A | sort -u | xargs -r scancel || true
  for ((i = 0; i < 50; i++)); do
    [[ -n $(squeue -h 2>/dev/null) ]] || return 0
    sleep 0.2
  done
}

cancel_jobs
stop "$ROOT"/run/slurmd.*.pid
stop "$ROOT/run/slurmctld.pid"
stop "$ROOT/run/slurmdbd.pid"
stop "$ROOT/mysql/mariadbd.pid"
stop "$ROOT/run/munged.pid"
if [[ ${1:-} = --purge ]]; then
  rm -rf "$ROOT"
  if grep -qsF '# rote test cluster' /etc/slurm/slurm.conf; then # never a real cluster's
    rm -f /etc/slurm/{slurm,gres,slurmdbd}.conf
  fi
fi
echo "slurm is down"
