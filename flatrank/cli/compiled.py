"""JAX's cache of compiled programs on disk: a second run compiles nothing.

An application may switch it on; the library itself changes no global setting.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path


def cache_folder() -> Path | None:
    """Where compiled programs are kept: what the environment says, or the user's cache folder.

    Returns
    -------
    Path or None
        None where there is no home to keep it in.
    """
    named = os.environ.get("JAX_COMPILATION_CACHE_DIR")
    if named is not None:
        return Path(named) if named else None
    try:
        home = Path.home()
    except RuntimeError:
        return None
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return base / "flatrank" / "compiled"


def keep_compiled_programs() -> str:
    """Switch the cache on if its folder can be written; call before the first computation.

    Returns
    -------
    str
        What is in use, for people.
    """
    # XLA's remarks about loading programs are nothing a user can act upon.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    folder = cache_folder()
    if folder is None:
        return "off: no folder is named for them"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as refused:
        return f"off: {folder} cannot be written ({refused.strerror or refused})"
    import jax

    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    return f"on: {folder}"
