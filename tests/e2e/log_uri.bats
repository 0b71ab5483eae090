# SPDX-License-Identifier: Apache-2.0
# Output that containerd's client wants in a file or in a logging program (--log-uri).

load lib

# make_logger SCRIPT: a program $tmp/logger; $1 is the first argument's name, $2 its value.
make_logger() {
	printf '#!/bin/sh\n%s\n' "$1" > "$tmp/logger"
	chmod 700 "$tmp/logger"
	log_uri="binary://$tmp/logger?directory=$tmp"
}

# Both outputs to their end, then a last line.
copier='cat <&3 > "$2/out" 5>&- & cat <&4 > "$2/err" 5>&- & exec 5>&-
wait
echo "$CONTAINER_NAMESPACE $CONTAINER_ID $1" > "$2/end"'

@test "file:// has stdout and stderr, appended" {
	run_pod --log-uri "file://$tmp/new/dir/a%20log" -- sh -c 'echo out; echo err >&2'
	[ "$(sort "$tmp/new/dir/a log")" = "$(printf 'err\nout')" ]
	run_pod --log-uri "file://$tmp/new/dir/a%20log" -- echo more
	[ "$(tail -n 1 "$tmp/new/dir/a log")" = more ]
	[ "$(wc -l < "$tmp/new/dir/a log")" = 3 ]
}

@test "binary:// has 10 MB of stdout, stderr apart, and has ended when the task is deleted" {
	make_logger "$copier"
	run_pod --log-uri "$log_uri" -- sh -c 'yes 0123456789abcdef | head -c 10000000; echo err >&2'
	yes 0123456789abcdef | head -c 10000000 | cmp - "$tmp/out"
	[ "$(cat "$tmp/err")" = err ]
	[ "$(cat "$tmp/end")" = "default $id directory" ]
}

@test "an exec may have a logger of its own" {
	start_sleeper
	make_logger "$copier"
	ctr task exec --exec-id one --log-uri "$log_uri" "$id" sh -c 'echo out; exit 3' || [ $? = 3 ]
	[ "$(cat "$tmp/out")" = out ]
	[ -s "$tmp/end" ]
}

@test "a logger that cannot be started is an error that names it" {
	kihon_only
	run ! run_pod --log-uri "binary://$tmp/missing" -- true
	[[ $output == *"$tmp/missing"* ]]
	printf '#!/nonexistent/interpreter\n' > "$tmp/logger"
	chmod 700 "$tmp/logger"
	run ! run_pod --log-uri "binary://$tmp/logger" -- true
	[[ $output == *"$tmp/logger"* ]]
}

@test "a logger that ends early costs the output and nothing else" {
	kihon_only
	make_logger 'exec 5>&-; exit 1'
	run -7 run_pod --log-uri "$log_uri" -- sh -c 'yes | head -c 1000000; exit 7'
}

@test "kill -9 of the shim: the logger writes down what it was given, and ends" {
	kihon_only
	make_logger "$copier"
	open_events
	ctr run --detach --log-uri "$log_uri" --runtime "$runtime" "$image" "$id" \
		sh -c 'echo before; exec sleep 100000'
	wait_event 20 /tasks/start "$id"
	# The line has gone through when an exec after it has.
	exec_in after true
	kill -KILL "$(shim_pid)"
	wait_exit 5 137
	[ "$(cat "$tmp/out")" = before ]
	[ -s "$tmp/end" ]
	run -0 ctr container rm "$id"
}
