"""What the kernels assume of a processor: widths, distances and the sizes of shared work.

Every value was chosen by measuring on x86 machines with 32-byte registers; none changes a result
beyond the order in which a row of more than `narrow` columns is summed.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Hardware:
    """Sizes that decide speed.

    Parameters
    ----------
    cache_line
        Bytes of a cache line.
    near
        Bytes of a matrix that stays in the second cache: its rows are not prefetched.
    ahead
        Entries between the prefetch of a row and its use.
    narrow
        Columns up to which a row is held in registers; wider ones are taken in blocks.
    block
        Columns of a block of a wide row; the first block has `block` to 2 `block` − 1.
    batch
        Entries of which a wide row is summed at once; their factors' rows stay in the first cache.
    piece, at_once
        Numbers of a long vector summed by themselves, and those treated at once.
    long
        Numbers from which on a compiled pass over vectors is the faster one.
    number_cost, row_cost
        What a number of a long vector costs in multiply-adds, and a row beside its entries in
        entries.
    sharing, waking
        Multiply-adds for which one more thread pays, when it is awake and when it has to be woken.
    chunks
        Shares of a call for each thread: more even the work out, fewer cost less.
    looks
        Times an idle thread looks for work before it sleeps.
    spins
        Times a caller looks for the end of the others' work before it yields its processor.
    idle
        Microseconds without work after which a thread ends.
    """

    cache_line: int = 64
    near: int = 2**18
    ahead: int = 16
    narrow: int = 16
    block: int = 16
    batch: int = 64
    piece: int = 2048
    at_once: int = 16
    long: int = 2**14
    number_cost: int = 8
    row_cost: int = 3
    sharing: int = 200_000
    waking: int = 1_000_000
    chunks: int = 16
    looks: int = 400
    spins: int = 5000
    idle: int = 1_200_000


HARDWARE = Hardware()
