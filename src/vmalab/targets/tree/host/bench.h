/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bench of the tree's side: one command, its answer printed by vmalab_print(). */
#ifndef VMALAB_BENCH_H
#define VMALAB_BENCH_H

void vmalab_bench(const char *command);

#endif
