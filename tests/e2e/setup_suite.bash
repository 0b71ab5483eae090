# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# One private containerd for all end-to-end tests.

setup_suite() {
	source "${BASH_SOURCE[0]%/*}/lib.bash"
	need_root
	playground_down
	playground_up 3>&-
	# containerd makes a namespace's directory with its first task and then keeps it.
	mkdir -p "$playground_run/state/io.containerd.runtime.v2.task/$CONTAINERD_NAMESPACE"
	[[ $runtime != "$playground_runtime" ]] || type -P containerd-shim-kata-v2 > /dev/null ||
		die "no shim in $build/host: make host"
}

teardown_suite() {
	playground_down
}
