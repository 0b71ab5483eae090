# SPDX-License-Identifier: Apache-2.0
# tools/timeline draws what it is given, and says what it cannot read.

bats_require_minimum_version 1.5.0

setup() {
	timeline=$BATS_TEST_DIRNAME/../../tools/timeline
	cd "$BATS_TEST_TMPDIR" || return
	unset KIHON_TIMELINE
}

# span POD WHO WHAT FROM_MS TO_MS [ID]
span() {
	printf '{"pod":"%s","who":"%s","what":"%s","from_ns":%d000000,"to_ns":%d000000%s}\n' \
		"$1" "$2" "$3" "$4" "$5" "${6:+,\"id\":\"$6\"}"
}

small_start() {
	span p shim start 1000 1100
	span p shim create 1200 1900 p
	span p vm qmp 1300 1500
	span p agent mounts 1500 1501
	span p shim "start container" 1900 2000 p
	span p shim delete 5000 6000 p
}

@test "the start of a pod as a waterfall" {
	small_start > spans
	run --separate-stderr "$timeline" --width 88 spans
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	diff - <(echo "$output") <<-END
	pod p, 1000.0 ms
	   begins      takes   share  who     what
	      0.0      100.0   10.0%  shim    start            ###
	    200.0      700.0   70.0%  shim    create                 #######################
	    300.0      200.0   20.0%  vm        qmp                     #######
	    500.0        1.0    0.1%  agent     mounts                         #
	    900.0      100.0   10.0%  shim    start container                               ###
	END
}

@test "no wider than asked for, and without bars where there is no room" {
	small_start > spans
	run "$timeline" --width 80 spans
	[ "$(awk '{ if (length($0) > n) n = length($0) } END { print n }' <<< "$output")" -le 80 ]
	[[ $output == *#* ]]
	run "$timeline" --width 40 spans
	[ "$status" -eq 0 ]
	[[ $output != *#* ]]
	[[ $output == *"start container"* ]]
}

@test "the whole life with --all, an id where it says more than the pod" {
	{ small_start; span p shim exec 3000 3100 e1; } > spans
	run "$timeline" --width 60 spans
	[[ $output != *exec* && $output != *delete* ]]
	run "$timeline" --width 60 --all spans
	[ "$status" -eq 0 ]
	[[ ${lines[0]} == "pod p, 5000.0 ms" ]]
	[[ $output == *" exec e1"* && $output == *" delete"* ]]
}

@test "the pod that started last, and the last start of a pod" {
	{ small_start; span q shim start 7000 7001; span p shim start 9000 9003; span q shim create 7001 7007; } > spans
	run "$timeline" spans
	[[ ${lines[0]} == "pod p, 3.0 ms" ]]
	run "$timeline" --pod q spans
	[[ ${lines[0]} == "pod q, 7.0 ms" ]]
	run "$timeline" --pod r spans
	[ "$status" -eq 1 ]
	[[ $output == "timeline: no spans of pod r" ]]
}

@test "spans in any order, from several files and standard input" {
	small_start | tac > spans
	run "$timeline" --width 60 <(head -n 3 spans) - < <(tail -n 3 spans)
	[ "$status" -eq 0 ]
	[[ ${lines[0]} == "pod p, 1000.0 ms" ]]
	[ "${#lines[@]}" -eq 7 ]
}

@test "a guest's clock that is a little off does not move its spans out of their step" {
	{ span p shim start 1 2; span p shim "create sandbox" 10 20; span p agent "create sandbox" 10 21; } > spans
	run "$timeline" --width 60 spans
	[[ ${lines[4]} == *"agent     create sandbox" ]]
}

@test "bad lines are named and left out" {
	{
		small_start
		echo 'no json'
		echo
		echo '[]'
		echo '{"who":"shim","from_ns":1,"to_ns":2}'
		span p shim backwards 2 1
		echo '{"who":"shim","what":"x","from_ns":1.5,"to_ns":2}'
		echo '{"who":"shim","what":"x","from_ns":true,"to_ns":2}'
		echo '{"who":"shim","what":7,"from_ns":1,"to_ns":2}'
		echo '{"who":"shim","what":"x","from_ns":1,"to_ns":99999999999999999999}'
		printf '\xff\n'
		printf '{"who":'
	} > spans
	run --separate-stderr "$timeline" --width 60 spans
	[ "$status" -eq 0 ]
	[[ ${lines[0]} == "pod p, 1000.0 ms" ]]
	local -a numbers
	mapfile -t numbers < <(cut -d : -f 1,2 <<< "$stderr")
	[[ ${numbers[*]} == "spans:7 spans:9 spans:10 spans:11 spans:12 spans:13 spans:14 spans:15 spans:16 spans:17" ]]
}

@test "nothing to draw is an error" {
	: > empty
	run "$timeline" empty
	[ "$status" -eq 1 ]
	run "$timeline" nosuch
	[ "$status" -eq 1 ]
	[[ $output == "timeline: nosuch: No such file or directory" ]]
}

@test "a reader that has seen enough is no error" {
	for ((i = 0; i < 1200; i++)); do span p shim exec 1 2 "e$i"; done > spans
	for ((i = 0; i < 1200; i++)); do span p shim deep 1 $((3 + i)); done >> spans
	run bash -c '"$1" --width 60 spans | head -n 1; echo "${PIPESTATUS[0]}"' _ "$timeline"
	[[ ${lines[*]} == "pod p, 1201.0 ms 0" ]]
}

@test "what a guest calls its steps cannot speak to the terminal" {
	printf '{"who":"agent","what":"\\u001b[2J\\nx","from_ns":1,"to_ns":2}\n' > spans
	run "$timeline" spans
	[ "$status" -eq 0 ]
	[[ $output == *"?[2J?x"* && $output != *$'\e'* ]]
}

@test "one span, which takes no time" {
	span p shim start 5 5 > spans
	run "$timeline" --width 80 --svg out.svg spans
	[ "$status" -eq 0 ]
}

@test "the picture is well-formed whatever the names are" {
	{ small_start; span p vm '<&\"]]>' 1300 1400; printf '{"pod":"p","who":"agent","what":"\\u0007\\ufffe","from_ns":1300000000,"to_ns":1300000001}\n'; } > spans
	run "$timeline" --svg out.svg spans
	[ "$status" -eq 0 ]
	/usr/bin/python3 -c '
import sys, xml.etree.ElementTree as tree
svg = "{http://www.w3.org/2000/svg}"
titles = [t.text for t in tree.parse(sys.argv[1]).iter(svg + "title")]
assert len(titles) == 7, titles
assert "vm: <&\"]]>" in titles, titles
' out.svg
	run "$timeline" --svg /nosuch/out.svg spans
	[ "$status" -eq 1 ]
	[[ $output == *"timeline: /nosuch/out.svg: "* ]]
}
