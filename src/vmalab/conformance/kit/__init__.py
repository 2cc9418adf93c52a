# SPDX-License-Identifier: GPL-2.0-or-later
"""What the conformance kit has beside its streams, copied as it is: runners and their README."""
