# SPDX-License-Identifier: Apache-2.0
# How a container ends, and how it fails to begin.

load lib

@test "true ends with 0 and false with 1" {
	run -0 run_pod -- true
	run -1 run_pod -- false
}

@test "the exit status is the program's" {
	run -42 run_pod -- sh -c 'exit 42'
}

@test "deaths by signal are 137 and 143, of an exec and of the container" {
	open_events
	start_sleeper
	wait_event 20 /tasks/start "$id"
	exec_in one sleep 100000 3>&- &
	local client=$!
	wait_event 20 /tasks/exec-started '"exec_id":"one"'
	ctr task kill --exec-id one -s SIGTERM "$id"
	wait_exit 10 143 one
	wait_status 143 "$client"
	ctr task kill -s SIGKILL "$id"
	wait_exit 10 137
	run -0 ctr task rm "$id"
	[[ $output == *137* || $output == "" ]]
}

@test "a program that does not exist is named as runc names it" {
	run -1 run_pod -- nonexistent
	[[ $output == *'exec: "nonexistent": executable file not found in $PATH'* ]]
	run -1 run_pod -- /bin/nonexistent
	[[ $output == *'exec: "/bin/nonexistent": stat /bin/nonexistent: no such file or directory'* ]]
}

@test "a program that is not executable is named as runc names it" {
	run -1 run_pod -- /etc/passwd
	[[ $output == *'exec: "/etc/passwd": permission denied'* ]]
}

@test "the container is in a machine of its own" {
	kihon_only
	run -0 run_pod -- cat /proc/version
	[[ $output != "$(cat /proc/version)" ]]
}

@test "arguments, environment, directory, user and limits arrive" {
	run -0 run_pod --env "GREETING=two words" --cwd /tmp -- \
		sh -c 'pwd; echo "$GREETING"; echo "$1"; id -u; hostname; echo $$' sh 'a b'
	[ "${lines[0]}" = /tmp ]
	[ "${lines[1]}" = "two words" ]
	[ "${lines[2]}" = "a b" ]
	[ "${lines[3]}" = 0 ]
	[ "${lines[5]}" = 1 ]
}

@test "the container's processes do not see the guest's" {
	run -0 run_pod -- sh -c 'ls -d /proc/[0-9]*; ls /dev; cat /proc/self/status'
	# The shell, and what it forked: nothing of the agent.
	[ "$(grep -c '^/proc/' <<< "$output")" -le 2 ]
	[[ $output == *null* && $output == *urandom* ]]
	[[ $output != *vda* && $output != *kmsg* ]]
	[[ $output == *"NoNewPrivs:	1"* ]]
}
