"""PGD of N steps in PyTorch, for test/bench/pgd.ts: reads one command a line, answers each with one line of JSON."""

import json
import sys
import time

import numpy as np
import torch
import torch.nn.functional as functional

from torch_model import load


def descend(model, x, y, epsilon, steps):
    """Madry et al. (2018), section 2.1: random start, 2.5 epsilon / steps a step, all steps taken."""
    low, high = torch.clamp(x - epsilon, 0, 1), torch.clamp(x + epsilon, 0, 1)
    tried = torch.clamp(x + epsilon * (2 * torch.rand_like(x) - 1), 0, 1)
    for _ in range(steps):
        tried.requires_grad_(True)
        loss = functional.cross_entropy(model(tried), y, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, tried)
        with torch.no_grad():
            tried = torch.minimum(torch.maximum(tried + 2.5 * epsilon / steps * gradient.sign(), low), high)
    with torch.no_grad():
        return int((model(tried).argmax(1) != y).sum())


def main():
    path, images, labels, shape, epsilon, steps, threads, batch = sys.argv[1:]
    torch.set_num_threads(int(threads))
    torch.manual_seed(1)
    model, size = load(path), int(batch)
    x = torch.tensor(np.fromfile(images, np.float32)).reshape(-1, *json.loads(shape))
    y = torch.tensor(np.fromfile(labels, np.int32)).long()
    for line in sys.stdin:
        first, end = map(int, line.split())
        started, successes = time.perf_counter(), 0
        for start in range(first, end, size):
            rows = slice(start, min(end, start + size))
            successes += descend(model, x[rows], y[rows], float(epsilon), int(steps))
        print(json.dumps({"seconds": time.perf_counter() - started, "successes": successes}), flush=True)


main()
