# SPDX-License-Identifier: Apache-2.0
# Every start tells where its time went (docs/timeline.md).

load lib
kihon_file=1

# "who what" of every row of the document's table. vsockd runs only where the kernel has no vhost-vsock,
# and these pods have no network namespace of their own to look into, and no disks.
documented_spans() {
	awk -F '|' '/^\| `/ {
		n = split($2, who, ","); m = split($3, what, ",")
		for (i = 1; i <= n; i++)
			for (j = 1; j <= m; j++) {
				gsub(/^[ `]+|[ `]+$/, "", who[i]); gsub(/^[ `]+|[ `]+$/, "", what[j])
				print who[i] " " what[j]
			}
	}' "$top/docs/timeline.md" | grep -vxE 'shim (look into the network namespace|set up the network|plug disks)' |
		if [[ -e /dev/vhost-vsock ]]; then grep -vxF 'vm vsockd'; else cat; fi | sort
}

spans_of() {
	jq -r "select(.pod == \"$id\") | .who + \" \" + .what" "$1" | sort -u
}

@test "a pod's life has the documented spans, and no other" {
	rm -f "$playground_timeline"
	start_sleeper
	cp "/run/kata/$id/timeline.json" "$tmp/own"
	exec_in e1 true
	ctr task kill -s KILL "$id"
	ctr task rm --force "$id" || true
	diff <(documented_spans) <(spans_of "$playground_timeline")
	# What the pod's own file has is the same, as far as it went.
	grep -q '"what":"start container"' "$tmp/own"
	cmp "$tmp/own" <(head -c "$(stat -c %s "$tmp/own")" "$playground_timeline")
	[[ ! -e /run/kata/$id ]]
	# Steps lie one after the other, also those of the guest, whose clock is another.
	run --separate-stderr "$top/tools/timeline" --width 60 --pod "$id" "$playground_timeline"
	[ "$status" -eq 0 ]
	[[ -z $stderr ]]
	awk '{ print $4, $5, $6, $7 }' <<< "$output" > "$tmp/order"
	local step last=0 line
	for step in "shim create" "vm launch" "vm qmp" "shim guest boot" "kernel boot" "agent mounts" "agent modules" \
		"agent serve" "agent create sandbox" "agent create container" "agent start container"; do
		line=$(grep -n "^$step *" "$tmp/order" | cut -d : -f 1 | head -n 1)
		((line > last)) || { echo "$step is not in its place"; echo "$output"; return 1; }
		last=$line
	done
}

@test "a start that fails is told up to where it failed" {
	rm -f "$playground_timeline"
	run run_pod -- /nosuch
	[ "$status" -ne 0 ]
	grep -q '"who":"agent","what":"create sandbox"' "$playground_timeline"
	run ! grep -q '"what":"start container"' "$playground_timeline"
}
