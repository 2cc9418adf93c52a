# SPDX-License-Identifier: GPL-2.0-or-later
"""A recording as a place to travel in: every moment of it can be gone to, forwards and backwards.

`scout` replays the recording once, in a process of its own, which leaves copies of itself behind on
the way (fork: checkpoints) and sends home what it sees (`index`). To go to a moment, `journey` asks
the checkpoint before it, which sends out a copy of itself to replay the rest of the way.
"""
