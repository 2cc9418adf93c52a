# SPDX-License-Identifier: GPL-2.0-or-later
"""Real kernels as targets: the executor, on this machine or in a guest."""
