# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034  # shared with the script that sources it
# How a measurement of tools/bench counts and prints. Needs base.sh and kvm.sh.

# How often a thing is measured. What is shown is the median, with the least and the most beside it.
bench_runs=${KIHON_BENCH_RUNS:-5}
# The measurement that runs: each line says how to repeat it.
bench_name=

# show WHAT VALUE UNIT [REMARK]
show() {
	printf '%-50s %10s %-5s %-24s %s\n' "$1" "$2" "$3" "tools/bench $bench_name" "${4:+($4)}"
}

# Four digits, or all before the point.
digits='function digits(x) { return sprintf(x < 10000 ? "%.4g" : "%.0f", x) }'

# median VALUE...
median() {
	printf '%s\n' "$@" | sort -n | awk "$digits"'
		{ v[NR] = $1 }
		END { print digits(NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2) }'
}

# spread VALUE...: "least to most"
spread() {
	printf '%s\n' "$@" | sort -n | awk "$digits"'
		NR == 1 { least = $1 }
		END { print digits(least) " to " digits($1) }'
}

# show_runs WHAT UNIT REMARK VALUE...: one value of each run.
show_runs() {
	local what=$1 unit=$2 remark=$3
	shift 3
	show "$what" "$(median "$@")" "$unit" "$# runs: $(spread "$@")${remark:+; $remark}"
}

# show_ratio WHAT "VALUES" "VALUES" [REMARK]: of the medians of two lists in words.
show_ratio() {
	local -a ours theirs
	read -ra ours <<< "$2"
	read -ra theirs <<< "$3"
	show "$1" "$(divide "$(median "${ours[@]}")" "$(median "${theirs[@]}")")" x "${4:-}"
}

divide() {
	awk -v a="$1" -v b="$2" 'BEGIN { if (b > 0) printf "%.3g\n", a / b; else print "-" }'
}

# not_here WHAT REASON: said by name, so that no line is missed in silence.
not_here() {
	show "$1" "-" "" "not measured: $2"
}

# Microseconds of the wall clock, for spans that one process sees the ends of.
now_us() {
	echo "${EPOCHREALTIME/./}"
}

# took_ms COMMAND...: how long it ran. Its output is not wanted.
took_ms() {
	local from
	from=$(now_us)
	"$@" > /dev/null || return
	awk -v us="$(($(now_us) - from))" 'BEGIN { printf "%.2f\n", us / 1000 }'
}

# The machine, and how busy it is with other things, which no ratio leaves out entirely.
show_machine() {
	local model
	model=$(awk -F ': ' '/^model name/ { print $2; exit }' /proc/cpuinfo)
	echo "machine: $(nproc) CPUs ($model), Linux $(uname -r), virtual machines by $(accelerator_name)"
	show_load start
}

show_load() {
	echo "load average at the $1: $(cut -d ' ' -f 1-3 /proc/loadavg)"
}

# What processes alone hold: pages of nobody else, written or not. private_kib PID...
private_kib() {
	local pid
	for pid; do
		cat "/proc/$pid/smaps_rollup"
	done | awk '/^Private_(Clean|Dirty):/ { sum += $2 } END { print sum + 0 }'
}

dirty_kib() {
	awk '/^Private_Dirty:/ { print $2 }' "/proc/$1/smaps_rollup"
}

rss_anon_kib() {
	awk '$1 == "RssAnon:" { print $2 }' "/proc/$1/status"
}
