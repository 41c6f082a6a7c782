"""A trained network whose loss is measured: weights, one batch, and its flatness by a long run."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.cells import Row, grid, label, load_of, notes, seconds

#: Name → title and widths of the layers.
NETS = {
    "mlp-1e6": ("MLP 40-980-980-10 on mnist1d, 1 011 370 parameters, batch 512", (40, 980, 980, 10))
}
BATCH, EPOCHS, TRAINED_ON = 512, 5, 4000


def sharpness(rows: list[Row]) -> str:
    """The section of the page."""
    text = ("## The flatness of a network\n\nTrace and largest eigenvalue of the Hessian of a "
            "trained network, 1 011 370 parameters (40-980-980-10, ReLU, mnist1d, batch 512), in "
            "so many products with it. *Error* is the distance from a longer run, good to one "
            "percent (trace) and 1e-4 (eigenvalue); *stated* is half the interval of 95 %, or the "
            "residual. Seconds are warm; *cold* includes compilation. A product beside a "
            "gradient says what it costs.")  # fmt: skip
    head = ["solver", "products", "seconds", "cold", "trace", "stated", "error", "largest",
            "stated", "error", "a product", "a gradient", "load"]  # fmt: skip
    return f"{text}\n\n" + grid(head, [
        [label(r), str(r["products"]), seconds(r["seconds"]), seconds(r.get("cold_seconds")),
         f"{r['trace']:.1f}", share(r.get("stated_trace")), share(r["trace_error"]),
         f"{r['largest']:.3f}", share(r.get("stated_largest")), share(r["largest_error"]),
         seconds(r["product_seconds"]), seconds(r.get("gradient_seconds")), load_of(r)]
        for r in rows if "failed" not in r
    ]) + notes(rows)  # fmt: skip


def share(value: float | None) -> str:
    """In percent; of what is not said nothing."""
    return "none" if value is None else f"{100 * value:.2g} %"


def weights_of(data) -> list[tuple[np.ndarray, np.ndarray]]:
    """(W, b) of each layer, W (in, out)."""
    count = sum(name.startswith("W") for name in data)
    return [(data[f"W{i}"], data[f"b{i}"]) for i in range(count)]


def model(params, x):
    """A multilayer perceptron with ReLU."""
    import jax

    for W, b in params[:-1]:
        x = jax.nn.relu(x @ W + b)
    W, b = params[-1]
    return x @ W + b


def loss(params, batch):
    """Mean cross-entropy."""
    import optax

    x, y = batch
    return optax.softmax_cross_entropy_with_integer_labels(model(params, x), y).mean()


def net_file(folder: Path, name: str) -> Path:
    """The .npz of a network, trained and measured where there is none yet."""
    path = folder / f"net-{name}.npz"
    if not path.exists():
        params, x, y = trained(NETS[name][1])
        from flatrank.networks import Budget, flatness

        exact = Budget(trace_tol=0.01, eigenvalue_tol=1e-4, max_products=10_000)
        found = flatness(loss, params, [(x, y)], eigenvalues=10, budget=exact, seed=10_000)
        layers = {
            f"{c}{i}": a for i, pair in enumerate(params) for c, a in zip("Wb", pair, strict=True)
        }
        np.savez(
            path, x=x, y=y, **layers,
            trace=found.trace.value, trace_half_width=found.trace.half_width,
            largest=found.largest_eigenvalue.value, residual=found.largest_eigenvalue.residual,
        )  # fmt: skip
    return path


def trained(widths: tuple[int, ...]):
    """Five epochs of Adam from seed 0; the parameters, and the first batch."""
    import jax
    import jax.numpy as jnp
    import optax
    from mnist1d.data import get_dataset_args, make_dataset

    options = get_dataset_args()
    options.num_samples = TRAINED_ON * 5 // 4
    data, rng = make_dataset(options), np.random.default_rng(0)
    x, y = jnp.asarray(data["x"], jnp.float32), jnp.asarray(data["y"])
    x = (x - x.mean()) / x.std()
    params = [
        (jnp.asarray(rng.standard_normal((a, c)) * np.sqrt(2 / a), jnp.float32), jnp.zeros(c))
        for a, c in zip(widths, widths[1:], strict=False)
    ]
    adam = optax.adam(1e-3)
    state = adam.init(params)

    @jax.jit
    def step(params, state, batch):
        updates, state = adam.update(jax.grad(loss)(params, batch), state)
        return optax.apply_updates(params, updates), state

    for _ in range(EPOCHS):
        for i in range(0, TRAINED_ON - BATCH + 1, BATCH):
            params, state = step(params, state, (x[i : i + BATCH], y[i : i + BATCH]))
    return params, x[:BATCH], y[:BATCH]
