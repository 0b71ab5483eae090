# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash

setup_suite() {
	source "$(dirname "${BASH_SOURCE[0]}")/lib.bash"
	need_root
	playground_down
	mkdir -p "$playground_run" "$CRI_PB2"
	protoc --python_out="$CRI_PB2" -I "$cri_dir" cri.proto
	write_cni_configuration
	playground_start 3>&-
	import_pause
	# The bridge, and directories that the first pod and the first container make, stay.
	tmp=$(mktemp -d) id=warm-up
	handler=runc run_sandbox 3>&-
	container warm-up '{}' true > /dev/null
	remove_sandbox "$pod"
	rm -r "$tmp"
}

teardown_suite() {
	playground_down
	ip link delete "$bridge" 2> /dev/null || true
}
