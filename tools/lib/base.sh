# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What every script here starts with. It speaks one line per step, on stderr: stdout stays data.

# `su` keeps a user's PATH, where depmod and runc are not; apt's answers are read, so not translated.
export PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin LC_ALL=C.UTF-8

say() {
	printf '%s: %s\n' "${say_name:-${0##*/}}" "$*" >&2
}

die() {
	say "$*"
	exit 1
}

need_root() {
	((EUID == 0)) || die "must run as root"
}

# Milliseconds of the monotonic clock (uptime has only hundredths: enough for a progress line).
now_ms() {
	local up rest
	read -r up rest < /proc/uptime
	echo "$((10#${up%.*} * 1000 + 10#${up#*.} * 10))"
}

# run_quietly LOG COMMAND...: output goes to LOG, shown only when the command fails.
run_quietly() {
	local log=$1
	shift
	if ! "$@" > "$log" 2>&1 < /dev/null; then
		tail -n 40 "$log" >&2
		say "failed: ${*:1:6}$( (($# <= 6)) || echo " ...") (whole output: $log)"
		return 1
	fi
}
