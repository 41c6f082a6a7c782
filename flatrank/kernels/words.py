"""Eight-byte words at addresses, as compiled code reads and writes them."""

from __future__ import annotations

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

INT64 = ir.IntType(64)
# How functions are compiled that only compiled code calls: without ways in for Python, which would
# double the time. (They are also marked `no_type_check`: a checker at run time would wrap them.)
INNER = {"error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def place(builder, address, i):
    """Instructions for a pointer to the i-th 8-byte word at an address; i is an integer."""
    return builder.inttoptr(builder.add(address, INT64(8 * i)), INT64.as_pointer())


def load_word(builder, address, i):
    """Instructions for reading the i-th 8-byte word at an address; i is an integer."""
    return builder.load(place(builder, address, i), align=8)


@intrinsic(prefer_literal=True)
def word(_context, address, i):
    """The i-th 8-byte word at an address; i is literal."""

    def codegen(_, builder, _signature, args):
        return load_word(builder, args[0], i.literal_value)

    return types.int64(types.int64, i), codegen


@intrinsic(prefer_literal=True)
def set_word(_context, address, i, value):
    """Write the i-th 8-byte word at an address; i is literal."""

    def codegen(_, builder, _signature, args):
        builder.store(args[2], place(builder, args[0], i.literal_value), align=8)

    return types.void(types.int64, i, types.int64), codegen


@intrinsic(prefer_literal=True)
def shared(_context, address, i):
    """The i-th 8-byte word, which other threads change, as it is now; i is literal."""

    def codegen(_, builder, _signature, args):
        return builder.load_atomic(place(builder, args[0], i.literal_value), "seq_cst", 8)

    return types.int64(types.int64, i), codegen


@intrinsic(prefer_literal=True)
def fetch_add(_context, address, i, value):
    """Add to the i-th word, which other threads change too; what it was before; i is literal."""

    def codegen(_, builder, _signature, args):
        at = place(builder, args[0], i.literal_value)
        return builder.atomic_rmw("add", at, args[2], "seq_cst")

    return types.int64(types.int64, i, types.int64), codegen


@intrinsic(prefer_literal=True)
def local_words(_context, count):
    """The address of `count` (literal) zeroed words on the stack, gone when the caller returns."""
    block = ir.ArrayType(INT64, count.literal_value)

    def codegen(_, builder, _signature, _args):
        return builder.ptrtoint(cgutils.alloca_once_value(builder, ir.Constant(block, None)), INT64)

    return types.int64(count), codegen
