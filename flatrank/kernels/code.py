"""Writing machine code: functions here run once, in Python, and leave LLVM instructions behind.

A Python `for` over `Code.loop` writes its body once, for a loop that runs later; a Python `if` or a
`for` over a list decides what is written. So one text serves every rank, type and group size, and
no compiler has to find out what is constant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from llvmlite import ir

INT64, INT32, INT8 = ir.IntType(64), ir.IntType(32), ir.IntType(8)


class Integer:
    """A 64-bit integer of the code that is written; operators write instructions."""

    def __init__(self, builder: ir.IRBuilder, value: Any):
        self.builder = builder
        self.value = value.value if isinstance(value, Integer) else value
        if isinstance(value, int):
            self.value = INT64(value)

    def _with(self, other: Any, operation: Callable[..., Any]) -> Integer:
        return Integer(self.builder, operation(self.value, Integer(self.builder, other).value))

    def _is(self, relation: str, other: Any) -> Any:
        return self.builder.icmp_signed(relation, self.value, Integer(self.builder, other).value)

    def __add__(self, other: Any) -> Integer:
        return self._with(other, self.builder.add)

    def __sub__(self, other: Any) -> Integer:
        return self._with(other, self.builder.sub)

    def __mul__(self, other: Any) -> Integer:
        return self._with(other, self.builder.mul)

    def __floordiv__(self, other: Any) -> Integer:
        return self._with(other, self.builder.sdiv)

    def __mod__(self, other: Any) -> Integer:
        return self._with(other, self.builder.srem)

    def __lt__(self, other: Any) -> Any:
        return self._is("<", other)

    def __le__(self, other: Any) -> Any:
        return self._is("<=", other)

    def equals(self, other: Any) -> Any:
        """Whether both are the same."""
        return self._is("==", other)

    def given(self) -> Any:
        """Whether it is not 0."""
        return self._is("!=", 0)

    def pointer(self, kind: Any) -> Any:
        """It is an address: a pointer to something of a kind."""
        return self.builder.inttoptr(self.value, kind.as_pointer())


class Variable:
    """An integer, or a list of values, that changes; a stack slot that LLVM makes a register."""

    def __init__(self, builder: ir.IRBuilder, start: Any):
        self.builder, self.whole = builder, isinstance(start, (int, Integer))
        values = [Integer(builder, start).value] if self.whole else start
        with builder.goto_entry_block():
            self.slots = [builder.alloca(value.type) for value in values]
        self.set(start)

    def get(self) -> Any:
        """What it is now."""
        values = [self.builder.load(slot) for slot in self.slots]
        return Integer(self.builder, values[0]) if self.whole else values

    def set(self, new: Any) -> None:
        """Change it."""
        values = [Integer(self.builder, new).value] if self.whole else new
        for slot, value in zip(self.slots, values, strict=True):
            self.builder.store(value, slot)


class Code:
    """Instructions on integers, words of memory and loops."""

    def __init__(self, builder: ir.IRBuilder):
        self.builder = builder

    def integer(self, value: Any) -> Integer:
        """A constant, or an instruction's value, with operators."""
        return Integer(self.builder, value)

    def variable(self, start: Any) -> Variable:
        """An integer or a list of values that changes."""
        return Variable(self.builder, start)

    def word(self, address: Integer, i: int) -> Integer:
        """The i-th 8-byte word at an address."""
        place = (address + 8 * i).pointer(INT64)
        return self.integer(self.builder.load(place, align=8))

    def when(self, condition: Any) -> AbstractContextManager[Any]:
        """What is written inside runs only where the condition, if there is one, holds."""
        return nullcontext() if condition is None else self.builder.if_then(condition)

    def smaller(self, x: Integer, y: Any) -> Integer:
        """The smaller of two integers."""
        return self.integer(self.builder.select(x < y, x.value, self.integer(y).value))

    def repeat(self, condition: Callable[[], Any]) -> Iterator[None]:
        """A loop that runs while a condition holds."""
        test, body, after = (self.builder.append_basic_block() for _ in range(3))
        self.builder.branch(test)
        self.builder.position_at_end(test)
        self.builder.cbranch(condition(), body, after)
        self.builder.position_at_end(body)
        yield
        self.builder.branch(test)
        self.builder.position_at_end(after)

    def loop(self, first: Any, last: Any, step: int = 1) -> Iterator[Integer]:
        """A loop over the integers first, first + step, ... up to last − step."""
        i = self.variable(first)
        for _ in self.repeat(lambda: i.get() + step <= last):
            yield i.get()
            i.set(i.get() + step)

    def groups(self, first: Any, last: Any, most: int) -> Iterator[tuple[Integer, int]]:
        """Two loops over the integers from first to last − 1: `most` at once, then one by one."""
        i = self.variable(first)
        for count in (most, 1):
            for _ in self.repeat(lambda count=count: i.get() + count <= last):
                yield i.get(), count
                i.set(i.get() + count)

    def call(self, name: str, result: Any, *arguments: Any, fixed: int | None = None) -> Any:
        """Call a function of C or of LLVM; one that takes any number after the fixed arguments."""
        kinds = [a.type for a in arguments][:fixed]
        kind = ir.FunctionType(result, kinds, var_arg=fixed is not None)
        function = self.builder.module.globals.get(name)
        if function is None:
            function = ir.Function(self.builder.module, kind, name)
        return self.builder.call(function, arguments)
