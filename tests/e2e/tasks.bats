# SPDX-License-Identifier: Apache-2.0
# Pause, resume, statistics, limits and their change, and what is not supported.

load lib

# start_script SCRIPT [CTR OPTIONS...]: its output goes to $tmp/out.
start_script() {
	local script=$1
	shift
	open_events
	ctr run --runtime "$runtime" "$@" "$image" "$id" sh -c "$script" > "$tmp/out" 2>&1 3>&- &
	client=$!
	wait_event 60 /tasks/start "$id"
}

# A counter, and what it says.
start_counter() {
	start_script 'n=0; while :; do n=$((n + 1)); echo $n; usleep 20000; done'
	wait_count 3
}

count() {
	wc -l < "$tmp/out"
}

# wait_count N: until the counter has passed it.
wait_count() {
	local deadline=$(($(now_ms) + 20000))
	while (($(now_ms) < deadline)); do
		(($(count) > $1)) && return 0
		sleep 0.05
	done
	echo "the counter stands at $(count), $1 is not passed"
	return 1
}

# kill_script STATUS: ends what start_script began.
kill_script() {
	ctr task kill -s SIGKILL "$id"
	wait_exit 10 137
	wait_status 137 "$client"
	wait_clients
}

# task_status STATUS
task_status() {
	ctr task ls
	ctr task ls | grep -qE "^$id +[0-9]+ +$1\$"
}

metric() {
	ctr task metrics "$id" | awk -v name="$1" '$1 == name { print $2 }'
}

# update JSON
update() {
	local bundle=$playground_run/state/io.containerd.runtime.v2.task/default/$id
	"$build/host/tests/tools/task_update" "$(cat "$bundle/address")" "$id" "$1"
}

# exec_takes BYTES EXEC_ID: how many of them an exec could keep in memory at once, if not killed.
exec_takes() {
	exec_in "$2" sh -c "head -c $1 /dev/zero | tail -c $1 | wc -c"
}

@test "a paused container stands still and goes on" {
	start_counter
	ctr task pause "$id"
	wait_event 5 /tasks/paused "$id"
	task_status PAUSED
	local before
	# What was written before the pause may still be on its way.
	sleep 0.5
	before=$(count)
	sleep 0.5
	[ "$(count)" = "$before" ]
	run -1 exec_in one true
	[[ $output == *paused* ]]
	run -1 ctr task pause "$id"
	ctr task resume "$id"
	wait_event 5 /tasks/resumed "$id"
	task_status RUNNING
	wait_count "$before"
	run -0 exec_in two true
	run -1 ctr task resume "$id"
	kill_script
}

@test "a paused container can be killed" {
	open_events
	start_sleeper
	ctr task pause "$id"
	ctr task kill -s SIGKILL "$id"
	wait_exit 10 137
	task_status STOPPED
}

@test "a paused container can be removed by force" {
	kihon_only # runc's shim refuses
	open_events
	start_sleeper
	ctr task pause "$id"
	ctr task rm --force "$id"
	wait_exit 20 137
}

@test "metrics are plausible" {
	# 16 MiB in memory, and three processes.
	start_script 'sleep 100000 & sleep 100000 & head -c 16777216 /dev/zero > /dev/shm/x; echo; wait'
	wait_count 0
	ctr task metrics "$id"
	[ "$(metric pids.current)" = 3 ]
	# The versions of control groups have different names for it.
	local memory
	memory=$(metric memory.usage)
	[ -n "$memory" ] || memory=$(metric memory.usage_in_bytes)
	((memory > 16777216 && memory < 67108864))
	kill_script
}

@test "a hog is killed, and an event says why" {
	start_script 'head -c 134217728 /dev/zero | tail -c 134217728 > /dev/null; exit $?' \
		--memory-limit 33554432
	wait_event 60 /tasks/oom "$id"
	wait_exit 20 137
	wait_status 137 "$client"
	wait_clients
}

@test "limits change while it runs" {
	kihon_only # runc's shim has another protocol
	open_events
	start_sleeper --memory-limit 33554432
	run --separate-stderr exec_takes 67108864 before
	[ "${lines[-1]}" = 0 ]
	update '{"memory":{"limit":167772160,"swap":167772160},"pids":{"limit":20}}'
	run --separate-stderr exec_takes 67108864 after
	[ "${lines[-1]}" = 67108864 ]
	[ "$(metric pids.limit)" = 20 ]
	run -1 update '{"memory":{"limit":-2}}'
	[[ $output == *'memory.limit: -2 is below -1'* ]]
	run -1 update '{"cpu":'
	[[ $output == *'resources:1:'* ]]
	ctr task kill -s SIGKILL "$id"
	wait_exit 10 137
}

@test "a checkpoint is refused, and the container goes on" {
	kihon_only
	start_counter
	run -1 ctr task checkpoint "$id"
	[[ $output == *'cannot be checkpointed'*'not supported'* ]]
	task_status RUNNING
	wait_count "$(count)"
	kill_script
}
