# SPDX-License-Identifier: GPL-2.0-or-later
"""The BPF programs of the flight recorder: what runs in the kernel at each event.

Each program asks first whether the thread is recorded. What is known of a thread between the entry
and the exit of a call stands in a map, by its number; the record of a call is put together there,
and goes out at its exit as one piece.  Threads are found by their process the first time they are
met, so that none has to be known in advance.

`writer` has what programs share: R6 is the context, R8 the state of the thread.
"""
