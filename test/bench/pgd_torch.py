"""PGD of N steps in PyTorch, for test/bench/pgd.ts: reads one command a line, answers each with one line of JSON."""

import json
import sys
import time

import numpy as np
import onnx
import torch
import torch.nn.functional as functional
from onnx import numpy_helper


def load(path):
    """The model as a function of a batch: the few operators of the models measured, run by PyTorch's own kernels."""
    graph = onnx.load(path).graph
    known = {entry.name: torch.tensor(numpy_helper.to_array(entry)) for entry in graph.initializer}
    nodes = [(node, {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}) for node in graph.node]
    source = [entry.name for entry in graph.input if entry.name not in known][0]

    def forward(x):
        values = dict(known)
        values[source] = x
        for node, attributes in nodes:
            inputs = [values[name] for name in node.input]
            values[node.output[0]] = OPERATORS[node.op_type](attributes, *inputs)
        return values[graph.output[0].name]

    return forward


def half_pads(attributes):
    """PyTorch pads both ends alike."""
    pads = attributes.get("pads", [0, 0, 0, 0])
    assert pads[:2] == pads[2:], pads
    return pads[:2]


def convolve(attributes, x, weight, bias=None):
    strides, groups = attributes.get("strides", [1, 1]), attributes.get("group", 1)
    return functional.conv2d(x, weight, bias, strides, half_pads(attributes), 1, groups)


def gemm(attributes, x, weight, bias):
    assert attributes.get("transB", 0) == 1
    return functional.linear(x, weight, bias)


def reduce_mean(attributes, x, axes=None):
    axes = attributes.get("axes", axes)
    return x.mean(tuple(int(axis) for axis in axes), keepdim=bool(attributes.get("keepdims", 1)))


OPERATORS = {
    "Add": lambda _, left, right: left + right,
    "Conv": convolve,
    "Div": lambda _, left, right: left / right,
    "Flatten": lambda _, x: x.flatten(1),
    "Gemm": gemm,
    "MaxPool": lambda a, x: functional.max_pool2d(x, a["kernel_shape"], a.get("strides"), half_pads(a)),
    "ReduceMean": reduce_mean,
    "Relu": lambda _, x: functional.relu(x),
    "Sub": lambda _, left, right: left - right,
}


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
