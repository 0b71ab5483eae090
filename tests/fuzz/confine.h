/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * For targets that run more than a decoder. Linked in, it moves the program, before its main, into
 * new user, mount, network, IPC and UTS namespaces: without a capability outside of them, without a
 * network, with all file systems read-only but a tmpfs on /run and the directories that are named on
 * the command line (where libFuzzer keeps its corpus and findings). Exits 77, with the reason, where
 * that cannot be done.
 */
