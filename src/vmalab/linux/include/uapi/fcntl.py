# SPDX-License-Identifier: GPL-2.0-or-later
"""User API of open(2), fcntl(2), the *at calls, fallocate(2), close_range(2) and openat2(2).

Mirrors: asm-generic/fcntl.h, linux/fcntl.h, linux/falloc.h, linux/close_range.h, linux/openat2.h.
Values of x86-64 Linux up to 7.3; an older kernel does not know them all.
"""

from typing import Final

# Access modes and flags of open.
O_ACCMODE: Final = 0o3
O_RDONLY: Final = 0
O_WRONLY: Final = 0o1
O_RDWR: Final = 0o2
O_CREAT: Final = 0o100
O_EXCL: Final = 0o200
O_NOCTTY: Final = 0o400
O_TRUNC: Final = 0o1000
O_APPEND: Final = 0o2000
O_NONBLOCK: Final = 0o4000
O_NDELAY: Final = 0o4000
O_DSYNC: Final = 0o10000
O_ASYNC: Final = 0o20000
FASYNC: Final = 0o20000
O_DIRECT: Final = 0o40000
O_LARGEFILE: Final = 0o100000
O_DIRECTORY: Final = 0o200000
O_NOFOLLOW: Final = 0o400000
O_NOATIME: Final = 0o1000000
O_CLOEXEC: Final = 0o2000000
O_SYNC: Final = 0o4010000
O_RSYNC: Final = 0o4010000
O_FSYNC: Final = 0o4010000
O_PATH: Final = 0o10000000
O_TMPFILE: Final = 0o20200000
O_EMPTYPATH: Final = 0o400000000

# Commands of fcntl.
F_DUPFD: Final = 0
F_GETFD: Final = 1
F_SETFD: Final = 2
F_GETFL: Final = 3
F_SETFL: Final = 4
F_GETLK: Final = 5
F_SETLK: Final = 6
F_SETLKW: Final = 7
F_SETOWN: Final = 8
F_GETOWN: Final = 9
F_SETSIG: Final = 10
F_GETSIG: Final = 11
F_SETOWN_EX: Final = 15
F_GETOWN_EX: Final = 16
F_GETOWNER_UIDS: Final = 17
F_OFD_GETLK: Final = 36
F_OFD_SETLK: Final = 37
F_OFD_SETLKW: Final = 38
F_SETLEASE: Final = 1024
F_GETLEASE: Final = 1025
F_NOTIFY: Final = 1026
F_DUPFD_QUERY: Final = 1027
F_CREATED_QUERY: Final = 1028
F_CANCELLK: Final = 1029
F_DUPFD_CLOEXEC: Final = 1030
F_SETPIPE_SZ: Final = 1031
F_GETPIPE_SZ: Final = 1032
F_ADD_SEALS: Final = 1033
F_GET_SEALS: Final = 1034
F_GET_RW_HINT: Final = 1035
F_SET_RW_HINT: Final = 1036
F_GET_FILE_RW_HINT: Final = 1037
F_SET_FILE_RW_HINT: Final = 1038
F_GETDELEG: Final = 1039
F_SETDELEG: Final = 1040

# The flag of F_SETFD, types of file locks, owners.
FD_CLOEXEC: Final = 1
F_RDLCK: Final = 0
F_WRLCK: Final = 1
F_UNLCK: Final = 2
F_EXLCK: Final = 4
F_SHLCK: Final = 8
F_OWNER_TID: Final = 0
F_OWNER_PID: Final = 1
F_OWNER_PGRP: Final = 2

# Seals of a memory file: F_ADD_SEALS, F_GET_SEALS.
F_SEAL_SEAL: Final = 0x1
F_SEAL_SHRINK: Final = 0x2
F_SEAL_GROW: Final = 0x4
F_SEAL_WRITE: Final = 0x8
F_SEAL_FUTURE_WRITE: Final = 0x10
F_SEAL_EXEC: Final = 0x20

# File descriptors with a meaning: the working directory, the caller itself.
AT_FDCWD: Final = -100
PIDFD_SELF_THREAD: Final = -10000
PIDFD_SELF_THREAD_GROUP: Final = -10001

# Flags of the *at calls.
AT_SYMLINK_NOFOLLOW: Final = 0x100
AT_SYMLINK_FOLLOW: Final = 0x400
AT_NO_AUTOMOUNT: Final = 0x800
AT_EMPTY_PATH: Final = 0x1000
AT_STATX_SYNC_TYPE: Final = 0x6000
AT_STATX_SYNC_AS_STAT: Final = 0x0
AT_STATX_FORCE_SYNC: Final = 0x2000
AT_STATX_DONT_SYNC: Final = 0x4000
AT_RECURSIVE: Final = 0x8000
AT_RENAME_NOREPLACE: Final = 0x1
AT_RENAME_EXCHANGE: Final = 0x2
AT_RENAME_WHITEOUT: Final = 0x4
AT_EACCESS: Final = 0x200
AT_REMOVEDIR: Final = 0x200
AT_HANDLE_FID: Final = 0x200
AT_HANDLE_MNT_ID_UNIQUE: Final = 0x1
AT_HANDLE_CONNECTABLE: Final = 0x2
AT_EXECVE_CHECK: Final = 0x10000

# Modes of fallocate.
FALLOC_FL_ALLOCATE_RANGE: Final = 0x0
FALLOC_FL_KEEP_SIZE: Final = 0x1
FALLOC_FL_PUNCH_HOLE: Final = 0x2
FALLOC_FL_NO_HIDE_STALE: Final = 0x4
FALLOC_FL_COLLAPSE_RANGE: Final = 0x8
FALLOC_FL_ZERO_RANGE: Final = 0x10
FALLOC_FL_INSERT_RANGE: Final = 0x20
FALLOC_FL_UNSHARE_RANGE: Final = 0x40
FALLOC_FL_WRITE_ZEROES: Final = 0x80

# Flags of close_range.
CLOSE_RANGE_UNSHARE: Final = 0x2
CLOSE_RANGE_CLOEXEC: Final = 0x4

# open_how.resolve of openat2.
RESOLVE_NO_XDEV: Final = 0x1
RESOLVE_NO_MAGICLINKS: Final = 0x2
RESOLVE_NO_SYMLINKS: Final = 0x4
RESOLVE_BENEATH: Final = 0x8
RESOLVE_IN_ROOT: Final = 0x10
RESOLVE_CACHED: Final = 0x20
