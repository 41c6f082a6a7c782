"""The loops themselves, over a range of rows, for factors of at most 16 columns.

Each is written once and compiled for a rank, a type and a group size: `shapes` is a pair of zero
`Lanes`, for one entry and for a group of entries treated at once. Entries are taken in groups while
a whole group is left in the row, then one by one. What a loop works on is a job (`jobs.py`).

Everything called here is a few instructions. Nothing is a function of its own: numba compiles
functions one by one, and that takes longer than all the rest.
"""

from __future__ import annotations

from typing import no_type_check

from numba import njit

from flatrank.kernels.jobs import (
    OUT,
    STRIDE,
    SUM,
    WORK,
    P,
    Q,
    V,
    W,
    X,
    Y,
    pointer_at,
)
from flatrank.kernels.tables import ask, gather, gather_column, gather_second, shifted, table_of
from flatrank.kernels.vectors import (
    add,
    add_scaled,
    bytes_of,
    collect,
    inverse_root,
    lanes_of,
    load,
    load_left,
    load_pack,
    multiplied_add,
    multiply,
    negative,
    ones,
    pack,
    rows_of,
    span_of,
    store,
    subtract,
    times,
    times_add,
    total,
    with_lane,
)
from flatrank.kernels.words import INNER, word


@no_type_check
@njit(**INNER)
def sampled_product(job, first, last, shapes):
    """OUT_p = <X_i, Y_j>."""
    one, group = shapes
    table, size, rows, out = table_of(job, one), bytes_of(one), rows_of(group), word(job, OUT)
    p = pointer_at(job, first)
    for i in range(first, last):
        end = pointer_at(job, i + 1)
        x = load_left(word(job, X) + i * span_of(one), one)
        while p + rows <= end:
            ask(table, p, group)
            store(out + p * size, total(times(x, gather(table, p, group))))
            p += rows
        while p < end:
            ask(table, p, one)
            store(out + p * size, total(times(x, gather(table, p, one))))
            p += 1


@no_type_check
@njit(**INNER)
def sparse_tall(job, first, last, shapes):
    """OUT_i = sum_p V_p Y_j."""
    one, group = shapes
    table, size, rows, v = table_of(job, one), bytes_of(one), rows_of(group), word(job, V)
    p = pointer_at(job, first)
    for i in range(first, last):
        end = pointer_at(job, i + 1)
        acc = one
        while p + rows <= end:
            ask(table, p, group)
            s = load_pack(v + p * size, pack(group))
            acc = add_scaled(s, gather(table, p, group), acc)
            p += rows
        while p < end:
            ask(table, p, one)
            s1 = load_pack(v + p * size, pack(one))
            acc = add_scaled(s1, gather(table, p, one), acc)
            p += 1
        store(word(job, OUT) + i * span_of(one), acc)


@no_type_check
@njit(**INNER)
def tangent_product(job, first, last, shapes):
    """OUT_p = <X_i, Q_j> + <P_i, Y_j>."""
    one, group = shapes
    table, size, rows, out = table_of(job, one), bytes_of(one), rows_of(group), word(job, OUT)
    second, p = shifted(table, word(job, Q) - word(job, Y)), pointer_at(job, first)
    for i in range(first, last):
        end = pointer_at(job, i + 1)
        x = load_left(word(job, X) + i * span_of(one), one)
        dx = load_left(word(job, P) + i * span_of(one), one)
        while p + rows <= end:
            ask(table, p, group)
            ask(second, p, group)
            s = times_add(dx, gather(table, p, group), times(x, gather(second, p, group)))
            store(out + p * size, total(s))
            p += rows
        while p < end:
            s1 = times_add(dx, gather(table, p, one), times(x, gather(second, p, one)))
            store(out + p * size, total(s1))
            p += 1


@no_type_check
@njit(**INNER)
def sparse_tall_pair(job, first, last, shapes):
    """OUT_i = sum_p V_p Y_j + W_p Q_j."""
    one, group = shapes
    table, size, rows = table_of(job, one), bytes_of(one), rows_of(group)
    v, w, second = word(job, V), word(job, W), shifted(table, word(job, Q) - word(job, Y))
    p = pointer_at(job, first)
    for i in range(first, last):
        end = pointer_at(job, i + 1)
        acc = one
        while p + rows <= end:
            ask(table, p, group)
            ask(second, p, group)
            acc = add_scaled(load_pack(v + p * size, pack(group)), gather(table, p, group), acc)
            acc = add_scaled(load_pack(w + p * size, pack(group)), gather(second, p, group), acc)
            p += rows
        while p < end:
            acc = add_scaled(load_pack(v + p * size, pack(one)), gather(table, p, one), acc)
            acc = add_scaled(load_pack(w + p * size, pack(one)), gather(second, p, one), acc)
            p += 1
        store(word(job, OUT) + i * span_of(one), acc)


@no_type_check
@njit(**INNER)
def residual_gradient(job, first, last, shapes):
    """s_p = <X_i, Y_j> - V_p, OUT_i = sum_p s_p Y_j, SUM_i = sum_p s_p^2."""
    one, group = shapes
    table, size, rows, v = table_of(job, one), bytes_of(one), rows_of(group), word(job, V)
    p = pointer_at(job, first)
    for i in range(first, last):
        end = pointer_at(job, i + 1)
        x = load_left(word(job, X) + i * span_of(one), one)
        acc, squares, squares1 = one, pack(group), pack(one)
        while p + rows <= end:
            ask(table, p, group)
            y = gather(table, p, group)
            s = subtract(total(times(x, y)), load_pack(v + p * size, pack(group)))
            acc = add_scaled(s, y, acc)
            squares = multiplied_add(s, s, squares)
            p += rows
        while p < end:
            ask(table, p, one)
            y1 = gather(table, p, one)
            s1 = subtract(total(times(x, y1)), load_pack(v + p * size, pack(one)))
            acc = add_scaled(s1, y1, acc)
            squares1 = multiplied_add(s1, s1, squares1)
            p += 1
        store(word(job, OUT) + i * span_of(one), acc)
        store(word(job, SUM) + i * size, add(collect(squares), squares1))


@no_type_check
@njit(**INNER)
def curvature_product(job, first, last, shapes):
    """s_p = <X_i, Q_j> + <P_i, Y_j>, OUT_i = sum_p s_p Y_j + V_p Q_j; no term in what is 0.

    Each row of the table holds Y_j and then Q_j.
    """
    one, group, one_pair, pair = shapes
    table, size, rows, v = table_of(job, one), bytes_of(one), rows_of(group), word(job, V)
    moving, p = word(job, P), pointer_at(job, first)
    for i in range(first, last):
        end = pointer_at(job, i + 1)
        x = load_left(word(job, X) + i * span_of(one), one)
        dx = load_left(moving + i * span_of(one), one) if moving else one
        acc = one
        while p + rows <= end:
            ask(table, p, pair)
            y, q = gather(table, p, group), gather_second(table, p, group)
            s = times_add(dx, y, times(x, q)) if moving else times(x, q)
            acc = add_scaled(total(s), y, acc)
            if v:
                acc = add_scaled(load_pack(v + p * size, pack(group)), q, acc)
            p += rows
        while p < end:
            ask(table, p, one_pair)
            y1, q1 = gather(table, p, one), gather_second(table, p, one)
            s1 = times_add(dx, y1, times(x, q1)) if moving else times(x, q1)
            acc = add_scaled(total(s1), y1, acc)
            if v:
                acc = add_scaled(load_pack(v + p * size, pack(one)), q1, acc)
            p += 1
        store(word(job, OUT) + i * span_of(one), acc)


@no_type_check
@njit(**INNER)
def row_grams(job, first, last, shapes):
    """SUM_i = sum_p W_p Y_j Y_j^T, OUT_i = sum_p W_p V_p Y_j; W = 1 where it is 0."""
    one, group = shapes
    table, size, rows, v = table_of(job, one), bytes_of(one), rows_of(group), word(job, V)
    w = word(job, W)
    p = pointer_at(job, first)
    for i in range(first, last):
        end = pointer_at(job, i + 1)
        gram = word(job, SUM) + i * lanes_of(one) * span_of(one)
        for c in range(lanes_of(one)):
            store(gram + c * span_of(one), one)
        acc = one
        while p + rows <= end:
            ask(table, p, group)
            y = gather(table, p, group)
            s = load_pack(w + p * size, pack(group)) if w else ones(group)
            acc = add_scaled(multiply(s, load_pack(v + p * size, pack(group))), y, acc)
            for c in range(lanes_of(one)):
                row, sy = gram + c * span_of(one), multiply(s, gather_column(table, p, c, s))
                store(row, add_scaled(sy, y, load(row, one)))
            p += rows
        while p < end:
            ask(table, p, one)
            y1 = gather(table, p, one)
            s1 = load_pack(w + p * size, pack(one)) if w else ones(one)
            acc = add_scaled(multiply(s1, load_pack(v + p * size, pack(one))), y1, acc)
            for c in range(lanes_of(one)):
                row, sy1 = gram + c * span_of(one), multiply(s1, gather_column(table, p, c, s1))
                store(row, add_scaled(sy1, y1, load(row, one)))
            p += 1
        store(word(job, OUT) + i * span_of(one), acc)


@no_type_check
@njit(**INNER)
def inverses(job, first, last, shapes):
    """OUT_i = X_i^-1 for symmetric X_i, its pivots swept one after the other.

    B = -X at first. With s = 1/√(-B_cc) and b = s B_c, but b_c = -s, the pivot c is swept by
    B_j <- B_j + s B_jc b, as if B_jc were 0 before, and B_c <- -s b; s = 0 leaves it out.
    """
    one, size, span = shapes[0], bytes_of(shapes[0]), span_of(shapes[0])
    none, minus = pack(one), negative(ones(one))
    for i in range(first, last):
        x = word(job, X) + i * lanes_of(one) * span
        out = word(job, OUT) + i * lanes_of(one) * span
        d = word(job, WORK) + i * span
        for j in range(lanes_of(one)):
            store(d + j * size, load_pack(x + j * (span + size), none))
            store(out + j * span, add_scaled(minus, load(x + j * span, one), one))
        for c in range(lanes_of(one)):
            here = c * (span + size)
            pivot = negative(load_pack(out + here, none))
            s = inverse_root(pivot, load_pack(d + c * size, none))
            b = with_lane(add_scaled(s, load(out + c * span, one), one), c, negative(s))
            for j in range(lanes_of(one)):
                row = out + j * span
                sj = multiply(s, load_pack(row + c * size, none))
                store(row, add_scaled(sj, b, with_lane(load(row, one), c, none)))
            store(out + c * span, add_scaled(negative(s), b, one))


@no_type_check
@njit(**INNER)
def block_product(job, first, last, shapes):
    """OUT_i = X_i P_i for symmetric X_i."""
    one, size, span = shapes[0], bytes_of(shapes[0]), span_of(shapes[0])
    for i in range(first, last):
        x, v = word(job, X) + i * lanes_of(one) * span, word(job, P) + i * span
        acc = one
        for c in range(lanes_of(one)):
            acc = add_scaled(load_pack(v + c * size, pack(one)), load(x + c * span, one), acc)
        store(word(job, OUT) + i * span, acc)


@no_type_check
@njit(**INNER)
def side_by_side(job, first, last, shapes):
    """Rows of X, and of P beside them where there is a P, to rows of OUT a stride apart."""
    one = shapes[0]
    x, p, out, stride = word(job, X), word(job, P), word(job, OUT), word(job, STRIDE)
    for i in range(first, last):
        place = out + i * stride * bytes_of(one)
        store(place, load(x + i * span_of(one), one))
        if p:
            store(place + span_of(one), load(p + i * span_of(one), one))
