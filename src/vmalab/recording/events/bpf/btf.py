# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads the types of the running kernel (BTF): where a struct has a member, a function's number.

Mirrors: Documentation/bpf/btf.rst, the format of /sys/kernel/btf/vmlinux.
"""

import struct
from typing import Final, final

VMLINUX: Final = "/sys/kernel/btf/vmlinux"

_HEADER: Final = struct.Struct("<HBBIIIII")
_MAGIC: Final = 0xEB9F
_TYPE: Final = struct.Struct("<III")
_MEMBER: Final = struct.Struct("<III")

KIND_STRUCT: Final = 4
KIND_UNION: Final = 5
KIND_TYPEDEF: Final = 8
KIND_VOLATILE: Final = 9
KIND_CONST: Final = 10
KIND_RESTRICT: Final = 11
KIND_FUNC: Final = 12
KIND_TYPE_TAG: Final = 18
_NAMED: Final = frozenset((KIND_STRUCT, KIND_UNION, KIND_TYPEDEF, KIND_FUNC))
_WRAPPERS: Final = frozenset(
    (KIND_TYPEDEF, KIND_VOLATILE, KIND_CONST, KIND_RESTRICT, KIND_TYPE_TAG)
)

# Bytes that follow the head of a type, and for each of the things that it counts: by its kind.
_FIXED: Final = {1: 4, 3: 12, 14: 4, 17: 4}
_EACH: Final = {4: 12, 5: 12, 6: 8, 13: 8, 15: 12, 19: 12}


class NoSuchType(Exception):
    """This kernel has no such struct, member or function."""


@final
class Btf:
    """The types of one kernel. Numbers of types count from 1, as the kernel's do."""

    def __init__(self, raw: bytes) -> None:
        """Errors: NoSuchType when this is no BTF."""
        if len(raw) < _HEADER.size:
            raise NoSuchType("BTF without a header")
        magic, _, _, size, types, types_size, strings, strings_size = _HEADER.unpack_from(raw)
        if magic != _MAGIC:
            raise NoSuchType("no BTF of this byte order")
        self._types = raw[size + types : size + types + types_size]
        self._strings = raw[size + strings : size + strings + strings_size]
        self._offsets, self._by_name = _types(self._types)

    @classmethod
    def of_kernel(cls) -> "Btf":
        """Return the types of the running kernel. Errors: OSError, NoSuchType."""
        with open(VMLINUX, "rb") as file:
            return cls(file.read())

    def number(self, kind: int, name: str) -> int:
        """Return the number of a type. Errors: NoSuchType."""
        wanted = name.encode()
        at = self._strings.find(b"\0" + wanted + b"\0") + 1
        while at:
            found = self._by_name.get(_key(kind, at))
            if found is not None:
                return found
            at = self._strings.find(b"\0" + wanted + b"\0", at) + 1
        raise NoSuchType(f"{name} is not in {VMLINUX}")

    def has(self, kind: int, name: str) -> bool:
        """Return whether there is a type of that name."""
        try:
            self.number(kind, name)
        except NoSuchType:
            return False
        return True

    def count_arguments(self, tracepoint: str) -> int:
        """Return how many arguments a tracepoint has. Errors: NoSuchType."""
        number = self.number(KIND_TYPEDEF, f"btf_trace_{tracepoint}")
        # A typedef of a pointer to a function, whose first parameter is the kernel's own.
        _, info, _ = self._head(self._head(self._head(number)[2])[2])
        return (info & 0xFFFF) - 1

    def size(self, name: str) -> int:
        """Return the bytes of a struct. Errors: NoSuchType."""
        return self._head(self.number(KIND_STRUCT, name))[2]

    def offset(self, name: str, path: str) -> int:
        """Return where a struct has a member, in bytes; path: "mm", or "cred.uid", members of
        members. Errors: NoSuchType.
        """
        at, number = 0, self.number(KIND_STRUCT, name)
        for part in path.split("."):
            found = self._member(number, part)
            if found is None:
                raise NoSuchType(f"struct {name} has no {path}")
            at += found[0]
            number = found[1]
        return at // 8

    def _head(self, number: int) -> tuple[int, int, int]:
        """(name, info, size or type) of a type."""
        name, info, size = _TYPE.unpack_from(self._types, self._offsets[number])
        return name, info, size

    def _plain(self, number: int) -> int:
        """Return the type behind typedefs, const and their like."""
        while number:
            _, info, inner = self._head(number)
            if info >> 24 & 31 not in _WRAPPERS:
                break
            number = inner
        return number

    def _member(self, number: int, wanted: str) -> tuple[int, int] | None:
        """(offset in bits, type) of a member, also of one in an unnamed struct or union."""
        number = self._plain(number)
        if not number:
            return None
        _, info, _ = self._head(number)
        if info >> 24 & 31 not in (KIND_STRUCT, KIND_UNION):
            return None
        bits = info >> 31
        at = self._offsets[number] + _TYPE.size
        for _ in range(info & 0xFFFF):
            name, kind, offset = _MEMBER.unpack_from(self._types, at)
            at += _MEMBER.size
            if bits:
                offset &= 0xFFFFFF
            if name == 0:
                inner = self._member(kind, wanted)
                if inner is not None:
                    return offset + inner[0], inner[1]
            elif self._string(name) == wanted:
                return offset, kind
        return None

    def _string(self, at: int) -> str:
        return self._strings[at : self._strings.index(b"\0", at)].decode()


def _types(types: bytes) -> tuple[list[int], dict[int, int]]:
    """Return where each type begins, and the numbers of those with names, by kind and name.

    Errors: NoSuchType for a kind that is not known.
    """
    words = memoryview(types[: len(types) // 4 * 4]).cast("I")
    shapes: dict[int, tuple[int, int]] = {}
    offsets = [0]
    names: dict[int, int] = {}
    add = offsets.append
    at, end = 0, len(words)
    while at + 1 < end:
        add(4 * at)
        info = words[at + 1]
        shape = shapes.get(info)
        if shape is None:
            shape = shapes[info] = _shape(info)
        if shape[1] and words[at]:
            names[shape[1] | words[at]] = len(offsets) - 1
        at += shape[0]
    return offsets, names


def _shape(info: int) -> tuple[int, int]:
    """Return how many words a type has, and its kind above a name's bits, 0 where none is kept."""
    kind = info >> 24 & 31
    if not 0 < kind < 20:
        raise NoSuchType(f"BTF has a type of kind {kind}, which is not known")
    size = _TYPE.size + _FIXED.get(kind, 0) + _EACH.get(kind, 0) * (info & 0xFFFF)
    return size // 4, _key(kind, 0) if kind in _NAMED else 0


def _key(kind: int, name: int) -> int:
    """Return a kind and the place of a name as one number."""
    return kind << 32 | name
