"""ONNX models in PyTorch, for the peers of test/bench: the operators that the models at hand have."""

import onnx
import torch
import torch.nn.functional as functional
from onnx import numpy_helper


def load(path, tensor=None):
    """The model as a function of a batch: the few operators of the models measured, run by PyTorch's own kernels.

    It answers with the first output, or with the named tensor and nothing that comes after it.
    """
    graph = onnx.load(path).graph
    wanted = tensor or graph.output[0].name
    known = {entry.name: torch.tensor(numpy_helper.to_array(entry)) for entry in graph.initializer}
    nodes = [(node, {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}) for node in graph.node]
    source = [entry.name for entry in graph.input if entry.name not in known][0]

    def forward(x):
        values = dict(known)
        values[source] = x
        for node, attributes in nodes:
            inputs = [values[name] for name in node.input]
            values[node.output[0]] = OPERATORS[node.op_type](attributes, *inputs)
            if node.output[0] == wanted:
                break
        return values[wanted]

    return forward


def half_pads(attributes):
    """PyTorch pads both ends alike."""
    pads = attributes.get("pads", [0, 0, 0, 0])
    assert pads[:2] == pads[2:], pads
    return pads[:2]


def normalise(attributes, x, scale, bias, mean, variance):
    return functional.batch_norm(x, mean, variance, scale, bias, False, 0.0, attributes.get("epsilon", 1e-5))


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
    "BatchNormalization": normalise,
    "Constant": lambda a: torch.tensor(numpy_helper.to_array(a["value"])),
    "Conv": convolve,
    "Div": lambda _, left, right: left / right,
    "Flatten": lambda _, x: x.flatten(1),
    "Gemm": gemm,
    "MaxPool": lambda a, x: functional.max_pool2d(x, a["kernel_shape"], a.get("strides"), half_pads(a)),
    "ReduceMean": reduce_mean,
    "Relu": lambda _, x: functional.relu(x),
    "Sub": lambda _, left, right: left - right,
}


def penultimate(path):
    """Name of the tensor that the last linear layer reads."""
    return [node for node in onnx.load(path).graph.node if node.op_type == "Gemm"][-1].input[0]
