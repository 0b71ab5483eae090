# SPDX-License-Identifier: Apache-2.0
# Bytes in and out of a container: all of them, in order, apart, and held back when nobody reads.

load lib

size=100000000

@test "100 MB through stdin arrive whole, and the end of stdin ends the reader" {
	head -c "$size" /dev/urandom > "$tmp/in"
	run_pod -- md5sum < "$tmp/in" > "$tmp/out"
	[ "$(cut -d ' ' -f 1 "$tmp/out")" = "$(md5sum < "$tmp/in" | cut -d ' ' -f 1)" ]
}

@test "100 MB of stdout leave whole, stderr apart" {
	run_pod -- sh -c "echo before >&2; yes 0123456789abcdef | head -c $size; echo after >&2" \
		> "$tmp/out" 2> "$tmp/err"
	yes 0123456789abcdef | head -c "$size" | cmp - "$tmp/out"
	[ "$(cat "$tmp/err")" = "$(printf 'before\nafter')" ]
}

@test "closing stdin ends cat, and what it read comes back" {
	run -0 run_pod -- cat <<< "some words"
	[ "$output" = "some words" ]
}

@test "a reader that stops for ten seconds loses nothing and fills no memory" {
	kihon_only
	mkfifo "$tmp/pipe"
	run_pod -- sh -c "yes 0123456789abcdef | head -c $size" > "$tmp/pipe" 3>&- &
	local client=$! shim name
	local -A before=()
	exec {reader}< "$tmp/pipe"
	# The first bytes: the stream flows, and everything that it needs has been allocated.
	head -c 1000000 <&"$reader" > "$tmp/out"
	shim=$(shim_pid)
	before[$shim]=$(rss_kib "$shim")
	for name in vsockd virtiofsd; do
		pid=$(helper_pid "$name") && before[$pid]=$(rss_kib "$pid")
	done
	sleep 10
	local pid grown
	for pid in "${!before[@]}"; do
		grown=$(($(rss_kib "$pid") - before[$pid]))
		echo "$(cat "/proc/$pid/comm"): ${before[$pid]} KiB, grown by $grown"
		((grown < 1024))
	done
	cat <&"$reader" >> "$tmp/out"
	exec {reader}<&-
	wait "$client"
	yes 0123456789abcdef | head -c "$size" | cmp - "$tmp/out"
}
