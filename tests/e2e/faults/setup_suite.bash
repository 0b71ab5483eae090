# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The containerd of these tests hands tests/tools/fault.c to its shims.
source "${BASH_SOURCE[0]%/*}/../setup_suite.bash"

setup_suite() {
	source "$(dirname "${BASH_SOURCE[0]}")/lib.bash"
	need_root
	playground_down
	rm -rf "$KIHON_FAULT"
	mkdir -p "$KIHON_FAULT"
	start_containerd
	ctr run --rm --runtime "$runtime" "$image" warm-up true > /dev/null 2>&1 3>&- || true
}

teardown_suite() {
	playground_down
	rm -rf "$KIHON_FAULT"
}
