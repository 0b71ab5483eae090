# SPDX-License-Identifier: Apache-2.0
# The manual pages are well-formed and name what there is.

setup() {
	top=$(realpath "$BATS_TEST_DIRNAME/../..")
	man=$top/docs/man
}

@test "no page has a mistake that groff or mandoc knows of" {
	local page
	for page in "$man"/*.[1-8]; do
		run groff -mandoc -ww -z "$page"
		[ "$status" -eq 0 ]
		[ -z "$output" ]
	done
	run mandoc -Tlint -W warning "$man"/*.[1-8]
	[ "$status" -eq 0 ]
}

@test "every page is installed" {
	diff <(find "$man" -name '*.[1-8]' -printf '%f\n' | sort) \
		<(grep -o "'[^']*\.[1-8]'" "$man/meson.build" | tr -d "'" | sort)
}

# "section key" of every key that is used; the reference is printed from the source (config-docs).
used_keys() {
	awk -F ' *[|] *' '/^## \[/ { section = $0; gsub(/^## \[|[].].*/, "", section) }
		$7 == "used" { print section, $2 }' "$top/docs/configuration.md" | sort
}

keys_of_page() {
	awk '/^\.Ss/ { section = $2; sub(/\..*/, "", section) } /^\.It Cm/ && section { print section, $3 }' \
		"$man/kata-configuration.toml.5" | sort
}

@test "kata-configuration.toml(5) has keys that are used, and no other" {
	[ "$(used_keys | wc -l)" -gt 40 ]
	[ "$(keys_of_page | wc -l)" -gt 30 ]
	[ -z "$(comm -13 <(used_keys) <(keys_of_page))" ]
}

@test "the delivered configuration.toml has no key that the page does not have" {
	local line key section=''
	local -a missing=()
	while read -r line; do
		[[ ! $line =~ ^\[([a-z]+) ]] || section=${BASH_REMATCH[1]}
		[[ $line =~ ^#?([a-z_]+)\ =\  ]] || continue
		key=${BASH_REMATCH[1]}
		grep -qxF "$section $key" <(keys_of_page) || missing+=("$section.$key")
	done < "$top/config/configuration.toml"
	[ -z "${missing[*]}" ] || { echo "missing: ${missing[*]}"; return 1; }
}
