"""PyHessian's power iteration and Hutchinson's estimator on a trained network.

It states no error; of the trace it returns every sample, so that a standard error could be had.
"""

import argparse
import json
import sys
import time

import numpy as np
import torch
from pyhessian import hessian


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("instance")
    parser.add_argument("--products", type=int, default=120)
    options = parser.parse_args()
    with np.load(options.instance) as data:
        layers = []
        for i in range(sum(name.startswith("W") for name in data)):
            W, b = data[f"W{i}"], data[f"b{i}"]
            layer = torch.nn.Linear(*W.shape)
            layer.weight.data, layer.bias.data = torch.tensor(W.T.copy()), torch.tensor(b)
            layers += [layer, torch.nn.ReLU()]
        batch = torch.tensor(data["x"]), torch.tensor(data["y"]).long()
        truth = float(data["trace"]), float(data["largest"])
    net = torch.nn.Sequential(*layers[:-1]).eval()
    torch.manual_seed(0)
    quarter, begin = options.products // 4, time.perf_counter()
    measure = hessian(net, torch.nn.CrossEntropyLoss(), data=batch, cuda=False)
    values, _ = measure.eigenvalues(maxIter=quarter, tol=0.0, top_n=1)
    middle = time.perf_counter()
    trace = float(np.mean(measure.trace(maxIter=options.products - quarter, tol=0.0)))
    print(json.dumps({
        "seconds": time.perf_counter() - begin,
        "products": options.products,
        "trace": trace,
        "trace_error": abs(trace / truth[0] - 1),
        "largest": values[0],
        "largest_error": abs(values[0] / truth[1] - 1),
        "product_seconds": (middle - begin) / quarter,
    }), file=sys.stdout)  # fmt: skip


if __name__ == "__main__":
    main()
