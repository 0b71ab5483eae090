# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# One private containerd for all end-to-end tests.

setup_suite() {
	source "$(dirname "${BASH_SOURCE[0]}")/lib.bash"
	need_root
	playground_down
	playground_up 3>&-
	[[ $runtime != "$playground_runtime" ]] || type -P containerd-shim-kata-v2 > /dev/null ||
		die "no shim in $build/host: make host"
	# The first namespace and the first pod of a machine's life make directories that stay, as /run/netns
	# and /run/containerd/s.
	ip netns add kihon-warm-up
	ip netns delete kihon-warm-up
	ctr run --rm --runtime "$runtime" "$image" warm-up true > /dev/null 2>&1 3>&- || true
}

teardown_suite() {
	playground_down
}
