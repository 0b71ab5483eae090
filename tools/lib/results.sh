# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Counting what passed. One line per test in $results: "pass|fail|skip <tab> name <tab> reason". Needs
# base.sh.

results_open() {
	results=$1
	mkdir -p "$(dirname "$results")"
	: > "$results"
}

note() {
	printf '%s\t%s\t%s\n' "$1" "$2" "${3:-}" >> "$results"
}

# check NAME COMMAND...: a test that is a command. Its output is shown only when it fails.
check() {
	local name=$1
	shift
	if run_quietly "${results%/*}/${name//[ :\/]/-}.log" "$@"; then
		note pass "$name"
		say "  ok: $name"
	else
		note fail "$name" "see ${results%/*}/${name//[ :\/]/-}.log"
	fi
}

# note_tap NAME FILE: the tests of a TAP stream. One that ends before its plan does is a failure.
note_tap() {
	awk -v name="$1" -v OFS='\t' '
		{ sub(/\r$/, "") }
		/^1\.\.[0-9]+$/ { plan = substr($0, 4); next }
		/^(not )?ok / {
			seen++
			verdict = $1 == "ok" ? "pass" : "fail"
			text = $0; sub(/^(not )?ok [0-9]+ (- )?/, "", text)
			why = ""
			if (match(text, / # skip/)) {
				why = substr(text, RSTART + 8); text = substr(text, 1, RSTART - 1)
				gsub(/^ *\(?|\)$/, "", why); verdict = "skip"
			}
			print verdict, name ": " text, why
		}
		END { if (plan == "" || seen < plan) print "fail", name, "ended after " seen+0 " of " plan+0 " tests" }
	' "$2" >> "$results"
}

# bats_suite NAME PATH...: shows each test as it ends.
bats_suite() {
	local name=$1 tap
	shift
	tap=${results%/*}/${name//[ :\/]/-}.tap
	bats --formatter tap --print-output-on-failure "$@" < /dev/null 2>&1 | tee "$tap" | sed -u 's/^/  /' >&2 || true
	note_tap "$name" "$tap"
}

count() {
	awk -F '\t' -v kind="$1" '$1 == kind { n++ } END { print n + 0 }' "$results"
}

# Names what failed and what was skipped, then the one line that sums up. Fails when a test did.
results_close() {
	awk -F '\t' '$1 == "skip" { print "skipped: " $2 " (" ($3 == "" ? "no reason given" : $3) ")" }
		$1 == "fail" { print "FAILED: " $2 ($3 == "" ? "" : " (" $3 ")") }' "$results"
	echo "$(count pass) passed, $(count fail) failed, $(count skip) skipped"
	(($(count fail) == 0))
}
