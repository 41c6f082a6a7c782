"""The fast Walsh–Hadamard transform."""

from __future__ import annotations

from scipy.linalg import hadamard

from flatrank.arrays import Array, xp
from flatrank.arrays.shapes import Float


def walsh_hadamard(x: Float[Array, "rows n"]) -> Float[Array, "rows n"]:
    """Σₖ (−1)^(z·k) x[:, k] for every z, n = 2^q: n^½ times a symmetric orthogonal matrix.

    Four bits at a time, by dense transforms of length 16: O(n log n) flops a row.
    """
    rows, n = x.shape
    bits = n.bit_length() - 1
    while bits:
        taken = min(4, bits)
        H = hadamard(2**taken).astype(x.dtype)
        # Those transformed go to the end: after all bits they are where they were.
        x = xp.matmul(x.reshape(rows, 2**taken, -1).swapaxes(1, 2), H).reshape(rows, n)
        bits -= taken
    return x
