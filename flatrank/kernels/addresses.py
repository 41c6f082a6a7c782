"""C functions made of compiled numba functions, for callers that know nothing of numba."""

from __future__ import annotations

from llvmlite import ir
from numba.core import types

INT64 = ir.IntType(64)


class CFunction:
    """A `void` C function of `integers` integers: a numba function with further arguments zero.

    Made while an intrinsic is typed, which compiles the numba function for its argument types;
    `address` is for the intrinsic's code.
    """

    def __init__(self, typing_context, dispatcher, integers: int, others=()):
        function = typing_context.resolve_value_type(dispatcher)
        self.types = (*[types.int64] * integers, *others)
        self.arguments = function.get_call_type(typing_context, self.types, {}).args
        self.dispatcher, self.integers = dispatcher, integers

    def address(self, context, builder):
        """Instructions for the function's address; its body goes into the same module."""
        compiled = self.dispatcher.overloads[self.arguments]
        context.add_linking_libs([compiled.library])
        kind = ir.FunctionType(ir.VoidType(), [INT64] * self.integers)
        function = ir.Function(builder.module, kind, builder.module.get_unique_name("called"))
        function.linkage = "internal"
        body = ir.IRBuilder(function.append_basic_block())
        callee = context.declare_function(builder.module, compiled.fndesc)
        zeros = [ir.Constant(context.get_value_type(t), None) for t in self.types[self.integers :]]
        values = (*function.args, *zeros)
        context.call_conv.call_function(body, callee, types.none, self.arguments, values)
        body.ret_void()
        return builder.ptrtoint(function, INT64)
