# SPDX-License-Identifier: GPL-2.0-or-later
"""What is said of each call: its flags and commands, and how far they are modelled.

Written by hand, and held to the call table and to the user API by `call_surface`.
"""

from dataclasses import dataclass
from typing import Final

MODELLED: Final = "modelled"
ACCEPTED: Final = "accepted"
ERRORS: Final = "errors only"
ABSENT: Final = "not modelled"
REFUSED: Final = "refused"

# Modules of the user API whose constants entries may name.
UAPI: Final = (
    "fcntl",
    "io_uring",
    "memfd",
    "mempolicy",
    "mman",
    "personality",
    "pidfd",
    "prctl",
    "sched",
    "shm",
    "userfaultfd",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line on a call: the constants it is about (none: the call as such), state, a remark."""

    names: tuple[str, ...]
    state: str
    note: str = ""


def row(names: str = "", state: str = MODELLED, note: str = "") -> Row:
    """Return a line, its constants separated by spaces."""
    return Row(tuple(names.split()), state, note)


PROTECTIONS: Final = row("PROT_NONE PROT_READ PROT_WRITE PROT_EXEC PROT_SEM")
PLAIN: Final = (row(),)
CLONES: Final = (
    row("CLONE_VM CLONE_FILES CLONE_THREAD CLONE_SIGHAND CLONE_VFORK CLONE_NEWUSER"),
    row(
        "CLONE_FS CLONE_PTRACE CLONE_PARENT CLONE_SYSVSEM CLONE_SETTLS CLONE_PARENT_SETTID "
        "CLONE_CHILD_CLEARTID CLONE_CHILD_SETTID CLONE_DETACHED CLONE_UNTRACED CLONE_IO",
        ACCEPTED,
    ),
    row(
        "CLONE_PIDFD CLONE_NEWNS CLONE_NEWCGROUP CLONE_NEWUTS CLONE_NEWIPC CLONE_NEWPID "
        "CLONE_NEWNET",
        ERRORS,
        "contradictions are refused; namespaces and the pidfd are not made",
    ),
)
OPENS: Final = (
    row(
        "O_CLOEXEC O_CREAT O_EXCL O_TRUNC O_DIRECTORY O_PATH O_RDWR O_WRONLY",
        MODELLED,
        "whether a file exists is a fact of the recording",
    ),
)
POLICIES: Final = row(
    "MPOL_DEFAULT MPOL_PREFERRED MPOL_BIND MPOL_INTERLEAVE MPOL_LOCAL MPOL_PREFERRED_MANY "
    "MPOL_WEIGHTED_INTERLEAVE MPOL_F_STATIC_NODES MPOL_F_RELATIVE_NODES MPOL_F_NUMA_BALANCING"
)

CALLS: Final[dict[str, tuple[Row, ...]]] = {
    "arch_prctl": (
        row("ARCH_SET_FS ARCH_SET_GS ARCH_GET_FS ARCH_GET_GS ARCH_GET_CPUID", ACCEPTED),
        row("ARCH_GET_XCOMP_SUPP ARCH_GET_XCOMP_PERM ARCH_GET_XCOMP_GUEST_PERM", ACCEPTED),
        row(
            "ARCH_SET_CPUID ARCH_MAP_VDSO_X32 ARCH_GET_UNTAG_MASK ARCH_ENABLE_TAGGED_ADDR "
            "ARCH_GET_MAX_TAG_BITS ARCH_FORCE_TAGGED_SVA",
            REFUSED,
            "the machine has no such thing",
        ),
        row(
            "ARCH_SHSTK_ENABLE ARCH_SHSTK_DISABLE ARCH_SHSTK_LOCK ARCH_SHSTK_UNLOCK "
            "ARCH_SHSTK_STATUS",
            MODELLED,
            "refused where the processor has none; threads get no stacks of their own",
        ),
        row("ARCH_MAP_VDSO_32 ARCH_MAP_VDSO_64", MODELLED, "EEXIST when there is a vdso"),
        row("ARCH_REQ_XCOMP_PERM ARCH_REQ_XCOMP_GUEST_PERM", ABSENT),
    ),
    "brk": (row("", MODELLED, "the old break for every refusal; sbrk(3) is this call"),),
    "cachestat": (row("", ERRORS, "the answer is not known"),),
    "chdir": PLAIN,
    "capset": PLAIN,
    "clone": CLONES,
    "clone3": (*CLONES, row("CLONE_CLEAR_SIGHAND CLONE_INTO_CGROUP CLONE_NEWTIME", ACCEPTED)),
    "close": PLAIN,
    "close_range": (row("CLOSE_RANGE_UNSHARE CLOSE_RANGE_CLOEXEC"),),
    "creat": PLAIN,
    "dup": PLAIN,
    "dup2": PLAIN,
    "dup3": (row("O_CLOEXEC"),),
    "execve": (
        row(
            "",
            MODELLED,
            "from the program headers of files that are known; scripts, set-user-ID, ETXTBSY and "
            "permissions are not",
        ),
    ),
    "execveat": (
        row("AT_EMPTY_PATH AT_SYMLINK_NOFOLLOW"),
        row("AT_EXECVE_CHECK", ABSENT),
    ),
    "exit": PLAIN,
    "exit_group": PLAIN,
    "fallocate": (
        row("FALLOC_FL_ALLOCATE_RANGE FALLOC_FL_KEEP_SIZE FALLOC_FL_PUNCH_HOLE"),
        row(
            "FALLOC_FL_COLLAPSE_RANGE FALLOC_FL_INSERT_RANGE FALLOC_FL_ZERO_RANGE "
            "FALLOC_FL_UNSHARE_RANGE",
            MODELLED,
            "what a disk's file system refuses is not known",
        ),
        row("FALLOC_FL_NO_HIDE_STALE FALLOC_FL_WRITE_ZEROES", REFUSED),
    ),
    "fchdir": PLAIN,
    "fcntl": (
        row("F_DUPFD F_DUPFD_CLOEXEC F_GETFD F_SETFD"),
        row(
            "F_ADD_SEALS F_GET_SEALS F_SEAL_SEAL F_SEAL_SHRINK F_SEAL_GROW F_SEAL_WRITE "
            "F_SEAL_FUTURE_WRITE F_SEAL_EXEC"
        ),
        row("", ABSENT, "all other commands"),
    ),
    "fork": PLAIN,
    "ftruncate": PLAIN,
    "get_mempolicy": (row("MPOL_F_NODE MPOL_F_ADDR MPOL_F_MEMS_ALLOWED", MODELLED, "no values"),),
    "getrlimit": PLAIN,
    "io_destroy": PLAIN,
    "io_setup": PLAIN,
    "io_uring_setup": (
        row(
            "IORING_SETUP_CQSIZE IORING_SETUP_CLAMP IORING_SETUP_SQE128 IORING_SETUP_CQE32 "
            "IORING_SETUP_NO_MMAP IORING_SETUP_NO_SQARRAY"
        ),
        row(
            "IORING_SETUP_IOPOLL IORING_SETUP_SQPOLL IORING_SETUP_SQ_AFF IORING_SETUP_R_DISABLED "
            "IORING_SETUP_SUBMIT_ALL IORING_SETUP_COOP_TASKRUN IORING_SETUP_TASKRUN_FLAG "
            "IORING_SETUP_SINGLE_ISSUER IORING_SETUP_DEFER_TASKRUN IORING_SETUP_HYBRID_IOPOLL "
            "IORING_SETUP_CQE_MIXED IORING_SETUP_SQE_MIXED IORING_SETUP_SQ_REWIND "
            "IORING_SETUP_REGISTERED_FD_ONLY IORING_SETUP_ATTACH_WQ",
            ACCEPTED,
        ),
        row(
            "IORING_OFF_SQ_RING IORING_OFF_CQ_RING IORING_OFF_SQES",
            MODELLED,
            "offsets of mmap",
        ),
        row("IORING_OFF_PBUF_RING", REFUSED, "made by io_uring_register, which is not modelled"),
    ),
    "ioctl": (
        row("USERFAULTFD_IOC_NEW UFFDIO_API UFFDIO_REGISTER UFFDIO_UNREGISTER"),
        row(
            "UFFDIO_REGISTER_MODE_MISSING UFFDIO_REGISTER_MODE_WP UFFDIO_REGISTER_MODE_MINOR "
            "UFFDIO_REGISTER_MODE_RWP"
        ),
        row(
            "UFFDIO_COPY UFFDIO_COPY_MODE_DONTWAKE UFFDIO_COPY_MODE_WP UFFDIO_ZEROPAGE "
            "UFFDIO_ZEROPAGE_MODE_DONTWAKE UFFDIO_WAKE UFFDIO_WRITEPROTECT "
            "UFFDIO_WRITEPROTECT_MODE_WP UFFDIO_WRITEPROTECT_MODE_DONTWAKE "
            "UFFDIO_MOVE UFFDIO_MOVE_MODE_DONTWAKE UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES "
            "UFFDIO_RWPROTECT UFFDIO_RWPROTECT_MODE_RWP UFFDIO_RWPROTECT_MODE_DONTWAKE "
            "UFFDIO_SET_MODE"
        ),
        row(
            "UFFDIO_CONTINUE UFFDIO_CONTINUE_MODE_DONTWAKE UFFDIO_CONTINUE_MODE_WP "
            "UFFDIO_POISON UFFDIO_POISON_MODE_DONTWAKE",
            MODELLED,
            "not of huge pages",
        ),
        row("", ABSENT, "requests of other devices; ENOTTY for userfaultfd's to anything else"),
    ),
    "link": PLAIN,
    "linkat": (row("", ACCEPTED, "all flags"),),
    "madvise": (
        row(
            "MADV_NORMAL MADV_RANDOM MADV_SEQUENTIAL MADV_DONTFORK MADV_DOFORK MADV_WIPEONFORK "
            "MADV_KEEPONFORK MADV_DONTDUMP MADV_DODUMP MADV_MERGEABLE MADV_UNMERGEABLE "
            "MADV_HUGEPAGE MADV_NOHUGEPAGE"
        ),
        row(
            "MADV_DONTNEED MADV_DONTNEED_LOCKED MADV_REMOVE MADV_POPULATE_READ "
            "MADV_POPULATE_WRITE MADV_GUARD_INSTALL MADV_GUARD_REMOVE"
        ),
        row("MADV_WILLNEED MADV_COLD MADV_PAGEOUT MADV_FREE", ACCEPTED, "pages have no age"),
        row("MADV_COLLAPSE", MODELLED, "succeeds where pages are known to be"),
        row("MADV_HWPOISON MADV_SOFT_OFFLINE", REFUSED, "the kernel has no CONFIG_MEMORY_FAILURE"),
    ),
    "map_shadow_stack": (row("SHADOW_STACK_SET_TOKEN"), row("SHADOW_STACK_SET_MARKER", REFUSED)),
    "mbind": (
        POLICIES,
        row("MPOL_MF_STRICT MPOL_MF_MOVE MPOL_MF_MOVE_ALL", MODELLED, "all pages are on node 0"),
        row("MPOL_MF_LAZY", REFUSED),
    ),
    "memfd_create": (
        row("MFD_CLOEXEC MFD_ALLOW_SEALING MFD_NOEXEC_SEAL MFD_EXEC"),
        row("MFD_HUGETLB MFD_HUGE_2MB MFD_HUGE_1GB"),
        row("", REFUSED, "other sizes of huge pages"),
    ),
    "memfd_secret": (row("O_CLOEXEC"),),
    "migrate_pages": (row("", ERRORS, "no page moves"),),
    "mincore": (row("", MODELLED, "the result's memory is written to, what it says is not known"),),
    "mlock": PLAIN,
    "mlock2": (row("MLOCK_ONFAULT"),),
    "mlockall": (row("MCL_CURRENT MCL_FUTURE MCL_ONFAULT"),),
    "mmap": (
        PROTECTIONS,
        row("MAP_SHARED MAP_PRIVATE MAP_SHARED_VALIDATE MAP_DROPPABLE MAP_ANONYMOUS MAP_FILE"),
        row("MAP_FIXED MAP_FIXED_NOREPLACE MAP_32BIT MAP_ABOVE4G MAP_GROWSDOWN MAP_STACK"),
        row("MAP_LOCKED MAP_POPULATE MAP_NONBLOCK MAP_NORESERVE MAP_SYNC"),
        row("MAP_HUGETLB MAP_HUGE_2MB MAP_HUGE_1GB", MODELLED, "pools of a configured size"),
        row("MAP_DENYWRITE MAP_EXECUTABLE MAP_UNINITIALIZED", ACCEPTED, "ignored by the kernel"),
    ),
    "move_pages": (row("MPOL_MF_MOVE MPOL_MF_MOVE_ALL", ERRORS, "no page moves"),),
    "mprotect": (PROTECTIONS, row("PROT_GROWSDOWN PROT_GROWSUP")),
    "mremap": (row("MREMAP_MAYMOVE MREMAP_FIXED MREMAP_DONTUNMAP"),),
    "mseal": PLAIN,
    "msync": (row("MS_ASYNC MS_SYNC MS_INVALIDATE", ACCEPTED),),
    "munlock": PLAIN,
    "munlockall": PLAIN,
    "munmap": PLAIN,
    "open": OPENS,
    "openat": OPENS,
    "openat2": OPENS,
    "personality": (
        row("READ_IMPLIES_EXEC ADDR_COMPAT_LAYOUT ADDR_NO_RANDOMIZE MMAP_PAGE_ZERO"),
        row("", ACCEPTED, "all other bits"),
    ),
    "pidfd_open": (row("PIDFD_THREAD"), row("PIDFD_NONBLOCK", ACCEPTED)),
    "pkey_alloc": (
        row("PKEY_DISABLE_ACCESS PKEY_DISABLE_WRITE", ACCEPTED, "rights are the processor's"),
        row("PKEY_DISABLE_EXECUTE", REFUSED, "not an x86 right"),
    ),
    "pkey_free": PLAIN,
    "pkey_mprotect": (PROTECTIONS, row("PROT_GROWSDOWN PROT_GROWSUP")),
    "prctl": (
        row("PR_SET_VMA PR_SET_VMA_ANON_NAME PR_SET_MDWE PR_GET_MDWE"),
        row("PR_MDWE_REFUSE_EXEC_GAIN PR_MDWE_NO_INHERIT"),
        row("PR_SET_THP_DISABLE PR_GET_THP_DISABLE PR_THP_DISABLE_EXCEPT_ADVISED"),
        row("PR_SET_MEMORY_MERGE PR_GET_MEMORY_MERGE"),
        row(
            "PR_SET_MM PR_SET_MM_START_CODE PR_SET_MM_END_CODE PR_SET_MM_START_DATA "
            "PR_SET_MM_END_DATA PR_SET_MM_START_STACK PR_SET_MM_START_BRK PR_SET_MM_BRK "
            "PR_SET_MM_ARG_START PR_SET_MM_ARG_END PR_SET_MM_ENV_START PR_SET_MM_ENV_END"
        ),
        row("PR_SET_MM_MAP", MODELLED, "when the structure is known"),
        row("PR_SET_MM_AUXV PR_SET_MM_MAP_SIZE", ACCEPTED),
        row("PR_SET_MM_EXE_FILE", ERRORS, "the file's mode is not known"),
        row("PR_SET_KEEPCAPS PR_GET_KEEPCAPS PR_SET_SECUREBITS PR_GET_SECUREBITS"),
        row("PR_CAPBSET_DROP PR_CAPBSET_READ PR_CAP_AMBIENT"),
        row("PR_SET_SECCOMP", ACCEPTED, "what a filter refuses is not known"),
        row("", ABSENT, "options that do not concern memory"),
    ),
    "prlimit64": PLAIN,
    "process_madvise": (row("PIDFD_SELF_THREAD PIDFD_SELF_THREAD_GROUP"),),
    "remap_file_pages": (row("MAP_NONBLOCK"),),
    "rename": PLAIN,
    "renameat": PLAIN,
    "renameat2": (row("AT_RENAME_EXCHANGE"), row("", ACCEPTED, "all other flags")),
    "seccomp": (row("", ACCEPTED, "what a filter refuses is not known"),),
    "set_mempolicy": (POLICIES,),
    "set_mempolicy_home_node": PLAIN,
    "setfsgid": PLAIN,
    "setfsuid": PLAIN,
    "setgid": PLAIN,
    "setgroups": PLAIN,
    "setns": (row("CLONE_NEWUSER"), row("", ABSENT, "namespaces of other kinds")),
    "setregid": PLAIN,
    "setresgid": PLAIN,
    "setresuid": PLAIN,
    "setreuid": PLAIN,
    "setrlimit": PLAIN,
    "setuid": PLAIN,
    "shmat": (row("SHM_RDONLY SHM_RND SHM_REMAP SHM_EXEC"),),
    "shmctl": (
        row("IPC_RMID IPC_SET IPC_STAT IPC_INFO SHM_STAT SHM_STAT_ANY SHM_INFO"),
        row("SHM_LOCK SHM_UNLOCK", ACCEPTED, "counted against RLIMIT_MEMLOCK"),
        row("IPC_64", ACCEPTED, "from 32-bit programs only"),
    ),
    "shmdt": PLAIN,
    "shmget": (
        row("IPC_CREAT IPC_EXCL IPC_PRIVATE SHM_NORESERVE"),
        row("SHM_HUGETLB SHM_HUGE_2MB SHM_HUGE_1GB"),
    ),
    "truncate": PLAIN,
    "unlink": PLAIN,
    "unlinkat": (row(), row("AT_REMOVEDIR", ABSENT)),
    "unshare": (row("CLONE_FILES CLONE_NEWUSER"), row("", ACCEPTED, "all other flags")),
    "userfaultfd": (row("O_CLOEXEC O_NONBLOCK UFFD_USER_MODE_ONLY"),),
    "vfork": PLAIN,
    "write": (row("", MODELLED, "to `/proc/self/clear_refs`"), row("", ABSENT, "to all else")),
}

# Prefix -> the calls whose entries name all such constants, and prefixes of those that need none.
FAMILIES: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "MAP_": (("mmap",), ("MAP_HUGE_", "MAP_ANON", "MAP_TYPE")),
    "PROT_": (("mmap", "mprotect"), ()),
    "MREMAP_": (("mremap",), ()),
    "MADV_": (("madvise",), ()),
    "MCL_": (("mlockall",), ()),
    "MLOCK_": (("mlock2",), ()),
    "MS_": (("msync",), ()),
    "MPOL_": (
        ("mbind", "get_mempolicy"),
        (
            "MPOL_MAX",
            "MPOL_MODE_FLAGS",
            "MPOL_USER",
            "MPOL_MF_INTERNAL",
            "MPOL_MF_VALID",
            "MPOL_F_SHARED",
            "MPOL_F_MOF",
            "MPOL_F_MORON",
        ),
    ),
    "UFFDIO_": (("ioctl",), ()),
    "PR_SET_MM": (("prctl",), ()),
    "PR_SET_VMA": (("prctl",), ()),
    "PR_MDWE": (("prctl",), ()),
    "SHM_": (("shmget", "shmat", "shmctl"), ("SHM_HUGE_", "SHM_R", "SHM_W")),
    "IPC_": (("shmget", "shmctl"), ("IPC_NOWAIT",)),
    "MFD_": (("memfd_create",), ("MFD_HUGE_",)),
    "F_SEAL_": (("fcntl",), ()),
    "FALLOC_FL_": (("fallocate",), ()),
    "CLONE_": (
        ("clone3",),
        ("CLONE_ARGS", "CLONE_AUTOREAP", "CLONE_NNP", "CLONE_PIDFD_AUTOKILL", "CLONE_EMPTY_MNTNS"),
    ),
    "IORING_": (("io_uring_setup",), ()),
    "PIDFD_": (("pidfd_open", "process_madvise"), ()),
    "ARCH_": (("arch_prctl",), ("ARCH_XCOMP", "ARCH_SHSTK_SHSTK", "ARCH_SHSTK_WRSS")),
    "PKEY_": (("pkey_alloc",), ("PKEY_UNRESTRICTED",)),
}
