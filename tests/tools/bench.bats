# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# How tools/bench counts; what it measures needs a quiet machine and is no test.

bats_require_minimum_version 1.5.0
top=$(realpath "$BATS_TEST_DIRNAME/../..")
# shellcheck source=tools/lib/bench.sh
source "$top/tools/lib/bench.sh"

@test "the median of an odd and of an even number of values, in any order" {
	[ "$(median 30 9 100)" = 30 ]
	[ "$(median 4 1 3 2)" = 2.5 ]
	[ "$(median 0)" = 0 ]
	[ "$(median 123456 123457 1)" = 123456 ]
}

@test "the spread goes by value and not by text" {
	[ "$(spread 9 100 30.5)" = "9 to 100" ]
}

@test "a ratio of medians; none of nothing" {
	bench_name=x
	[[ $(show_ratio what "1 2 30 " "4 4 4 ") == *" 0.5 x "*"tools/bench x"* ]]
	[ "$(divide 1 0)" = - ]
}

@test "a command that fails has no time" {
	run -1 took_ms false
	[ "$output" = "" ]
}

@test "pipe-rate refuses another number of bytes" {
	run -1 "$top/tools/lib/pipe-rate" 5 < <(printf 'abcd')
	[ "$output" = "4 bytes instead of 5" ]
	run -0 "$top/tools/lib/pipe-rate" 2 < <(printf a; sleep 0.1; printf b)
	[[ $output =~ ^[0-9]+\.[0-9]$ ]]
}

@test "an unknown measurement is refused before anything is built" {
	run -1 "$top/tools/bench" sizes nothing
	[ "$output" = 'bench: no measurement "nothing": tools/bench --list' ]
}

@test "each measurement of the list has its function" {
	local name
	"$top/tools/bench" --list | while read -r name _; do
		grep -q "^measure_${name//-/_}()" "$top"/tools/bench "$top"/tools/lib/bench-*.sh
	done
}
