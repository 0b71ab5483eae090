# SPDX-License-Identifier: Apache-2.0
# containerd is killed and started again while containers run: the shims do not notice, and containerd
# finds them as they are.

load lib

kill_containerd() {
	local pid
	pid=$(playground_pid)
	kill -KILL "$pid"
	timeout 5 tail --pid="$pid" -f /dev/null
}

restart_containerd() {
	kill_containerd
	playground_start 3>&-
}

# task_line: "ID PID STATUS" of the container's task.
task_line() {
	ctr task ls | awk -v id="$id" '$1 == id { print $1, $2, $3 }'
}

# wait_for_line SECONDS FILE LINE
wait_for_line() {
	timeout "$1" tail -n +1 -F "$2" 2> /dev/null | grep -qxm 1 "$3"
}

@test "a container outlives containerd: listed, run in, waited for, deleted" {
	start_sleeper
	local before client
	before=$(task_line)
	[[ $before == *RUNNING ]]
	restart_containerd
	[ "$(task_line)" = "$before" ]
	[ "$(exec_in one echo still here)" = "still here" ]
	open_events
	# attach waits for the exit, has its status, and deletes the task.
	ctr task attach "$id" < /dev/null > /dev/null 2>&1 3>&- &
	client=$!
	exec_in two true
	run -0 ctr task kill -s SIGKILL "$id"
	wait_exit 5 137
	wait_status 137 "$client"
	[[ -z $(task_line) ]]
	run -0 ctr container rm "$id"
}

@test "an exit while containerd is away is known when it is back" {
	ctr run --detach --log-uri "file://$tmp/log" --runtime "$runtime" "$image" "$id" \
		sh -c 'echo up; sleep 3; echo down; exit 7'
	wait_for_line 20 "$tmp/log" up
	kill_containerd
	wait_for_line 20 "$tmp/log" down
	# The last line is written before the exit: the guest needs a moment more.
	sleep 1
	playground_start 3>&-
	[[ $(task_line) == *STOPPED ]]
	# The status is the shim's: nobody else was there.
	run ctr task rm "$id"
	[[ $output == *"exit code 7"* ]]
	run -0 ctr container rm "$id"
}

@test "a VM that dies while containerd is away is a task that has stopped" {
	kihon_only
	start_sleeper
	local shim qemu
	shim=$(shim_pid)
	qemu=$(helper_pid qemu-system)
	kill_containerd
	kill -KILL "$qemu"
	timeout 10 tail --pid="$qemu" -f /dev/null
	playground_start 3>&-
	[[ $(task_line) == *STOPPED ]]
	[ "$(shim_pid)" = "$shim" ]
	run ctr task rm "$id"
	[[ $output == *"exit code 255"* ]]
	run -0 ctr container rm "$id"
}

@test "a shim that dies while containerd is away is cleaned up after" {
	kihon_only
	start_sleeper
	local shim
	shim=$(shim_pid)
	kill_containerd
	kill -KILL "$shim"
	timeout 5 tail --pid="$shim" -f /dev/null
	playground_start 3>&-
	[[ -z $(task_line) ]]
	run -0 ctr container rm "$id"
	[[ ! -e /run/kata/$id ]]
}
