/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The generated stubs: their names, and how often each was called. */
#ifndef VMALAB_STUBS_H
#define VMALAB_STUBS_H

extern unsigned long vmalab_stub_calls[];
extern const char *const vmalab_stub_names[];
extern const unsigned long vmalab_stub_count, vmalab_stub_bytes;

#endif
