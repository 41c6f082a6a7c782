"""XLA's C interface: the header that is installed, and what happens when things do not fit."""

import os
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flatrank import kernels
from flatrank.kernels import ffi, support

WORD = 8
SIZES = {
    "int": 4,
    "int32_t": 4,
    "uint32_t": 4,
    "size_t": 8,
    "int64_t": 8,
    "XLA_FFI_Handler_Traits": 4,
}


def layouts(text):
    """Byte offset of every member of every struct, by the rules of C, from the header's text."""
    text = re.sub(r"//.*|/\*[\s\S]*?\*/", "", text)
    enums = set(re.findall(r"}\s*(XLA_FFI_\w+);", text))
    structs, sizes = {}, SIZES | dict.fromkeys(enums, 4)
    for kind, name, body in re.findall(
        r"(typedef struct|struct)\s+(XLA_FFI_\w+)\s*{([^}]*)}", text
    ):
        del kind
        offset, members, widest = 0, {}, 1
        for member in filter(None, map(str.strip, body.split(";"))):
            size, label = measured(member, sizes)
            align = min(size, WORD)
            offset = -(-offset // align) * align
            members[label] = offset
            offset, widest = offset + size, max(widest, align)
        structs[name] = members
        sizes[name] = -(-offset // widest) * widest
        sizes.setdefault(f"{name}*", WORD)
    return structs


def measured(member, sizes):
    """Size and name of one declared member."""
    field = re.fullmatch(r"_XLA_FFI_API_STRUCT_FIELD\((\w+)\)", member)
    if field:
        return WORD, field[1]
    function = re.search(r"\(\*(\w+)\)", member)
    if function:
        return WORD, function[1]
    kind, label = re.fullmatch(r"(?:const |struct )*(.*?)\s*(\w+)", member).groups()
    return (WORD if kind.endswith("*") else sizes[kind.strip()]), label


@pytest.fixture(scope="module")
def header():
    return support.header().read_text(encoding="utf-8")


def test_words_of_the_installed_header(header):
    structs = layouts(header)
    for name, members in ffi.LAYOUT.items():
        known = structs.get(f"XLA_FFI_{name}", {})
        if name == "Extension":  # renamed in version 0.4
            known = structs.get("XLA_FFI_InternalExtension") or structs["XLA_FFI_Extension_Base"]
        for member, word in members.items():
            assert known[member] == WORD * word, (name, member)


def test_sizes_that_structs_of_arguments_must_state(header):
    structs = layouts(header)
    for name, size in ffi.SIZES.items():
        members = structs[f"XLA_FFI_{name}"]
        last = max(members.values())
        assert size == last + (4 if name == "Error_Create_Args" else 8)
    frame, api = structs["XLA_FFI_CallFrame"], structs["XLA_FFI_Api"]
    assert frame["attrs"] == ffi.LEAST_FRAME
    assert api["XLA_FFI_ThreadPool_NumThreads"] + WORD == ffi.LEAST_API


def test_codes_of_the_installed_header(header):
    for name, code in ffi.CODES.items():
        assert re.search(rf"XLA_FFI_{name} = {code},", header), name


def test_the_installed_version_is_known(header):
    major, minor = support.api_version()
    assert f"#define XLA_FFI_API_MAJOR {major}\n" in header
    assert f"#define XLA_FFI_API_MINOR {minor}\n" in header
    assert kernels.path_in_use().startswith("compiled: ")


def raw(kernel, results, *operands):
    """Call a handler behind the back of all checks in Python."""
    from flatrank.kernels import native

    name = native.target(kernel, 3, 32, support.api_version())
    return jax.ffi.ffi_call(name, results)(*operands)


def bad_calls():
    n, m, k, w = 4, 6, 3, 5
    ptr, idx = np.array([0, 1, 1, 4, 6], np.int32), np.zeros(m, np.int32)
    X, Y, b = np.ones((n, k), np.float32), np.ones((w, k), np.float32), np.ones(m, np.float32)
    G, ss = jax.ShapeDtypeStruct((n, k), np.float32), jax.ShapeDtypeStruct((n,), np.float32)
    good = [ptr, idx, X, Y, b]
    yield "good", (G, ss), good
    changes = {
        "pointers end late": (0, ptr + (ptr == m)),
        "pointers begin late": (0, ptr + (ptr == 0)),
        "one pointer too few": (0, ptr[1:]),
        "no pointers": (0, ptr[:0]),
        "pointers in a matrix": (0, ptr[:, None]),
        "pointers of int16": (0, ptr.astype(np.int16)),
        "indices of int16": (1, idx.astype(np.int16)),
        "one index too few": (1, idx[1:]),
        "a row too few": (2, X[1:]),
        "a column too few": (2, X[:, 1:]),
        "columns differ": (3, Y[:, 1:]),
        "X is a vector": (2, X.ravel()),
        "another type": (4, b.astype(np.float16)),
        "one number too few": (4, b[1:]),
    }
    for name, (place, value) in changes.items():
        yield name, (G, ss), [*good[:place], value, *good[place + 1 :]]
    yield "argument missing", (G, ss), good[:4]
    yield "argument too many", (G, ss), [*good, b]
    yield "result missing", (G,), good
    yield "result too short", (G, jax.ShapeDtypeStruct((n - 1,), np.float32)), good
    yield "result of another type", (G, jax.ShapeDtypeStruct((n,), np.int32)), good


@pytest.mark.parametrize("case", list(bad_calls()), ids=lambda case: case[0])
def test_buffers_that_do_not_fit_are_refused(case):
    name, results, operands = case
    operands = [jnp.asarray(x) for x in operands]
    if name == "good":
        G, _ = raw("residual_gradient", results, *operands)
        np.testing.assert_array_equal(G[:, 0], 2 * np.diff(operands[0]))
        return
    with pytest.raises(
        (jax.errors.JaxRuntimeError, ValueError), match="flatrank residual_gradient: the buffers"
    ):
        jax.block_until_ready(raw("residual_gradient", results, *operands))


def test_scratch_that_is_too_narrow_is_refused():
    k, ptr, idx = 3, jnp.array([0, 1]), jnp.zeros(1, jnp.int32)
    matrix = jnp.ones((1, k))
    shapes = [jax.ShapeDtypeStruct((1, c), np.float32) for c in (k, 2 * k - 1)]
    with pytest.raises(jax.errors.JaxRuntimeError, match="flatrank curvature_product"):
        raw("curvature_product", shapes, ptr, idx, matrix, matrix, matrix, matrix)


def test_shapes_are_checked_before(pattern):
    from flatrank.kernels.products import check

    C, X, Y = pattern(4, 5, 6), jnp.ones((4, 3)), jnp.ones((5, 3))
    assert check("sampled_product", C, {"X": X, "Y": Y}) == 3
    wrong = {"X": (X[1:], Y), "Y": (X, Y[:, 1:])}
    for name, (X_, Y_) in wrong.items():
        with pytest.raises(ValueError, match=rf"sampled_product: expected {name} of shape \("):
            check("sampled_product", C, {"X": X_, "Y": Y_})
    with pytest.raises(ValueError, match=r"A of shape \(C.n, k, k\) = \(4, 3, 3\), got"):
        check("inverses", C, {"A": jnp.ones((4, 3, 2))})
    with pytest.raises(ValueError, match=r"expected v of shape \(C.m\) = \(6,\), got \(5,\)"):
        check("sparse_tall", C, {"v": jnp.ones(5), "Y": Y})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ids": jnp.zeros(2, jnp.int32)}, "ids must have the shape of indices"),
        ({"indptr": jnp.zeros(2, jnp.int16)}, "indptr must be a vector of int64 or int32; got"),
        ({"indices": jnp.zeros((1, 1), jnp.int32)}, "indices must be a vector of int32; got"),
        ({"indptr": jnp.zeros(0, jnp.int32)}, "indptr must have at least one element"),
    ],
)
def test_patterns_are_checked(changes, message):
    C = kernels.Compressed(jnp.array([0, 1]), jnp.zeros(1, jnp.int32), None, 1)
    C.__check_init__()
    for name, value in changes.items():  # past the checker of annotations, which tests alone have
        object.__setattr__(C, name, value)
    with pytest.raises(ValueError, match=message):
        C.__check_init__()


def test_forced_fallback(pattern, arguments, every, calls, monkeypatch):
    C = pattern(20, 10, 50)
    values = arguments(C, 3, "float32")
    with kernels.using("reference"):
        assert kernels.path_in_use() == "reference: asked for by flatrank.kernels.using"
        jax.jit(lambda *a: every(*a))(C, *values)
    monkeypatch.setenv("FLATRANK_KERNELS", "reference")
    assert kernels.path_in_use() == "reference: asked for by FLATRANK_KERNELS"
    jax.jit(lambda *a: every(*a))(C, *values)
    assert not calls
    with kernels.using("auto"):
        assert kernels.path_in_use().startswith("compiled")


def test_other_choices_are_refused(monkeypatch):
    with pytest.raises(ValueError, match="using: expected .auto. or .reference., got 'fast'"):
        kernels.using("fast").__enter__()
    monkeypatch.setenv("FLATRANK_KERNELS", "fast")
    with pytest.raises(ValueError, match="FLATRANK_KERNELS: expected"):
        kernels.path_in_use()


@pytest.mark.parametrize(
    ("version", "reason"),
    [((9, 1), "XLA's FFI has version 9.1 here, and 0.3"), (None, "no header that states")],
)
def test_unknown_version(pattern, arguments, every, calls, monkeypatch, version, reason):
    monkeypatch.setattr(support, "api_version", lambda: version)
    assert kernels.path_in_use().startswith("reference: ")
    assert reason in kernels.describe()["reason"]
    C = pattern(20, 10, 50)
    jax.jit(lambda *a: every(*a))(C, *arguments(C, 3, "float32"))
    assert not calls


def test_a_missing_header_states_no_version(monkeypatch, tmp_path):
    monkeypatch.setattr(support, "header", lambda: tmp_path / "none.h")
    assert support.api_version.__wrapped__() is None


def test_a_failure_to_compile_leaves_the_reference(pattern, arguments, monkeypatch):
    from flatrank.kernels import native

    def broken(*_):
        raise RuntimeError("no room for code")

    monkeypatch.setattr(support, "failures", [])
    monkeypatch.setattr(native, "call", broken)
    C = pattern(20, 10, 50)
    X, Y, *_ = arguments(C, 3, "float32")
    with pytest.warns(RuntimeWarning, match="compiling sampled_product failed: .*no room"):
        got = jax.jit(lambda *a: kernels.sampled_product(*a))(C, X, Y)
    assert "no room" in kernels.path_in_use()
    with kernels.using("reference"):
        np.testing.assert_allclose(got, kernels.sampled_product(C, X, Y))


def test_describe():
    facts = kernels.describe()
    assert facts["path"] == "compiled"
    assert facts["ffi_version"] == "{}.{}".format(*support.api_version())
    assert facts["vector_bytes"] in (16, 32)
    assert {"jaxlib", "numba", "llvmlite", "threads", "processor", "cache"} <= facts.keys()


def test_importing_takes_no_numba_and_changes_no_flag():
    program = (
        "import jax, sys; before = dict(jax.config.values); import flatrank.kernels; "
        "assert dict(jax.config.values) == before; assert 'numba' not in sys.modules; "
        "flatrank.kernels.path_in_use(); assert 'numba' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env=os.environ)
