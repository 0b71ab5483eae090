# SPDX-License-Identifier: Apache-2.0
# Terminals: of a container and of a process in it.

load lib

@test "-t gives a prompt, the size, resizes and Ctrl-C" {
	run -7 "$on_terminal" 33 101 \
		'expect:# ' 'send:stty size\r' 'expect:33 101' \
		resize:40,120 'expect:# ' 'send:sleep 1; stty size\r' 'expect:40 120' \
		'expect:# ' "send:sh -c 'echo begun; exec sleep 1000'\r" 'expect:\nbegun' 'send:\x03' 'expect:# ' \
		'send:tty; exit 7\r' expect:/dev/ \
		-- ctr run --rm -t --runtime "$runtime" "$image" "$id" sh
}

@test "exec with a terminal of its own, beside one without" {
	open_events
	start_sleeper
	wait_event 20 /tasks/start "$id"
	run -9 "$on_terminal" 24 80 'expect:# ' 'send:stty size; test -t 0 && echo is-a-tty\r' \
		'expect:24 80' 'expect:is-a-tty' 'expect:# ' 'send:exit 9\r' \
		-- ctr task exec -t --exec-id one "$id" sh
	run -5 exec_in two sh -c 'test -t 0 || echo no-tty; exit 5'
	[[ $output == *no-tty* ]]
	ctr task kill -s SIGKILL "$id"
	wait_exit 10 137
}
