# SPDX-License-Identifier: GPL-2.0-or-later
"""Differences between kernels in calls beside the VMA core: prctl, pidfds, NUMA policies."""

from typing import Final

from vmalab.linux.include.feature import Area, Commit, Feature

CALLS: Final = Area(
    "Other calls",
    (
        Feature(
            "process_madvise_self_is_free",
            "process_madvise on oneself takes any advice. Before, only advice that another process "
            "may get, checked before the permission.",
            since=(6, 16),
            brought=Commit(
                "021781b01275",
                "mm/madvise: unrestrict process_madvise() for current process",
                "v6.13",
            ),
        ),
        Feature(
            "process_madvise_self_without_nice",
            "process_madvise on oneself needs no CAP_SYS_NICE.",
            since=(6, 12),
            brought=Commit(
                "22af8caff7d1",
                "mm/madvise: process_madvise() drop capability check if same mm",
                "v6.12",
            ),
        ),
        Feature(
            "process_madvise_checks_advice_once",
            "process_madvise refuses an unknown advice even when there is nothing to advise.",
            since=(7, 2),
        ),
        Feature(
            "securebits_of_scripts",
            "PR_SET_SECUREBITS knows SECBIT_EXEC_RESTRICT_FILE and SECBIT_EXEC_DENY_INTERACTIVE "
            "with their locks, and changing these alone needs no CAP_SETPCAP.",
            since=(6, 16),
        ),
        Feature(
            "iovec_clips_single_first",
            "A vector of one range is truncated to the largest size of a call before its address "
            "is checked. Before, after it.",
            since=(6, 12),
            brought=Commit(
                "3b2deb0e46da", "iov_iter: import single vector iovecs as ITER_UBUF", "v6.4"
            ),
        ),
        Feature(
            "pidfd_self",
            "PIDFD_SELF_THREAD and PIDFD_SELF_THREAD_GROUP stand for the caller.",
            since=(6, 16),
            brought=Commit(
                "f08d0c3a7111",
                "pidfd: add PIDFD_SELF* sentinels to refer to own thread/process",
                "v6.15",
            ),
        ),
        Feature(
            "pidfd_self_group_is_next",
            "PIDFD_SELF_THREAD_GROUP is -10001. Before, -20000.",
            since=(6, 17),
        ),
        Feature(
            "pidfd_thread",
            "pidfd_open knows PIDFD_THREAD.",
            since=(6, 12),
            brought=Commit(
                "64bef697d33b", "pidfd: implement PIDFD_THREAD flag for pidfd_open()", "v6.9"
            ),
        ),
        Feature(
            "pidfd_open_tells_threads",
            "pidfd_open of a thread that leads no group is ENOENT. Before, EINVAL.",
            since=(6, 16),
            brought=Commit("8cf4b738f6d8", "pidfd: improve uapi when task isn't found", "v6.16"),
        ),
        Feature(
            "mdwe",
            "PR_SET_MDWE and PR_GET_MDWE exist. Before, EINVAL.",
            since=(6, 12),
            brought=Commit(
                "b507808ebce2", "mm: implement memory-deny-write-execute as a prctl", "v6.3"
            ),
        ),
        Feature(
            "memory_merge_prctl",
            "PR_SET_MEMORY_MERGE and PR_GET_MEMORY_MERGE exist. Before, EINVAL.",
            since=(6, 12),
            brought=Commit("d7597f59d1d3", "mm: add new api to enable ksm per process", "v6.4"),
        ),
        Feature(
            "ksm_flag_before_merge",
            "With PR_SET_MEMORY_MERGE, a new mapping or heap gets VM_MERGEABLE before it is "
            "compared with its neighbours. Before, it got it afterwards and did not merge.",
            since=(6, 17),
            brought=Commit(
                "cf7e7a3503df", "mm: prevent KSM from breaking VMA merging for new VMAs", "v6.17"
            ),
        ),
        Feature(
            "thp_disable_except_advised",
            "PR_SET_THP_DISABLE knows PR_THP_DISABLE_EXCEPT_ADVISED.",
            since=(6, 18),
            brought=Commit(
                "9dc21bbd62ed",
                "prctl: extend PR_SET_THP_DISABLE to optionally exclude VM_HUGEPAGE",
                "v6.18",
            ),
        ),
        Feature(
            "names_shared_anon",
            "PR_SET_VMA_ANON_NAME names shared anonymous memory. Before, EBADF.",
            since=(6, 12),
            brought=Commit("d09e8ca6cb93", "mm: anonymous shared memory naming", "v6.2"),
        ),
        Feature(
            "user_shadow_stack",
            "map_shadow_stack and the ARCH_SHSTK_* options of arch_prctl exist.",
            since=(6, 12),
            brought=Commit("c35559f94ebc", "x86/shstk: Introduce map_shadow_stack syscall", "v6.6"),
        ),
        Feature(
            "cachestat",
            "The call cachestat exists.",
            since=(6, 12),
            brought=Commit("cf264e1329fb", "cachestat: implement cachestat syscall", "v6.5"),
        ),
        Feature(
            "close_range_cloexec",
            "close_range knows CLOSE_RANGE_CLOEXEC.",
            since=(6, 1),
            brought=Commit(
                "582f1fb6b721", "fs, close_range: add flag CLOSE_RANGE_CLOEXEC", "v5.11"
            ),
        ),
        Feature(
            "preferred_many",
            "MPOL_PREFERRED_MANY exists.",
            since=(6, 1),
            brought=Commit(
                "b27abaccf8e8",
                "mm/mempolicy: add MPOL_PREFERRED_MANY for multiple preferred nodes",
                "v5.15",
            ),
        ),
        Feature(
            "numa_balancing_policy",
            "MPOL_F_NUMA_BALANCING exists.",
            since=(6, 1),
            brought=Commit(
                "bda420b98505",
                "numa balancing: migrate on fault among multiple bound nodes",
                "v5.12",
            ),
        ),
        Feature(
            "home_nodes",
            "The call set_mempolicy_home_node exists.",
            since=(6, 1),
            brought=Commit(
                "c6018b4b2549", "mm/mempolicy: add set_mempolicy_home_node syscall", "v5.17"
            ),
        ),
        Feature(
            "weighted_interleave",
            "MPOL_WEIGHTED_INTERLEAVE exists.",
            since=(6, 12),
            brought=Commit(
                "fa3bea4e1f82",
                "mm/mempolicy: introduce MPOL_WEIGHTED_INTERLEAVE for weighted interleaving",
                "v6.9",
            ),
        ),
        Feature(
            "balancing_prefers_many",
            "MPOL_F_NUMA_BALANCING may be combined with MPOL_PREFERRED_MANY too. Before, only "
            "with MPOL_BIND.",
            since=(6, 12),
            brought=Commit(
                "133d04b1eee9",
                "mm/numa_balancing: allow migrate on protnone reference with MPOL_PREFERRED_MANY "
                "policy",
                "v6.10",
            ),
        ),
    ),
)
