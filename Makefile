# SPDX-License-Identifier: Apache-2.0
# Thin names for what meson and tools/ do; see HACKING.md.
.PHONY: host guest demo test install uninstall clean

PREFIX ?= /usr/local
export PREFIX DESTDIR

host:
	@test -d build/host || meson setup build/host .
	@ninja -C build/host

guest:
	@guest/build

demo:
	@tools/demo

test:
	@tools/test

install:
	@tools/install

uninstall:
	@tools/install --uninstall

clean:
	rm -rf build
