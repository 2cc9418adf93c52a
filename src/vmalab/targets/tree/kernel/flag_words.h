/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rows of a table: the flags of VMAs that this tree has, and their words in smaps. */
	{ VM_READ, "rd" }, { VM_WRITE, "wr" }, { VM_EXEC, "ex" }, { VM_SHARED, "sh" }, { VM_MAYREAD, "mr" },
	{ VM_MAYWRITE, "mw" }, { VM_MAYEXEC, "me" }, { VM_MAYSHARE, "ms" }, { VM_GROWSDOWN, "gd" },
	{ VM_UFFD_MISSING, "um" }, { VM_PFNMAP, "pf" },
#ifdef VM_MAYBE_GUARD
	{ VM_MAYBE_GUARD, "gu" },
#endif
	{ VM_UFFD_WP, "uw" }, { VM_LOCKED, "lo" }, { VM_IO, "io" }, { VM_SEQ_READ, "sr" }, { VM_RAND_READ, "rr" },
	{ VM_DONTCOPY, "dc" }, { VM_DONTEXPAND, "de" }, { VM_LOCKONFAULT, "lf" }, { VM_ACCOUNT, "ac" },
	{ VM_NORESERVE, "nr" }, { VM_HUGETLB, "ht" }, { VM_SYNC, "sf" }, { VM_WIPEONFORK, "wf" },
	{ VM_DONTDUMP, "dd" }, { VM_SOFTDIRTY, "sd" }, { VM_MIXEDMAP, "mm" }, { VM_HUGEPAGE, "hg" },
	{ VM_NOHUGEPAGE, "nh" }, { VM_MERGEABLE, "mg" },
#ifdef VM_DROPPABLE
	{ VM_DROPPABLE, "dp" },
#endif
#ifdef VM_UFFD_MINOR
	{ VM_UFFD_MINOR, "ui" },
#endif
#ifdef VM_UFFD_RWP
	{ VM_UFFD_RWP, "ur" },
#endif
#ifdef CONFIG_STACK_GROWSUP
	{ VM_GROWSUP, "ar" },
#endif
#ifdef VM_SEALED
	{ VM_SEALED, "sl" },
#endif
