# SPDX-License-Identifier: Apache-2.0
# Each process of a pod is killed at each step of its life. The shim is held right after the step
# (tests/tools/fault.c), so the step is the one named and nothing is left to luck: within 5 seconds its
# client has an error or an exit event comes, delete works, and nothing is left.

load ../lib
kihon_file=1

# "WHO WHAT" in the order in which they end, as far as the host is sure to be there: the guest's own
# spans arrive at times of their own.
steps_of_create=("shim start" "shim daemon" "shim wait for create" "shim check" "shim prepare" "shim mount"
	"vm virtiofsd" "vm vsockd" "vm qemu" "vm launch" "vm qmp" "shim start the virtual machine"
	"shim guest boot" "shim health check" "shim ask the guest" "shim create sandbox"
	"shim create container" "shim create")
steps_of_start=("shim wait for start" "shim start container")
steps_of_delete=("shim remove container" "shim destroy sandbox" "shim stop the virtual machine"
	"shim unmount" "shim stop" "shim delete")

# hold STEP: the next shim of $id to end it waits there. Answers its pid through held.
hold() {
	printf '%s\n%s\n%s\n' "$id" "${1%% *}" "${1#* }" > "$KIHON_FAULT/step"
}

# Waits for the step to be hit; fails when the client has ended without it.
wait_held() {
	local fd
	exec {fd}<> "$KIHON_FAULT/hit"
	held=
	read -r -t $((30 * patience)) -u "$fd" held || true
	exec {fd}<&-
	[[ -n $held ]] || { echo "the step was not reached"; rm -f "$KIHON_FAULT/step"; return 1; }
}

# The pid of the pod's process of that name, from what the state file says or of the shim that waits.
victim_pid() {
	case $1 in
	shim) echo "$held" ;;
	*) pgrep -P "$held" "^(kata-)?$1" | head -n 1 ;;
	esac
}

# kill_held NAME: kills the process and lets the shim go on. Fails, quietly, if there is none yet.
kill_held() {
	local pid
	pid=$(victim_pid "$1")
	[[ -z $pid ]] || kill -KILL "$pid"
	[[ $1 == shim ]] || : > "$KIHON_FAULT/go"
	[[ -n $pid ]]
}

# Nothing may depend on what became of the task.
clean_up() {
	timeout 20 ctr task kill -s SIGKILL "$id" > /dev/null 2>&1 || true
	timeout 20 ctr task rm --force "$id" > /dev/null 2>&1 || true
	run -0 ctr container ls -q
	[[ $output != *"$id"* ]] || ctr container rm "$id"
	"$leftovers" compare "$tmp/before"
}

# await_client PID SECONDS: it ends by itself.
await_client() {
	timeout "$(($2 * patience))" tail --pid="$1" -f /dev/null || { echo "the client hangs"; return 1; }
}

# during_run STEP VICTIM: a pod is made, started and deleted by one client.
during_run() {
	local client from
	hold "$1"
	ctr run --rm --null-io --runtime "$runtime" "$image" "$id" true > "$tmp/client" 2>&1 3>&- &
	client=$!
	wait_held
	if kill_held "$2"; then
		from=$(now_ms)
		await_client "$client" 5 || { cat "$tmp/client"; return 1; }
		echo "$1, $2 killed: $(($(now_ms) - from)) ms: $(tail -n 1 "$tmp/client" | cut -c 1-160)"
	else
		await_client "$client" 60
	fi
	wait "$client" || true
	clean_up
}

# All steps of a victim (or those that FAULT_STEPS, a regular expression, names) in one test, which goes on
# after a failure and names each.
all_steps() {
	local victim=$1 step failed=0 first=$id n=0
	shift
	for step; do
		[[ $step != "vm vsockd" || ! -e /dev/vhost-vsock ]] || continue
		[[ $step =~ ${FAULT_STEPS:-.} ]] || continue
		id=$first-$((++n))
		during_run "$step" "$victim" > "$tmp/log" 2>&1 || { failed=1; echo "FAILED: $step, $victim killed"; }
		cat "$tmp/log"
	done
	((failed == 0))
}

@test "the shim is killed at each step" {
	all_steps shim "${steps_of_create[@]}" "${steps_of_start[@]}" "${steps_of_delete[@]}"
}

@test "QEMU is killed at each step" {
	all_steps qemu-system "${steps_of_create[@]:8}" "${steps_of_start[@]}" "${steps_of_delete[@]:0:2}"
}

@test "virtiofsd is killed at each step" {
	all_steps virtiofsd "${steps_of_create[@]:6}" "${steps_of_start[@]}" "${steps_of_delete[@]:0:2}"
}

@test "vsockd is killed at each step" {
	[[ ! -e /dev/vhost-vsock ]] || skip "the kernel's vhost-vsock serves here"
	all_steps vsockd "${steps_of_create[@]:7}" "${steps_of_start[@]}" "${steps_of_delete[@]:0:2}"
}
