"""The loops of an inner iteration over long vectors: several sums and products in one pass.

A row is a run of PIECE numbers, and has its own partial sums. `shapes` are zeros of one number and
of as many as are treated at once: each loop takes many while a whole group is left, then one by
one, by the same function of `at`, bytes from the beginning, and `like`.
"""

from __future__ import annotations

from typing import no_type_check

from numba import njit

from flatrank.kernels.jobs import OUT, SUM, WORK, M, P, Q, V, W, X, Y
from flatrank.kernels.signatures import PIECE
from flatrank.kernels.vectors import (
    add,
    bytes_of,
    collect,
    load_pack,
    multiplied_add,
    multiply,
    negative,
    rows_of,
    spread,
    store,
)
from flatrank.kernels.words import INNER, word


@no_type_check
@njit(**INNER)
def bend(job, at, like, sums):
    """Q += V P, with <P, Q> and <P, P> added to the sums."""
    x, y = load_pack(word(job, P) + at, like), load_pack(word(job, Q) + at, like)
    if word(job, V):
        y = multiplied_add(load_pack(word(job, V) + at, like), x, y)
        store(word(job, Q) + at, y)
    return multiplied_add(x, y, sums[0]), multiplied_add(x, x, sums[1])


@no_type_check
@njit(**INNER)
def curvature_along(job, first, last, shapes):
    """Q += V P, SUM_i = <P, Q>, WORK_i = <P, P>; no V where it is 0."""
    one, many = shapes
    size = bytes_of(one)
    for i in range(first, last):
        at, end = i * PIECE, min((i + 1) * PIECE, word(job, M))
        sums, sums1 = (many, many), (one, one)
        while at + rows_of(many) <= end:
            sums = bend(job, at * size, many, sums)
            at += rows_of(many)
        while at < end:
            sums1 = bend(job, at * size, one, sums1)
            at += 1
        store(word(job, SUM) + i * size, add(collect(sums[0]), sums1[0]))
        store(word(job, WORK) + i * size, add(collect(sums[1]), sums1[1]))


@no_type_check
@njit(**INNER)
def step(job, at, a, like, total):
    """X += a P, Y −= a Q, OUT = V Y, with <Y, OUT> added to the total; no V where it is 0."""
    x, y = word(job, X) + at, word(job, Y) + at
    store(x, multiplied_add(a, load_pack(word(job, P) + at, like), load_pack(x, like)))
    r = multiplied_add(negative(a), load_pack(word(job, Q) + at, like), load_pack(y, like))
    store(y, r)
    if word(job, V):
        z = multiply(load_pack(word(job, V) + at, like), r)
        store(word(job, OUT) + at, z)
        total = multiplied_add(z, r, total)
    return total


@no_type_check
@njit(**INNER)
def stepped(job, first, last, shapes):
    """X += W P, Y −= W Q, OUT = V Y, SUM_i = <Y, OUT>; no V where it is 0, nor OUT and SUM then."""
    one, many = shapes
    size, a1 = bytes_of(one), load_pack(word(job, W), one)
    a = spread(a1, many)
    for i in range(first, last):
        at, end = i * PIECE, min((i + 1) * PIECE, word(job, M))
        total, total1 = many, one
        while at + rows_of(many) <= end:
            total = step(job, at * size, a, many, total)
            at += rows_of(many)
        while at < end:
            total1 = step(job, at * size, a1, one, total1)
            at += 1
        if word(job, V):
            store(word(job, SUM) + i * size, add(collect(total), total1))


@no_type_check
@njit(**INNER)
def turn(job, at, a, like):
    """P = a P + Q."""
    p = word(job, P) + at
    store(p, multiplied_add(a, load_pack(p, like), load_pack(word(job, Q) + at, like)))


@no_type_check
@njit(**INNER)
def turned(job, first, last, shapes):
    """P = W P + Q."""
    one, many = shapes
    size, a1 = bytes_of(one), load_pack(word(job, W), one)
    a = spread(a1, many)
    for i in range(first, last):
        at, end = i * PIECE, min((i + 1) * PIECE, word(job, M))
        while at + rows_of(many) <= end:
            turn(job, at * size, a, many)
            at += rows_of(many)
        while at < end:
            turn(job, at * size, a1, one)
            at += 1
