# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Building what a pod needs. Needs base.sh and $top.

build=${KIHON_BUILD:-$top/build}

# Set up once; ninja itself notices changed meson files.
set_up_host() {
	[[ -e $build/host/build.ninja ]] && return 0
	say "setting up $build/host"
	mkdir -p "$build"
	run_quietly "$build/host-setup.log" meson setup "$build/host" "$top"
}

# build_host TARGET...: these alone; everything is `make host`'s.
build_host() {
	set_up_host
	say "building ${*##*/}"
	run_quietly "$build/host-ninja.log" ninja -C "$build/host" "$@"
}

build_shim() {
	build_host src/shim/containerd-shim-kata-v2
}

build_pod_programs() {
	build_shim
	say "building the guest: agent, kernel, initrd"
	"$top/guest/build"
}
