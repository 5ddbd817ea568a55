"""PyTorch's elementwise ops and reductions for TensorElementwiseTests.swift.

torch 2.13.0+cpu:  PYTHONPATH=../../Support python elementwise.py > elementwise.json
"""
import torch
from pytorch_cases import Cases

torch.manual_seed(7)
cases = Cases()
inf, nan = float("inf"), float("nan")
floats = [torch.float32, torch.float64]


def draw(shape, dtype, low=-2.0, high=2.0): return torch.rand(shape, dtype=dtype) * (high - low) + low


# Two operands: every way of broadcasting, scalars, size 1, empty.
pairs = [((), ()), ((3, 5), (3, 5)), ((3, 5), (5,)), ((3, 1), (1, 7)), ((2, 1, 3), (4, 1)), ((5,), ()), ((0, 3), (1, 3)),
         ((2, 3, 1, 2), (3, 4, 1))]
binary = {
    "add": torch.add, "subtract": torch.sub, "multiply": torch.mul, "divide": torch.div,
    "maximum": torch.maximum, "minimum": torch.minimum,
}
for dtype in floats:
    for op, f in binary.items():
        for i, (a, b) in enumerate(pairs):
            cases.add(op, f, [draw(a, dtype), draw(b, dtype)], layout="reversed" if i % 2 else "contiguous")
    for i, (a, b) in enumerate(pairs):
        layout = "reversed" if i % 2 else "contiguous"
        cases.add("power", torch.pow, [draw(a, dtype, 0.1), draw(b, dtype)], layout=layout)
        cases.add("where", torch.where, [torch.rand(b) > 0.5, draw(a, dtype), draw(b, dtype)], layout=layout)
    # Equals, zeros, infinities and NaN.
    x = torch.tensor([0.0, 1, 1, -1, inf, -inf, nan, 2, nan, 0], dtype=dtype)
    y = torch.tensor([0.0, 1, 2, -2, inf, inf, 1, nan, nan, -1], dtype=dtype)
    for op in ["add", "subtract", "multiply", "divide", "maximum", "minimum"]: cases.add(op, binary[op], [x, y])
    cases.add("power", torch.pow, [torch.tensor([0.0, 0, 0, 2, -2, -2, 1, 0.5], dtype=dtype),
                                   torch.tensor([0.0, 2, -1, 0, 2, 3, 0, -2], dtype=dtype)])
    for k in [2.0, -1.5, 0.5, 0.0, 1.0, 3.0]:
        for shape in [(3, 4), (), (1,), (0,)]:
            cases.add("powerNumber", lambda x: x.pow(k), [draw(shape, dtype, 0.2)], k=k)
    cases.add("powerNumber", lambda x: x.pow(2), [torch.tensor([0.0, -1, 2, -3], dtype=dtype)], k=2)
    for op, f in {"plus": lambda x, k: x + k, "from": lambda x, k: k - x, "minus": lambda x, k: x - k,
                  "times": lambda x, k: x * k, "over": lambda x, k: x / k, "under": lambda x, k: k / x}.items():
        for shape in [(), (4, 3), (1,), (0, 2)]:
            cases.add(op, lambda x: f(x, 0.75), [draw(shape, dtype, 0.5)], k=0.75, layout="reversed")
for dtype in floats + [torch.int64, torch.int32, torch.uint8]:
    x = torch.randint(0, 4, (3, 5)).to(dtype); y = torch.randint(0, 4, (5,)).to(dtype)
    for op, f in {"equal": torch.eq, "notEqual": torch.ne, "less": torch.lt, "lessOrEqual": torch.le,
                  "greater": torch.gt, "greaterOrEqual": torch.ge}.items():
        cases.add(op, f, [x, y], grad=False, layout="reversed")
        cases.add(op + "Number", lambda x: f(x, 2), [x], grad=False)
    for op, f in {"add": torch.add, "multiply": torch.mul, "divide": torch.div, "maximum": torch.maximum,
                  "minimum": torch.minimum}.items():
        if not dtype.is_floating_point: cases.add(op, f, [x, y + 1], grad=False)

# One operand, on its domain; then the edges of the domain.
everywhere = dict(low=-3.0, high=3.0)
unary = {
    "abs": (torch.abs, everywhere), "sign": (torch.sign, everywhere), "square": (torch.square, everywhere),
    "sqrt": (torch.sqrt, dict(low=0.01)), "reciprocal": (torch.reciprocal, dict(low=0.2)), "exp": (torch.exp, everywhere),
    "expm1": (torch.expm1, everywhere), "log": (torch.log, dict(low=0.01)), "log2": (torch.log2, dict(low=0.01)),
    "log10": (torch.log10, dict(low=0.01)), "log1p": (torch.log1p, dict(low=-0.9)), "sin": (torch.sin, everywhere),
    "cos": (torch.cos, everywhere), "tan": (torch.tan, dict(low=-1.4, high=1.4)), "asin": (torch.asin, dict(low=-0.95, high=0.95)),
    "acos": (torch.acos, dict(low=-0.95, high=0.95)), "atan": (torch.atan, everywhere), "sinh": (torch.sinh, everywhere),
    "cosh": (torch.cosh, everywhere), "tanh": (torch.tanh, everywhere), "erf": (torch.erf, everywhere),
    "sigmoid": (torch.sigmoid, dict(low=-8.0, high=8.0)), "floor": (torch.floor, everywhere), "ceil": (torch.ceil, everywhere),
    "round": (torch.round, everywhere), "trunc": (torch.trunc, everywhere), "negate": (torch.neg, everywhere),
}
for dtype in floats:
    for op, (f, domain) in unary.items():
        for shape, layout in [((), "contiguous"), ((7, 3), "reversed"), ((1,), "contiguous"), ((0, 2), "contiguous")]:
            cases.add(op, f, [draw(shape, dtype, **domain)], layout=layout)
        if op not in ("asin", "acos"):
            cases.add(op, f, [torch.tensor([0.0, -0.0, inf, -inf, nan, -1.0, 0.5, -0.5, 1.5, 2.5], dtype=dtype)])
        else:
            cases.add(op, f, [torch.tensor([0.0, 1.0, -1.0, 2.0, nan], dtype=dtype)])
    for least, most in [(-1.0, 1.0), (-inf, 0.5), (0.0, inf), (1.0, -1.0)]:
        x = torch.tensor([-1.0, 1.0, 0.5, 0.0, 3.0, -3.0, nan, inf, -inf], dtype=dtype)
        clamp = lambda x: x.clamp(None if least == -inf else least, None if most == inf else most)
        cases.add("clamp", clamp, [x], least=least if least > -inf else None, most=most if most < inf else None)
        cases.add("clamp", clamp, [draw((3, 4), dtype)], layout="reversed",
                  least=least if least > -inf else None, most=most if most < inf else None)
cases.add("clamp", lambda x: x.clamp(min=2), [torch.tensor([1, 2, 3])], least=2, most=None)

# Conversion: gradients pass between floats.
for x in [draw((2, 3), torch.float32), draw((2, 3), torch.float64), torch.tensor([-2, 0, 3]), torch.tensor([True, False])]:
    for target in floats + [torch.int64, torch.int32, torch.bool]:
        cases.add("to", lambda x: x.to(target), [x], dtype=str(target).removeprefix("torch."))

# Reductions.
shapes = [((2, 3, 4), None), ((2, 3, 4), [0]), ((2, 3, 4), [-1]), ((2, 3, 4), [0, 2]), ((5,), [0]), ((), None), ((1, 1), [1]),
          ((3, 7), [1]), ((2, 1, 3, 2), [1, 3])]
reductions = {
    "sum": lambda x, axes, keep: x.sum(axes, keepdim=keep) if axes else x.sum(),
    "mean": lambda x, axes, keep: x.mean(axes, keepdim=keep) if axes else x.mean(),
    "max": lambda x, axes, keep: x.amax(axes or (), keepdim=keep),
    "min": lambda x, axes, keep: x.amin(axes or (), keepdim=keep),
    "variance": lambda x, axes, keep: x.var(axes, keepdim=keep),
    "standardDeviation": lambda x, axes, keep: x.std(axes, keepdim=keep),
    "variance0": lambda x, axes, keep: x.var(axes, correction=0, keepdim=keep),
    "norm": lambda x, axes, keep: torch.linalg.vector_norm(x, dim=axes, keepdim=keep),
}
for dtype in floats:
    for i, (shape, axes) in enumerate(shapes):
        layout = "reversed" if i % 2 else "contiguous"
        for keep in [False, True] if axes else [False]:
            for op, f in reductions.items():
                if "ariance" in op or "Dev" in op:
                    if shape in [(), (1, 1), (2, 1, 3, 2)]: continue
                cases.add(op, lambda x: f(x, axes, keep), [draw(shape, dtype)], layout=layout, axes=axes, keep=keep)
            if axes: cases.add("logSumExp", lambda x: x.logsumexp(axes, keepdim=keep), [draw(shape, dtype)], layout=layout,
                               axes=axes, keep=keep)
            if axes and len(axes) == 1:
                for op, f in {"argmax": torch.argmax, "argmin": torch.argmin}.items():
                    cases.add(op, lambda x: f(x, axes[0], keepdim=keep), [draw(shape, dtype)], layout=layout, axis=axes[0], keep=keep)
                cases.add("product", lambda x: x.prod(axes[0], keepdim=keep), [draw(shape, dtype)], layout=layout, axes=axes,
                          keep=keep)
        if axes is None:
            cases.add("product", lambda x: x.prod(), [draw(shape, dtype)], axes=None, keep=False)
            for op, f in {"argmax": torch.argmax, "argmin": torch.argmin}.items():
                cases.add(op, lambda x: f(x), [draw(shape, dtype)], layout=layout, axis=None, keep=False)
    # Edges: empty, NaN, equals, zeros.
    for op in ["sum", "mean", "norm", "variance"]:
        cases.add(op, lambda x: reductions[op](x, [0], False), [draw((0, 3), dtype)], axes=[0], keep=False)
    cases.add("sum", lambda x: x.sum(), [draw((0,), dtype)], axes=None, keep=False)
    cases.add("product", lambda x: x.prod(0), [draw((0, 2), dtype)], axes=[0], keep=False)
    cases.add("logSumExp", lambda x: x.logsumexp([0]), [draw((0, 2), dtype)], axes=[0], keep=False)
    cases.add("variance", lambda x: x.var([1]), [draw((3, 1), dtype)], axes=[1], keep=False)
    equal = torch.tensor([[1.0, 2, 2], [3, 3, 3], [0, -1, 0]], dtype=dtype)
    for op in ["max", "min", "norm", "standardDeviation", "sum"]:
        cases.add(op, lambda x: reductions[op](x, [1], False), [equal], axes=[1], keep=False)
    for op in ["max", "min", "sum"]:
        odd = torch.tensor([[1.0, nan, 2], [inf, 1, 2], [-inf, inf, 0]], dtype=dtype)
        cases.add(op, lambda x: reductions[op](x, [1], False), [odd], axes=[1], keep=False)
    for op, f in {"argmax": torch.argmax, "argmin": torch.argmin}.items():
        cases.add(op, lambda x: f(x, 1), [torch.tensor([[1.0, nan, 2, nan], [2, 1, 2, 1]], dtype=dtype)], axis=1, keep=False)
    cases.add("norm", lambda x: reductions["norm"](x, [1], False), [torch.zeros(2, 3, dtype=dtype)], axes=[1], keep=False)
    zeros = torch.tensor([[0.0, 2, 3], [0, 0, 3], [1, 2, 3]], dtype=dtype)
    cases.add("product", lambda x: x.prod(1), [zeros], axes=[1], keep=False)
    cases.add("logSumExp", lambda x: x.logsumexp([1]), [torch.tensor([[1000.0, 1000], [-1000, -999], [-inf, 1], [inf, 1]], dtype=dtype)],
              axes=[1], keep=False)
for dtype in [torch.int64, torch.int32, torch.uint8, torch.bool]:
    x = torch.randint(0, 4, (3, 5)).to(dtype)
    cases.add("sum", lambda x: x.sum([1]), [x], axes=[1], keep=False)
    cases.add("product", lambda x: x.prod(1), [x], axes=[1], keep=False)
    cases.add("max", lambda x: x.amax([0]), [x], axes=[0], keep=False)
    cases.add("min", lambda x: x.amin([0]), [x], axes=[0], keep=False)
    if dtype != torch.bool: cases.add("argmax", lambda x: x.argmax(1), [x], axis=1, keep=False)
cases.dump()
