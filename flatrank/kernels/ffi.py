"""XLA's typed C FFI as compiled code sees it: where things lie, and calls back into XLA.

XLA calls a handler with the address of one struct, `XLA_FFI_CallFrame`; everything else hangs off
it. The structs are plain C, stated in a header that ships with jaxlib
(`jaxlib/include/xla/ffi/api/c_api.h`). Every member used here lies in an eight-byte word of its
own, so the tables give word numbers. The tests parse the installed header and compare, and versions
of the interface for which that was not done are refused (`support.py`).
"""

from __future__ import annotations

from typing import no_type_check

from llvmlite import ir
from numba import njit
from numba.core import cgutils, types
from numba.extending import intrinsic

INT64, INT32 = ir.IntType(64), ir.IntType(32)
# How functions are compiled that only compiled code calls: without ways in for Python, which would
# double the time. (They are also marked `no_type_check`: a checker at run time would wrap them.)
INNER = {"error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}

# The word of each member used, by struct.
LAYOUT = {
    "CallFrame": {
        "struct_size": 0,
        "extension_start": 1,
        "api": 2,
        "ctx": 3,
        "args": 5,
        "rets": 10,
    },
    "Args": {"size": 2, "args": 4},
    "Rets": {"size": 2, "rets": 4},
    "Buffer": {"dtype": 2, "data": 3, "rank": 4, "dims": 5},
    "Api": {
        "struct_size": 0,
        "XLA_FFI_Error_Create": 6,
        "XLA_FFI_Error_Destroy": 8,
        "XLA_FFI_ThreadPool_Schedule": 17,
        "XLA_FFI_ThreadPool_NumThreads": 18,
    },
    "Extension": {"type": 1},
    "Metadata_Extension": {"metadata": 3},
    "Metadata": {"api_version": 1},
    "Api_Version": {"major_version": 2},  # its word holds minor_version too
    "Error_Create_Args": {"struct_size": 0, "message": 2, "errc": 3},
    "Error_Destroy_Args": {"struct_size": 0, "error": 2},
    "ThreadPool_Schedule_Args": {"struct_size": 0, "ctx": 2, "task": 3, "data": 4},
    "ThreadPool_NumThreads_Args": {"struct_size": 0, "ctx": 2, "num_threads": 3},
}
# The size in bytes that a struct of arguments must state.
SIZES = {
    "Error_Create_Args": 28,
    "Error_Destroy_Args": 24,
    "ThreadPool_Schedule_Args": 40,
    "ThreadPool_NumThreads_Args": 32,
}
# Values of the enumerations used.
CODES = {
    "Extension_Metadata": 1,
    "Error_Code_INVALID_ARGUMENT": 3,
    "DataType_S32": 4,
    "DataType_S64": 5,
    "DataType_F32": 11,
    "DataType_F64": 12,
}
# Bytes of a frame and of the API's table without which the above is not all there.
LEAST_FRAME, LEAST_API = 120, 152

FRAME_API, FRAME_CONTEXT = LAYOUT["CallFrame"]["api"], LAYOUT["CallFrame"]["ctx"]
CREATE, DESTROY = LAYOUT["Api"]["XLA_FFI_Error_Create"], LAYOUT["Api"]["XLA_FFI_Error_Destroy"]
SCHEDULE = LAYOUT["Api"]["XLA_FFI_ThreadPool_Schedule"]
COUNT = LAYOUT["Api"]["XLA_FFI_ThreadPool_NumThreads"]
SIZE_CREATE, SIZE_DESTROY = SIZES["Error_Create_Args"], SIZES["Error_Destroy_Args"]
SIZE_SCHEDULE = SIZES["ThreadPool_Schedule_Args"]
SIZE_COUNT = SIZES["ThreadPool_NumThreads_Args"]
INVALID = CODES["Error_Code_INVALID_ARGUMENT"]


def load_word(builder, address, i):
    """Instructions for reading the i-th 8-byte word at an address; i is an integer."""
    place = builder.inttoptr(builder.add(address, INT64(8 * i)), INT64.as_pointer())
    return builder.load(place, align=8)


def store_word(builder, address, i, value):
    """Instructions for writing the i-th 8-byte word at an address."""
    place = builder.inttoptr(builder.add(address, INT64(8 * i)), INT64.as_pointer())
    builder.store(value, place, align=8)


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
        store_word(builder, args[0], i.literal_value, args[2])

    return types.void(types.int64, i, types.int64), codegen


@intrinsic(prefer_literal=True)
def local_words(_context, count):
    """The address of `count` (literal) zeroed words on the stack, gone when the caller returns."""
    block = ir.ArrayType(INT64, count.literal_value)

    def codegen(_, builder, _signature, _args):
        return builder.ptrtoint(cgutils.alloca_once_value(builder, ir.Constant(block, None)), INT64)

    return types.int64(count), codegen


@intrinsic
def call(_context, function, argument):
    """Call a C function, given by address, on one address; what it returns."""

    def codegen(_, builder, _signature, args):
        kind = ir.FunctionType(INT64, [INT64])
        return builder.call(builder.inttoptr(args[0], kind.as_pointer()), [args[1]])

    return types.int64(types.int64, types.int64), codegen


@no_type_check
@njit(**INNER)
def discarded(frame, error):
    """Destroy an error that a function of the API returned; whether there was one."""
    if error == 0:
        return False
    request = local_words(3)
    set_word(request, 0, SIZE_DESTROY)
    set_word(request, 2, error)
    call(word(word(frame, FRAME_API), DESTROY), request)
    return True


@no_type_check
@njit(**INNER)
def thread_count(frame):
    """Threads in the pool that runs XLA's own loops; 1 where there is none."""
    request, n = local_words(4), local_words(1)
    set_word(request, 0, SIZE_COUNT)
    set_word(request, 2, word(frame, FRAME_CONTEXT))
    set_word(request, 3, n)
    if discarded(frame, call(word(word(frame, FRAME_API), COUNT), request)):
        return 1
    return word(n, 0)


@no_type_check
@njit(**INNER)
def schedule(frame, task, block):
    """Have a thread of the pool call task(block) some time; whether it was accepted."""
    request = local_words(5)
    set_word(request, 0, SIZE_SCHEDULE)
    set_word(request, 2, word(frame, FRAME_CONTEXT))
    set_word(request, 3, task)
    set_word(request, 4, block)
    return not discarded(frame, call(word(word(frame, FRAME_API), SCHEDULE), request))
