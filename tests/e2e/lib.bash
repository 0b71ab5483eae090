# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154  # shared with the tests that load it
# What every end-to-end test uses. E2E_RUNTIME=io.containerd.runc.v2 runs those that describe a plain
# container against runc, which shows that they ask for the right thing.

bats_require_minimum_version 1.5.0
top=$(realpath "${BASH_SOURCE[0]%/*}/../..")
export KIHON_PLAYGROUND=${KIHON_PLAYGROUND:-e2e}
# shellcheck source=tools/lib/base.sh
source "$top/tools/lib/base.sh"
# shellcheck source=tools/lib/build.sh
source "$top/tools/lib/build.sh"
# shellcheck source=tools/lib/playground.sh
source "$top/tools/lib/playground.sh"

runtime=${E2E_RUNTIME:-$playground_runtime}
image=$playground_image
# Every time limit is multiplied by this: the lab's CPU, emulating a virtual machine, is slow.
patience=${E2E_PATIENCE:-1}
leftovers=$top/tests/tools/leftovers
on_terminal=$top/tests/tools/on-terminal

# No call may hang the run: a VM under TCG starts in 4 seconds, the slowest test moves 100 MB.
ctr() {
	timeout --foreground "$((${limit:-120} * patience))" ctr "$@"
}

save_machine() {
	"$leftovers" save "$1" "$playground_run/state"
}

setup() {
	[[ -z ${kihon_file:-} ]] || kihon_only
	playground_environment
	# A sandbox id is unique on the machine: two playgrounds must not use the same.
	id=$playground_name-$BATS_SUITE_TEST_NUMBER
	tmp=$BATS_TEST_TMPDIR
	cp "$KATA_CONF_FILE" "$tmp/configuration.saved"
	save_machine "$tmp/before"
}

# The containers are deleted as a client would, then the machine has to be as it was. What else a file's
# tests make, its function after_containers removes.
teardown() {
	[[ -n ${tmp:-} ]] || return 0
	stop_events
	# A test may have killed it.
	playground_pid > /dev/null || playground_start 3>&-
	cp "$tmp/configuration.saved" "$KATA_CONF_FILE"
	playground_remove_containers
	! declare -F after_containers > /dev/null || after_containers
	"$leftovers" compare "$tmp/before"
}

# run_pod [CTR OPTIONS...] -- [COMMAND...]: one container in a VM, removed at its end.
run_pod() {
	local -a options=()
	while (($#)) && [[ $1 != -- ]]; do
		options+=("$1")
		shift
	done
	ctr run --rm --runtime "$runtime" "${options[@]}" "$image" "$id" "${@:2}"
}

# A container that stays until it is killed. `sleep` is PID 1 of its namespace and ignores SIGTERM.
start_sleeper() {
	ctr run --detach --null-io --runtime "$runtime" "$@" "$image" "$id" sleep 100000
}

exec_in() {
	local exec_id=$1
	shift
	ctr task exec --exec-id "$exec_id" "$id" "$@"
}

# From here on containerd's events can be waited for; opened before what causes them.
open_events() {
	exec {events_fd}< <(exec ctr events 3>&-)
	events_pid=$!
}

stop_events() {
	[[ -n ${events_pid:-} ]] || return 0
	kill "$events_pid" 2> /dev/null || true
	exec {events_fd}<&-
	events_pid=
}

# Waits for the clients in the background; bash would wait for the reader of events too.
wait_clients() {
	stop_events
	wait
}

# wait_status STATUS PID: how a client in the background ended.
wait_status() {
	local status=0
	wait "$2" || status=$?
	[[ $status == "$1" ]] || { echo "status $status instead of $1"; return 1; }
}

# wait_event SECONDS TOPIC TEXT: the next event of that topic that holds TEXT, into $event.
wait_event() {
	local seconds=$(($1 * patience)) deadline left
	deadline=$(($(now_ms) + seconds * 1000))
	while left=$((deadline - $(now_ms))) && ((left > 0)); do
		read -r -t "$((left / 1000)).$(printf %03d $((left % 1000)))" -u "$events_fd" event || break
		[[ $event == *" $2 "* && $event == *"$3"* ]] && return 0
	done
	echo "no event $2 with $3 within $seconds s"
	return 1
}

# wait_exit SECONDS STATUS [EXEC_ID]
wait_exit() {
	wait_event "$1" /tasks/exit "\"id\":\"${3:-$id}\""
	local status=0
	[[ $event =~ \"exit_status\":([0-9]+) ]] && status=${BASH_REMATCH[1]}
	[[ $status == "$2" ]] || { echo "exit status $status in: $event"; return 1; }
}

# Pid of the shim that serves container $id.
shim_pid() {
	local directory pid
	for directory in /proc/[0-9]*; do
		pid=${directory#/proc/}
		[[ $(cat "$directory/comm" 2> /dev/null) == containerd-shim* ]] || continue
		tr '\0' ' ' < "$directory/cmdline" 2> /dev/null | grep -qF -- "-id $id " && echo "$pid" && return
	done
	return 1
}

# helper_pid NAME: the shim's child whose name begins so (qemu-system, virtiofsd, vsockd).
helper_pid() {
	local pid
	pid=$(pgrep -P "$(shim_pid)" "^(kata-)?$1" | head -n 1)
	[[ -n $pid ]] && echo "$pid"
}

rss_kib() {
	awk '$1 == "VmRSS:" { print $2 }' "/proc/$1/status"
}

# For what runc does not do. A file of such tests sets kihon_file=1.
kihon_only() {
	[[ $runtime == "$playground_runtime" ]] || skip "not with $runtime"
}
