"""Sleeping until a word changes, and waking who sleeps: Linux's futex; short naps elsewhere."""

# Numba intrinsics are called without the typing context that their definitions name.
# pyright: reportCallIssue=false

from __future__ import annotations

import platform
import sys

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from flatrank.kernels.words import INT64

INT32 = ir.IntType(32)
# The number of the system call, where it is known.
FUTEX = {"x86_64": 202, "aarch64": 98}.get(platform.machine()) if sys.platform == "linux" else None
WAIT, WAKE = 128, 129  # within one process
NAP = 400_000 if FUTEX else 1000  # microseconds of one sleep
NAPS = 1_200_000 // NAP


def _called(builder, name, args):
    """Call a C function of 32-bit integers."""
    kind = ir.FunctionType(INT32, [INT32] * len(args))
    builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)


def _futex(builder, *args):
    """Call the kernel with the address of a word, an operation, a number and a time or 0."""
    kind = ir.FunctionType(INT64, [INT64], var_arg=True)
    call = cgutils.get_or_insert_function(builder.module, kind, "syscall")
    builder.call(call, [INT64(FUTEX), *args])


@intrinsic
def give_way(_context):
    """Let another thread have the processor, if one waits for it."""

    def codegen(_, builder, _signature, _args):
        _called(builder, "sched_yield", [])

    return types.void(), codegen


@intrinsic
def sleep(_context, address, value):
    """Sleep for a NAP, or until woken, if the word at an address is the value still."""

    def codegen(_, builder, _signature, args):
        if FUTEX:
            time = ir.Constant(ir.ArrayType(INT64, 2), [INT64(0), INT64(1000 * NAP)])
            until = builder.ptrtoint(cgutils.alloca_once_value(builder, time), INT64)
            _futex(builder, args[0], INT64(WAIT), args[1], until)
        else:
            _called(builder, "usleep", [INT32(NAP)])

    return types.void(types.int64, types.int64), codegen


@intrinsic
def wake(_context, address, count):
    """Wake so many of those who sleep until the word at an address changes."""

    def codegen(_, builder, _signature, args):
        if FUTEX:
            _futex(builder, args[0], INT64(WAKE), args[1], INT64(0))

    return types.void(types.int64, types.int64), codegen
