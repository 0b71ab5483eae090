# SPDX-License-Identifier: Apache-2.0
# More processes in a running container.

load lib

@test "exec: status, streams, directory, user" {
	start_sleeper
	run -0 exec_in a true
	run -3 exec_in b sh -c 'exit 3'
	exec_in c sh -c 'echo out; echo err >&2' > "$tmp/out" 2> "$tmp/err"
	[ "$(cat "$tmp/out")" = out ]
	[ "$(cat "$tmp/err")" = err ]
	run -0 ctr task exec --exec-id d --cwd /tmp "$id" pwd
	[ "$output" = /tmp ]
	run -1 exec_in e nonexistent
	[[ $output == *'exec: "nonexistent": executable file not found in $PATH'* ]]
	run -0 exec_in f cat <<< "through stdin"
	[ "$output" = "through stdin" ]
	# The failed one has left nothing that keeps its name.
	run -0 exec_in e true
	ctr task kill -s SIGKILL "$id"
}

@test "20 at once, killed one by one" {
	local n
	open_events
	start_sleeper
	for n in {1..20}; do
		exec_in "e$n" sleep 100000 > /dev/null 2>&1 3>&- &
	done
	for n in {1..20}; do
		wait_event 60 /tasks/exec-started "$id"
	done
	run -0 exec_in count sh -c 'pidof sleep | wc -w'
	[ "$output" = 21 ]
	for n in {1..20}; do
		ctr task kill --exec-id "e$n" -s SIGKILL "$id"
		wait_exit 10 137 "e$n"
	done
	run -0 exec_in last true
	ctr task kill -s SIGKILL "$id"
	wait_exit 10 137
	wait_clients
}

@test "kill --all ends every process" {
	open_events
	start_sleeper
	exec_in a sleep 100000 > /dev/null 2>&1 3>&- &
	wait_event 20 /tasks/exec-started '"exec_id":"a"'
	ctr task kill --all -s SIGKILL "$id"
	wait_exit 10 137
	wait_clients
}
