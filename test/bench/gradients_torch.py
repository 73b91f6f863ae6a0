"""Input gradients of the cross-entropy in PyTorch, for test/bench/gradients.ts: a command a line in, a line of JSON out."""

import json
import resource
import sys
import time

import numpy as np
import torch
import torch.nn.functional as functional

from torch_model import load


def prepared(path, x, form):
    """The model as it is run: operator by operator, or traced and compiled. No weight asks for a gradient."""
    model = load(path)
    if form == "eager":
        return model
    traced = torch.jit.trace(model, x[:2])
    # The first runs are those in which the tracer's profile is taken and the graph is compiled.
    for _ in range(3):
        gradient_of(traced, x[:2], torch.zeros(2, dtype=torch.long))
    return traced


def gradient_of(model, x, y):
    x = x.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(functional.cross_entropy(model(x), y, reduction="sum"), x)
    return gradient


def main():
    path, images, labels, shape, answer, threads, form = sys.argv[1:]
    torch.set_num_threads(int(threads))
    x = torch.tensor(np.fromfile(images, np.float32)).reshape(-1, *json.loads(shape))
    y = torch.tensor(np.fromfile(labels, np.int32)).long()
    model = prepared(path, x, form)
    for line in sys.stdin:
        first, end, size, keep = map(int, line.split())
        spent, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        gradients = [
            gradient_of(model, x[start : min(end, start + size)], y[start : min(end, start + size)])
            for start in range(first, end, size)
        ]
        seconds, now = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
        if keep:
            torch.cat(gradients).numpy().tofile(answer)
        cpu = now.ru_utime + now.ru_stime - spent.ru_utime - spent.ru_stime
        print(json.dumps({"seconds": seconds, "cpuSeconds": cpu}), flush=True)


main()
