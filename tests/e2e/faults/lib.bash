# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154  # shared with the tests that load it
# Pods whose shim is held at a step of its life (tests/tools/fault.c).
source "${BASH_SOURCE[0]%/*}/../lib.bash"
kihon_file=1
export KIHON_FAULT=/run/kihon-$playground_name-fault

# Again, when it has been killed: with all that it knew.
start_containerd() {
	LD_PRELOAD=$build/host/tests/tools/libfault.so playground_start 3>&-
}

# begin_case STEP: the shim of $id waits at its end: "WHO WHAT", or "WHO WHAT/ID" for that container's or
# exec's.
begin_case() {
	local what=${1#* } name=
	[[ $what != */* ]] || name=${what#*/} what=${what%%/*}
	fault=$KIHON_FAULT/$id
	mkdir "$fault"
	mkfifo "$fault/hit" "$fault/go"
	printf '%s\n%s\n%s\n' "${1%% *}" "$what" "${name/#task/$id}" > "$fault/step"
}

end_case() {
	rm -r "$fault"
}

# Waits for the step to be hit: the shim's pid is in $held then.
wait_held() {
	local fd
	exec {fd}<> "$fault/hit"
	held=
	read -r -t $((30 * patience)) -u "$fd" held || true
	exec {fd}<&-
	[[ -n $held ]] || { echo "the step was not reached"; return 1; }
}

let_go() {
	timeout 5 sh -c ': > "$1"' sh "$fault/go"
}

# The pod's process of that name, from the shim that is held: nothing if there is none (yet).
victim_pid() {
	case $1 in
	shim) echo "$held" ;;
	containerd) playground_pid ;;
	agent) pgrep -P "$held" '^qemu-system' ;;
	*) pgrep -P "$held" "^(kata-)?$1" | head -n 1 ;;
	esac || true
}

kill_victim() {
	local pid
	pid=$(victim_pid "$1")
	[[ -n $pid ]] || { echo "there is no $1"; return 1; }
	case $1 in
	agent) "$top/tests/e2e/faults/kill-agent" "$id" "$pid" ;;
	*) kill -KILL "$pid" ;;
	esac
}

# What its client does with a pod, up to the first error.
life() {
	ctr run --detach --null-io --runtime "$runtime" "$image" "$id" sleep 100000 &&
		ctr task exec --exec-id exec --fifo-dir "$tmp/fifo" "$id" true < /dev/null &&
		ctr task rm --force "$id"
}

# await_client PID SECONDS: it ends by itself.
await_client() {
	timeout "$(($2 * patience))" tail -s 0.05 --pid="$1" -f /dev/null && return
	echo "the client hangs"
	pkill -P "$1"
	return 1
}

# Nothing may depend on what became of the task. `delete` succeeds: what is there can be removed, and then
# nothing is known of it.
clean_up() {
	timeout 20 ctr task kill -s SIGKILL "$id" > /dev/null 2>&1 || true
	run timeout $((10 * patience)) ctr task rm --force "$id"
	[[ $status -eq 0 || $output == *"not found"* ]] || { echo "delete: $output"; return 1; }
	run -0 ctr task ls -q
	[[ $output != *"$id"* ]] || { echo "the task is still there"; return 1; }
	run -0 ctr container ls -q
	[[ ! $'\n'$output$'\n' == *$'\n'"$id"$'\n'* ]] || ctr container rm "$id"
}
