# SPDX-License-Identifier: GPL-2.0-or-later
"""Records running programs: holds them with ptrace, and writes recordings of format 1.

`recorder` is the loop; it knows tasks and what stops them. `decode` turns registers and memory into
the text of a call, `maps` and `probe` look at address spaces, `output` writes files.
"""
