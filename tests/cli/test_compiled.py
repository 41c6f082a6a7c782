"""The cache of compiled programs: on where it can be, off without fuss where it cannot."""

from pathlib import Path

import jax
import pytest

from flatrank.cli.compiled import cache_folder, keep_compiled_programs

NAMES = (
    "jax_compilation_cache_dir",
    "jax_persistent_cache_min_compile_time_secs",
    "jax_persistent_cache_min_entry_size_bytes",
)


@pytest.fixture
def config(monkeypatch):
    """What is asked of JAX, recorded instead of done."""
    asked = {}
    monkeypatch.setattr(jax.config, "update", asked.__setitem__)
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    return asked


def test_environment_names_the_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "")
    assert cache_folder() is None


@pytest.mark.parametrize(
    ("platform", "variable", "expected"),
    [
        ("linux", "XDG_CACHE_HOME", "named/flatrank/compiled"),
        ("linux", None, "home/.cache/flatrank/compiled"),
        ("darwin", None, "home/Library/Caches/flatrank/compiled"),
        ("win32", None, "home/AppData/Local/flatrank/compiled"),
    ],
)
def test_users_cache_folder(monkeypatch, tmp_path, platform, variable, expected):
    for name in ("JAX_COMPILATION_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    if variable:
        monkeypatch.setenv(variable, str(tmp_path / "named"))
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    assert cache_folder() == tmp_path / expected


def test_no_home(monkeypatch):
    def homeless():
        raise RuntimeError

    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert cache_folder() is None


def test_on(config, monkeypatch, tmp_path):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "new"))
    assert keep_compiled_programs() == f"on: {tmp_path / 'new'}"
    assert tuple(config) == NAMES
    assert list((tmp_path / "new").iterdir()) == []


def test_off_where_it_cannot_be_written(config, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "file" / "below"))
    assert keep_compiled_programs().startswith(
        f"off: {tmp_path / 'file' / 'below'} cannot be written"
    )
    assert config == {}


def test_off_where_none_is_named(config, monkeypatch):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "")
    assert keep_compiled_programs() == "off: no folder is named for them"
    assert config == {}
