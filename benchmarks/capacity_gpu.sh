#!/bin/sh
# Capacity to convergence on one GPU: the smallest published size under 8, 4 and 1 heads, then 535k, as
# far as the minutes go. Stop it when they are over: what is done is kept, and the same command goes on.
#   benchmarks/capacity_gpu.sh [MINUTES [OVERRIDE...]]     e.g. 8 size=demo_s task.vocab_size=256 task.length=16
set -u
minutes=${1:-12}
[ $# -gt 0 ] && shift
rote=${ROTE:-.venv/bin/rote}
timeout --signal=INT "$((minutes * 60 * 2 / 3))" "$rote" sweep capacity_80k host.stack=12 host.workers=1 host.compile=graph "$@"
timeout --signal=INT "$((minutes * 60 / 3))" "$rote" sweep capacity host.stack=12 host.workers=1 host.compile=graph \
	size=535k seed=0 ratio=1.0,1.25,1.5 "$@"
for plan in "${ROTE_OUTPUTS:-outputs}"/sweeps/capacity*/plan.json; do
	"$rote" report "$(basename "$(dirname "$plan")")"
done
