"""Convolutions, pooling, activations, normalizations and embedding of PyTorch: values and all gradients.

torch 2.13.0+cpu:  PYTHONPATH=../../Support python feedforward.py
writes feedforward-convolutions.json, -pooling.json, -activations.json and -normalizations.json.
"""
import contextlib
import torch
import torch.nn.functional as F
from pytorch_cases import Cases

torch.manual_seed(20251122)
cases = Cases()


def write(family):
    global cases
    with open(f"feedforward-{family}.json", "w") as file, contextlib.redirect_stdout(file): cases.dump()
    cases = Cases()


both = [(torch.float32, "contiguous"), (torch.float64, "contiguous"), (torch.float32, "reversed"), (torch.float64, "reversed")]
few = both[:1] + both[3:]


def randn(dtype, *shape):
    """In steps of 1/256, which take few digits; exact in both types."""
    return (torch.randn(*shape, dtype=torch.float64) * 256).round().div(256).to(dtype)


# x shape, weight shape, bias, arguments
convolutions = [
    ((2, 3, 7, 6), (4, 3, 3, 3), True, {}),
    ((2, 3, 7, 6), (4, 3, 3, 2), False, dict(stride=(2, 1), padding=(1, 0))),
    ((1, 1, 5, 5), (1, 1, 5, 5), True, {}),
    ((3, 4, 6, 5), (6, 2, 3, 3), True, dict(groups=2, padding=(1, 1))),
    ((2, 4, 9, 8), (4, 1, 3, 3), True, dict(groups=4, dilation=(2, 2), padding=(2, 1))),
    ((1, 16, 5, 6), (16, 16, 3, 3), True, dict(padding=(1, 1))),
    ((2, 2, 4, 5), (3, 2, 1, 1), True, dict(stride=(3, 2))),
    ((2, 3, 8, 8), (5, 3, 2, 3), False, dict(stride=(3, 3), padding=(2, 3), dilation=(1, 2))),
    ((1, 1, 1, 1), (2, 1, 1, 1), True, dict(padding=(1, 2))),
    ((0, 3, 5, 5), (2, 3, 3, 3), True, {}),
    ((3, 6, 6), (4, 3, 3, 3), True, dict(padding=(1, 1))),
]
for x, w, bias, arguments in convolutions:
    for dtype, layout in few if w[0] == 16 else both:
        inputs = [randn(dtype, *x), randn(dtype, *w)] + ([randn(dtype, w[0])] if bias else [])
        cases.add("conv2d", lambda x, w, b=None: F.conv2d(x, w, b, **arguments), inputs, layout, **arguments)

transposed = [
    ((2, 3, 4, 5), (3, 4, 3, 3), True, {}),
    ((2, 3, 4, 5), (3, 2, 3, 2), False, dict(stride=(2, 3), padding=(1, 0), output_padding=(1, 2))),
    ((1, 4, 3, 3), (4, 2, 3, 3), True, dict(groups=2, stride=(2, 2), padding=(1, 1), output_padding=(1, 1))),
    ((2, 4, 3, 4), (4, 1, 2, 3), True, dict(groups=4, dilation=(2, 2))),
    ((2, 3, 3, 4), (3, 2, 3, 3), True, dict(dilation=(3, 2), output_padding=(2, 1))),
    ((1, 1, 1, 1), (1, 2, 2, 2), True, dict(stride=(2, 2))),
    ((0, 2, 3, 3), (2, 3, 2, 2), True, {}),
    ((1, 16, 3, 4), (16, 8, 4, 4), True, dict(stride=(2, 2), padding=(1, 1))),
    ((3, 4, 4), (3, 2, 2, 2), False, {}),
]
for x, w, bias, arguments in transposed:
    for dtype, layout in few if w[0] == 16 else both:
        outs = w[1] * arguments.get("groups", 1)
        inputs = [randn(dtype, *x), randn(dtype, *w)] + ([randn(dtype, outs)] if bias else [])
        cases.add("convTranspose2d", lambda x, w, b=None: F.conv_transpose2d(x, w, b, **arguments), inputs, layout, **arguments)

write("convolutions")

images = [(2, 3, 7, 6), (1, 1, 4, 4), (0, 2, 5, 4), (3, 5, 6)]
pools = [dict(kernel=(2, 2), stride=(2, 2)), dict(kernel=(3, 2), stride=(1, 2), padding=(1, 1)),
         dict(kernel=(4, 3), stride=(3, 3), padding=(2, 0)), dict(kernel=(1, 1), stride=(2, 1))]
for shape in images:
    for p in pools:
        arguments = (p["kernel"], p["stride"], p.get("padding", 0))
        for dtype, layout in few:
            # Few values, so that many elements of a window are equal.
            x = torch.randint(-2, 3, shape).to(dtype)
            cases.add("maxPool2d", lambda x: F.max_pool2d(x, *arguments), [x], layout, **p)
            x = randn(dtype, *shape)
            cases.add("maxPool2d", lambda x: F.max_pool2d(x, *arguments), [x], layout, **p)
            cases.add("avgPool2d", lambda x: F.avg_pool2d(x, *arguments), [x], layout, countsPadding=True, **p)
            cases.add("avgPool2d", lambda x: F.avg_pool2d(x, *arguments, count_include_pad=False), [x], layout, countsPadding=False, **p)
    for size in [(1, 1), (2, 3), (4, 4), (7, 9)]:
        for dtype, layout in few:
            cases.add("adaptiveAvgPool2d", lambda x: F.adaptive_avg_pool2d(x, size), [randn(dtype, *shape)], layout, size=size)
special = torch.tensor([1, float("nan"), 2, -float("inf"), -float("inf"), -float("inf"), 3, float("inf")]).reshape(1, 1, 2, 4)
cases.add("maxPool2d", lambda x: F.max_pool2d(x, 2), [special], kernel=(2, 2), stride=(2, 2))

write("pooling")

shapes = [(1,), (5,), (3, 4), (1, 7), (2, 3, 5), (2, 1, 3, 2), (0, 3), (3, 0)]
for shape in shapes:
    for dtype, layout in both:
        for axis in {0, len(shape) - 1, -1, len(shape) // 2}:
            # Not so far apart that the gradient is a difference of much larger numbers.
            x = randn(dtype, *shape)
            cases.add("softmax", lambda x: F.softmax(x, axis), [x], layout, axis=axis)
            cases.add("logSoftmax", lambda x: F.log_softmax(x, axis), [x], layout, axis=axis)
        x = randn(dtype, *shape) * 3
        cases.add("relu", F.relu, [x], layout)
        cases.add("leakyRelu", F.leaky_relu, [x], layout, slope=0.01)
        cases.add("leakyRelu", lambda x: F.leaky_relu(x, 0.3), [x], layout, slope=0.3)
        cases.add("gelu", F.gelu, [x], layout)
        cases.add("silu", F.silu, [x], layout)
        cases.add("threshold", lambda x: F.threshold(x, 0.5, -2), [x], layout, limit=0.5, value=-2)
for dtype, layout in few:
    edge = torch.tensor([[0.0, -0.0, 1.0, 0.5], [-1.0, 40.0, -40.0, 1e-8], [300.0, -300.0, 88.0, -88.0]], dtype=dtype)
    for op, f in [("relu", F.relu), ("leakyRelu", F.leaky_relu), ("gelu", F.gelu), ("silu", F.silu)]:
        cases.add(op, f, [edge], layout, **(dict(slope=0.01) if op == "leakyRelu" else {}))
    cases.add("threshold", lambda x: F.threshold(x, 0.5, 7), [edge], layout, limit=0.5, value=7)
    cases.add("softmax", lambda x: F.softmax(x, 1), [edge], layout, axis=1)
    cases.add("logSoftmax", lambda x: F.log_softmax(x, 1), [edge], layout, axis=1)
for dtype in [torch.int32, torch.int64, torch.uint8]:
    x = torch.randint(0 if dtype == torch.uint8 else -5, 6, (3, 4), dtype=dtype)
    for layout in ["contiguous", "reversed"]: cases.add("relu", F.relu, [x], layout)

write("activations")


def batch_norm(training, momentum, eps, affine):
    def run(x, mean, variance, w=None, b=None):
        mean, variance = mean.detach().clone(), variance.detach().clone()
        return F.batch_norm(x, mean, variance, w, b, training, momentum, eps), mean, variance
    return run


# No groups of one or two: their exact gradients are 0 or nearly, and what PyTorch gives is its rounding.
for shape in [(4, 3), (5, 1), (3, 2, 5), (2, 3, 4, 5), (1, 2, 3, 2), (5, 4, 1, 1), (0, 3), (0, 2, 3, 4)]:
    for dtype, layout in both:
        for training in [True, False]:
            for affine, momentum, eps in [(True, 0.1, 1e-5), (False, 0.7, 1e-2)]:
                c = shape[1]
                x = randn(dtype, *shape) * 2 + 1
                inputs = [x, randn(dtype, c), randn(dtype, c).abs() + 0.5] + ([randn(dtype, c), randn(dtype, c)] if affine else [])
                cases.add("batchNorm", batch_norm(training, momentum, eps, affine), inputs, layout,
                          training=training, momentum=momentum, epsilon=eps)
for shape, over in [((4, 3), (3,)), ((2, 3, 4), (4,)), ((2, 3, 4), (3, 4)), ((5,), (5,)), ((1, 6), (6,)), ((0, 4), (4,)), ((2, 2, 3, 3), (2, 3, 3))]:
    for dtype, layout in both:
        for parameters in range(3):
            inputs = [randn(dtype, *shape) * 2 + 1] + [randn(dtype, *over) for _ in range(parameters)]
            cases.add("layerNorm", lambda x, w=None, b=None: F.layer_norm(x, over, w, b, 1e-3), inputs, layout, over=over, epsilon=1e-3)

for rows, width, shape in [(5, 3, (4,)), (7, 1, (2, 3)), (1, 4, (2, 1, 2)), (6, 2, ()), (3, 2, (0,)), (4, 5, (9,))]:
    for dtype, layout in both:
        for index in [torch.int64, torch.int32]:
            for padding in [None, 0]:
                i = torch.randint(rows, shape, dtype=index)
                arguments = {} if padding is None else dict(paddingIndex=padding)
                cases.add("embedding", lambda i, w: F.embedding(i, w, padding_idx=padding), [i, randn(dtype, rows, width)], layout, **arguments)
write("normalizations")
