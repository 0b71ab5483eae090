/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Stand-ins for QEMU, virtiofsd and vsockd, played by the test program itself: it is started again
 * by /proc/self/exe with the real ones' arguments. What they do is told by a word at the end of
 * the guest's kernel parameters (QEMU) and by the shared directory's name (virtiofsd).
 */

/* The status to exit with; -1: these are not the arguments of any of them. */
int fake_qemu_main(int argc, char **argv);
