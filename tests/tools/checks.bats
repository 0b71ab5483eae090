# SPDX-License-Identifier: Apache-2.0
# The static checks find what they are for.

setup() {
	tree=$BATS_TEST_TMPDIR/tree
	mkdir -p "$tree"/src/{base,wire,linux,oci,agent,shim} "$tree/tests"
}

@test "layers: an include downwards passes" {
	printf '#include "base/err.h"\n#include "agent.pb-c.h"\n' > "$tree/src/wire/a.c"
	printf '#include "oci/spec.h"\n' > "$tree/src/agent/a.c"
	run "$BATS_TEST_DIRNAME/layers" "$tree"
	[ "$status" -eq 0 ]
}

@test "layers: upwards, sideways, unknown and unfoldered includes fail" {
	local folder header
	while read -r folder header; do
		echo "#include \"$header\"" > "$tree/src/$folder/bad.c"
		run "$BATS_TEST_DIRNAME/layers" "$tree"
		rm "$tree/src/$folder/bad.c"
		[ "$status" -eq 1 ]
		[[ $output == *"src/$folder/bad.c:1:"* ]]
	done <<-END
	base wire/x.h
	wire linux/x.h
	linux wire/x.h
	wire oci/x.h
	agent config/x.h
	shim agent/x.h
	base agent.pb-c.h
	base nowhere/x.h
	base x.h
	END
}

@test "config-docs: a reference that the program does not print fails" {
	# shellcheck disable=SC2016  # it is the script that expands it
	printf '#!/bin/bash\ncat "%s/../../docs/$1.md"\n' "$BATS_TEST_DIRNAME" > "$BATS_TEST_TMPDIR/same"
	printf '#!/bin/bash\necho another\n' > "$BATS_TEST_TMPDIR/other"
	chmod +x "$BATS_TEST_TMPDIR"/{same,other}
	run "$BATS_TEST_DIRNAME/config-docs" "$BATS_TEST_TMPDIR/same"
	[ "$status" -eq 0 ]
	run "$BATS_TEST_DIRNAME/config-docs" "$BATS_TEST_TMPDIR/other"
	[ "$status" -eq 1 ]
	[[ $output == *"docs/configuration.md is not up to date"* ]]
}

@test "layers: a folder that is no layer fails" {
	mkdir "$tree/src/utils"
	run "$BATS_TEST_DIRNAME/layers" "$tree"
	[ "$status" -eq 1 ]
}

@test "banned: calls are found, words in comments, strings and longer names are not" {
	printf '/* strcpy(a) */\nconst char *s = "system(1)";\nint loop_add_signal(int); // popen(\n' \
		> "$tree/src/base/a.c"
	run "$BATS_TEST_DIRNAME/banned" "$tree"
	[ "$status" -eq 0 ]
	printf 'void f(void) { sprintf(a, "x"); }\nvoid g(void) {\n\tsystem ("x"); }\n' > "$tree/src/base/a.c"
	run "$BATS_TEST_DIRNAME/banned" "$tree"
	[ "$status" -eq 1 ]
	[[ $output == *"a.c:1: sprintf"* ]]
	[[ $output == *"a.c:3: system"* ]]
}

@test "banned: a file of more than 1,000 lines fails, one of more than 600 is named" {
	yes 'int x;' | head -n 1000 > "$tree/src/base/a.c"
	run "$BATS_TEST_DIRNAME/banned" "$tree"
	[ "$status" -eq 0 ]
	[[ $output == *"a.c: 1000 lines"* ]]
	yes 'int x;' | head -n 1001 > "$tree/src/base/a.c"
	run "$BATS_TEST_DIRNAME/banned" "$tree"
	[ "$status" -eq 1 ]
	[[ $output == *"a.c:1001: more than 1000 lines"* ]]
}

@test "banned: a TODO needs the number of an issue" {
	printf '/* TODO #12: x */\nint todo, TODOS;\n' > "$tree/src/base/a.c"
	run "$BATS_TEST_DIRNAME/banned" "$tree"
	[ "$status" -eq 0 ]
	printf '\n/* TODO: x */\n' > "$tree/src/base/a.c"
	run "$BATS_TEST_DIRNAME/banned" "$tree"
	[ "$status" -eq 1 ]
	[[ $output == *"a.c:2: TODO without"* ]]
}

named_tests_tree() {
	mkdir -p "$tree"/{docs,tests/unit,tests/agent,tests/e2e,tests/fuzz}
	printf 'static void a_case(void **s)\nstatic void dead(void **s)\ncmocka_unit_test(a_case)\n' \
		> "$tree/tests/unit/test_buf.c"
	cp "$tree/tests/unit/test_buf.c" "$tree/tests/agent/test_files.c"
	echo '@test "a title that is long" {' > "$tree/tests/e2e/exec.bats"
	touch "$tree/tests/fuzz/fuzz_toml.c" "$tree/tests/fuzz/fuzz_json.c"
}

@test "named-tests: what is there passes, and so does prose" {
	named_tests_tree
	while read -r cell; do
		printf '| x | tested by, or why not |\n|---|---|\n| y | %s |\n' "$cell" > "$tree/docs/a.md"
		run "$BATS_TEST_DIRNAME/named-tests" "$tree"
		[ "$status" -eq 0 ]
	done <<-'END'
	unit/test_buf: `a_case`; agent/test_files
	buf: `a_case`
	agent/test_files, unit/test_buf: `a_case`, fuzz toml, json
	e2e/exec: `a title that is long`; fuzz json
	e2e/exec: `a title ...`
	no test: the kernel does it
	not carried
	END
}

@test "named-tests: every column that says so is looked at" {
	named_tests_tree
	printf '| tested by: it works | x | tested by: it fails |\n|---|---|---|\n| %s | %s | %s |\n' \
		'unit/test_a' 'unit/test_b' 'unit/test_c' > "$tree/docs/a.md"
	run "$BATS_TEST_DIRNAME/named-tests" "$tree"
	[ "$status" -eq 1 ]
	[[ $output == *test_a* && $output == *test_c* && $output != *test_b* ]]
}

@test "named-tests: what is not there, or not run, fails" {
	named_tests_tree
	while read -r cell; do
		printf '| x | tried by |\n|---|---|\n| y | %s |\n' "$cell" > "$tree/docs/a.md"
		run "$BATS_TEST_DIRNAME/named-tests" "$tree"
		[ "$status" -eq 1 ]
		[[ $output == *"a.md:3: "* ]]
	done <<-'END'
	unit/test_buf: `other`
	unit/test_buf: `a_case`, `dead`
	unit/test_none
	agent/test_files; unit/test_none
	none_such: `a_case`
	agent/test_none, unit/test_buf: `a_case`
	e2e/exec: `another title`
	e2e/none
	fuzz toml, none
	END
}
