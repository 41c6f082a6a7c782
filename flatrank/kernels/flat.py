"""The loops of an inner iteration over long vectors: several sums and products in one pass.

A row is a run of PIECE numbers, and has its own partial sums. `shapes` are zeros of one number and
of as many as are treated at once.
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
def curvature_along(job, first, last, shapes):
    """Q += V P, SUM_i = <P, Q>, WORK_i = <P, P>; no V where it is 0."""
    one, many = shapes
    size, p, h, v = bytes_of(one), word(job, P), word(job, Q), word(job, V)
    for i in range(first, last):
        at, end = i * PIECE, min((i + 1) * PIECE, word(job, M))
        bends, squares, bend1, square1 = many, many, one, one
        while at < end:
            b = at * size
            if at + rows_of(many) <= end:
                x, y = load_pack(p + b, many), load_pack(h + b, many)
                if v:
                    y = multiplied_add(load_pack(v + b, many), x, y)
                    store(h + b, y)
                bends, squares = multiplied_add(x, y, bends), multiplied_add(x, x, squares)
                at += rows_of(many)
            else:
                x1, y1 = load_pack(p + b, one), load_pack(h + b, one)
                if v:
                    y1 = multiplied_add(load_pack(v + b, one), x1, y1)
                    store(h + b, y1)
                bend1, square1 = multiplied_add(x1, y1, bend1), multiplied_add(x1, x1, square1)
                at += 1
        store(word(job, SUM) + i * size, add(collect(bends), bend1))
        store(word(job, WORK) + i * size, add(collect(squares), square1))


@no_type_check
@njit(**INNER)
def stepped(job, first, last, shapes):
    """X += W P, Y −= W Q, OUT = V Y, SUM_i = <Y, OUT>; no V where it is 0, nor OUT and SUM then."""
    one, many = shapes
    size, x, p, r = bytes_of(one), word(job, X), word(job, P), word(job, Y)
    h, v, z = word(job, Q), word(job, V), word(job, OUT)
    a1 = load_pack(word(job, W), one)
    a = spread(a1, many)
    for i in range(first, last):
        at, end = i * PIECE, min((i + 1) * PIECE, word(job, M))
        sums, sum1 = many, one
        while at < end:
            b = at * size
            if at + rows_of(many) <= end:
                store(x + b, multiplied_add(a, load_pack(p + b, many), load_pack(x + b, many)))
                y = multiplied_add(negative(a), load_pack(h + b, many), load_pack(r + b, many))
                store(r + b, y)
                if v:
                    w = multiply(load_pack(v + b, many), y)
                    store(z + b, w)
                    sums = multiplied_add(w, y, sums)
                at += rows_of(many)
            else:
                store(x + b, multiplied_add(a1, load_pack(p + b, one), load_pack(x + b, one)))
                y1 = multiplied_add(negative(a1), load_pack(h + b, one), load_pack(r + b, one))
                store(r + b, y1)
                if v:
                    w1 = multiply(load_pack(v + b, one), y1)
                    store(z + b, w1)
                    sum1 = multiplied_add(w1, y1, sum1)
                at += 1
        if v:
            store(word(job, SUM) + i * size, add(collect(sums), sum1))


@no_type_check
@njit(**INNER)
def turned(job, first, last, shapes):
    """P = W P + Q."""
    one, many = shapes
    size, p, z = bytes_of(one), word(job, P), word(job, Q)
    a1 = load_pack(word(job, W), one)
    a = spread(a1, many)
    for i in range(first, last):
        at, end = i * PIECE, min((i + 1) * PIECE, word(job, M))
        while at < end:
            b = at * size
            if at + rows_of(many) <= end:
                store(p + b, multiplied_add(a, load_pack(p + b, many), load_pack(z + b, many)))
                at += rows_of(many)
            else:
                store(p + b, multiplied_add(a1, load_pack(p + b, one), load_pack(z + b, one)))
                at += 1
