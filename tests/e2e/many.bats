# SPDX-License-Identifier: Apache-2.0
# Many pods, one after the other and at once. The comparison in teardown is the point of these.

load lib

@test "20 containers in a row" {
	local n base=$id
	for n in {1..20}; do
		id=$base-$n
		run -0 run_pod -- echo "number $n"
		[ "$output" = "number $n" ]
	done
}

@test "4 containers at once" {
	local n base=$id
	local -a pids=()
	for n in {1..4}; do
		id=$base-$n
		run_pod -- sh -c "echo number $n; exit $n" > "$tmp/out$n" 2>&1 3>&- &
		pids+=($!)
	done
	for n in {1..4}; do
		wait_status "$n" "${pids[n - 1]}"
		[ "$(cat "$tmp/out$n")" = "number $n" ]
	done
}
