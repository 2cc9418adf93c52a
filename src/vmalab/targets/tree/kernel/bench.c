// SPDX-License-Identifier: GPL-2.0-or-later
/* The bench. */
#include "tree.h"
#include "bench.h"
void vmalab_bench(const char *command)
{
	vmalab_print("%s", command);
}
