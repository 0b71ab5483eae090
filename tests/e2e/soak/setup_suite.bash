# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
source "${BASH_SOURCE[0]%/*}/../setup_suite.bash"
