# SPDX-License-Identifier: GPL-2.0-or-later
"""Records programs by the kernel's events, without holding them: the flight recorder.

`programs` run in the kernel and write records (`layout`) into `ring`s; `session` takes them to the
disk as they come (`rawfile`), and when all is over `decode` makes a recording of them, in the order
in which they took effect (`ordering`).
"""
