# SPDX-License-Identifier: Apache-2.0
# The virtual machine grows with its containers' limits, by CPUs and memory that are plugged into a running
# guest.

kihon_file=1
load lib

in_guest() {
	exec_in "e$((++n_execs))" sh -c "$1"
}

guest_mib() {
	in_guest "awk '\$1 == \"MemTotal:\" { print int(\$2 / 1024) }' /proc/meminfo"
}

@test "a container with limits gets CPUs and memory on top of what the machine has" {
	local plain limited
	n_execs=0
	sed -i -e '/^default_memory\|^default_maxvcpus/d' \
		-e 's/^machine_type.*/&\ndefault_memory = 512\ndefault_maxvcpus = 3/' "$KATA_CONF_FILE"
	start_sleeper
	[[ $(in_guest 'grep -c ^processor /proc/cpuinfo') == 1 ]]
	plain=$(guest_mib)
	ctr task rm --force "$id"
	ctr container rm "$id"

	start_sleeper --memory-limit $((300 << 20)) --cpus 1.5
	[[ $(in_guest 'grep -c ^processor /proc/cpuinfo') == 3 ]]
	limited=$(guest_mib)
	echo "$plain MiB, then $limited MiB"
	# 300 MiB are three blocks; a little of each describes the rest.
	((limited - plain > 350 && limited - plain <= 384))
	ctr task kill -s SIGKILL "$id"
}
