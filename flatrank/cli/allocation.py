"""How memory is given out, for a process that does nothing but one run.

Arrays of a few megabytes are made and dropped thousands of times. By default each goes back to the
system and costs an interruption for every page when it is made anew: about a sixth of the time of a
run. An application may change that; the library itself does not.
"""

from __future__ import annotations

import ctypes
import sys

# From malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
# Entries up to which what is kept is little beside what the process needs anyway.
FEW = 2_000_000


def keep_freed_memory(entries: int) -> bool:
    """Have the C library keep freed memory for reuse where the table is small.

    Parameters
    ----------
    entries : int
        Of the table.

    Returns
    -------
    bool
        Whether it was done; it is done with glibc only.
    """
    if entries > FEW or sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, 2**26))
    return all(mallopt(what, value) for what, value in settings)
