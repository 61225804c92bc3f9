#!/bin/sh
# Capacity to convergence on one GPU: the smallest published size under 8, 4 and 1 heads, then 535k, as
# far as the minutes go. Two stacks at a time: the steps of one fill the gaps of the other; seven processes at
# once took turns on a GPU that was busy all the time (H200). Stop it when the time is over: what is done is kept, and it goes on from there.
#   benchmarks/capacity_gpu.sh [MINUTES]
#   benchmarks/capacity_gpu.sh MINUTES OVERRIDE...   capacity_80k alone, e.g. of size=demo_s on a CPU
set -u
minutes=${1:-12}
[ $# -gt 0 ] && shift
rote=${ROTE:-.venv/bin/rote}
run() { # seconds, then a sweep with its overrides
	seconds=$1
	shift
	timeout --signal=INT "$seconds" "$rote" sweep "$@"
}
run $((minutes * 40)) capacity_80k host.stack=12 host.workers=2 host.compile=graph "$@"
[ $# -eq 0 ] && run $((minutes * 20)) capacity size=535k seed=0 ratio=1.0,1.25,1.5 \
	host.stack=3 host.workers=1 host.compile=graph
for plan in "${ROTE_OUTPUTS:-outputs}"/sweeps/capacity*/plan.json; do
	"$rote" report "$(basename "$(dirname "$plan")")"
done
