# SPDX-License-Identifier: GPL-2.0-or-later
"""Work shared out in small units: here, to processes of this machine, or to a Dask cluster.

A unit is a function of the package with its arguments. It depends on nothing but them, so it may
be done again by another worker where one was killed, and what all units answer is the same however
many workers there are.
"""
