# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154  # of lib.bash
# Containers of one pod, grouped as containerd's CRI does it, by annotations: $id is the pod, and its
# sandbox container. Load lib first.

type=io.kubernetes.cri.container-type
group=io.kubernetes.cri.sandbox-id

start_sandbox() {
	start_sleeper --annotation $type=sandbox --annotation "$group=$id" "$@"
}

# member NAME [CTR OPTIONS...] -- COMMAND...: a container of the pod.
member() {
	local name=$1
	local -a options=()
	shift
	while [[ $1 != -- ]]; do
		options+=("$1")
		shift
	done
	ctr run --runtime "$runtime" --annotation $type=container --annotation "$group=$id" \
		"${options[@]}" "$image" "$id-$name" "${@:2}"
}

member_sleeper() {
	member "$1" --detach --null-io "${@:2}" -- sleep 100000
}

# in_member NAME COMMAND...
in_member() {
	ctr task exec --exec-id "x$RANDOM" "$id-$1" "${@:2}"
}

remove_member() {
	ctr task kill -s SIGKILL "$id-$1" || true
	ctr task rm "$id-$1"
	ctr container rm "$id-$1"
}

# The pod's state file and shared directory name nothing of a member.
assert_forgotten() {
	run ! grep -F "/passthrough/$id-$1/" "/run/kata/$id/state.json"
	[ ! -e "/run/kata-containers/shared/sandboxes/$id/rw/passthrough/$id-$1" ]
}
