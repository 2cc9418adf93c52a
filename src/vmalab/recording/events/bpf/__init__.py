# SPDX-License-Identifier: GPL-2.0-or-later
"""BPF programs, assembled here and loaded by bpf(2): no compiler and no library is needed.

`assembler` knows instructions, `btf` the types of the running kernel, `system` the system call.
"""
