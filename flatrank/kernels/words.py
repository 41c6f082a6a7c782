"""Eight-byte words at addresses, as compiled code reads and writes them."""

from __future__ import annotations

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

INT64 = ir.IntType(64)
# How functions are compiled that only compiled code calls: without ways in for Python, which would
# double the time. (They are also marked `no_type_check`: a checker at run time would wrap them.)
INNER = {"error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def load_word(builder, address, i):
    """Instructions for reading the i-th 8-byte word at an address; i is an integer."""
    place = builder.inttoptr(builder.add(address, INT64(8 * i)), INT64.as_pointer())
    return builder.load(place, align=8)


@intrinsic(prefer_literal=True)
def word(_context, address, i):
    """The i-th 8-byte word at an address; i is literal."""

    def codegen(_, builder, _signature, args):
        return load_word(builder, args[0], i.literal_value)

    return types.int64(types.int64, i), codegen


@intrinsic(prefer_literal=True)
def local_words(_context, count):
    """The address of `count` (literal) zeroed words on the stack, gone when the caller returns."""
    block = ir.ArrayType(INT64, count.literal_value)

    def codegen(_, builder, _signature, _args):
        return builder.ptrtoint(cgutils.alloca_once_value(builder, ir.Constant(block, None)), INT64)

    return types.int64(count), codegen
