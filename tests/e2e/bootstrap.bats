# SPDX-License-Identifier: Apache-2.0
# The program as containerd runs it: start, delete and -info, by hand and without a VM.

load lib
kihon_file=1

# shim WORD: with the bundle as its working directory. What it says beside its answer is an error.
shim() {
	(cd "$tmp/bundle" && containerd-shim-kata-v2 -namespace default -id "$id" -address "$playground_socket" \
		-publish-binary /bin/true -bundle "$tmp/bundle" "$1" 2>&1)
}

# What containerd 2.3 writes: instance_id (1), namespace (2), containerd_version (4).
bootstrap_params() {
	printf '\x0a\x02c1\x12\x07default\x22\x052.3.0'
}

@test "start answers the bare address, version 3 to who asks so, and finds the daemon that is there" {
	local address socket pid
	mkdir "$tmp/bundle"
	address=$(shim start < /dev/null)
	[[ $address =~ ^unix:///run/containerd/s/[0-9a-f]{64}$ ]]
	socket=${address#unix://}
	[ "$(stat -c %a "$socket")" = 600 ]
	[ "$(stat -c %a "${socket%/*}")" = 700 ]
	[ "$(cat "$tmp/bundle/address")" = "$address" ]
	pid=$(cat "$tmp/bundle/shim.pid")

	[ "$(bootstrap_params | shim start)" = "{\"version\":3,\"address\":\"$address\",\"protocol\":\"ttrpc\"}" ]
	[ "$(cat "$tmp/bundle/shim.pid")" = "$pid" ]

	# A dead one is replaced.
	kill -KILL "$pid"
	timeout 5 tail --pid="$pid" -f /dev/null
	[ -S "$socket" ]
	[ "$(shim start < /dev/null)" = "$address" ]
	[ "$(cat "$tmp/bundle/shim.pid")" != "$pid" ]
	pid=$(cat "$tmp/bundle/shim.pid")
	kill -KILL "$pid"
	timeout 5 tail --pid="$pid" -f /dev/null
	shim delete < /dev/null > /dev/null
	[ ! -e "$socket" ]
}

@test "-info says who it is, and the options it was given" {
	printf '\x0a\x03t/x\x12\x02ab' | containerd-shim-kata-v2 -info > "$tmp/info"
	grep -qaF io.containerd.kata.v2 "$tmp/info"
	grep -qaF t/x "$tmp/info"
	run ! containerd-shim-kata-v2 -info <<< $'\x0a\xff'
}
