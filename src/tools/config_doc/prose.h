/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The text around the tables of the references. */
extern const char prose_configuration[], prose_annotations[], prose_differences[];
