"""What PyTorch prints for TensorPrintingTests.swift. The names of gradient functions lose the 0 at their end before the lines
are broken.

torch 2.13.0+cpu:  PYTHONPATH=../../Support python printing.py > printing.json
"""
import json
import re
import torch
from pytorch_cases import packed

torch.manual_seed(9)
join = torch._tensor_str._add_suffixes
torch._tensor_str._add_suffixes = lambda text, suffixes, indent, force_newline: join(
    text, [re.sub(r"Backward\d", "Backward", s) for s in suffixes], indent, force_newline)
inf, nan = float("inf"), float("nan")
cases = []


def add(x, make="", y=None):
    """make: what the test does to x before it prints; y: PyTorch's result of that."""
    cases.append({"input": packed(x), "make": make, "text": str(x if y is None else y)})


for dtype in [torch.float32, torch.float64]:
    for v in [[1.0, 2, 3], [1.5, 2, -3], [0.0], [], [1e-5, 1], [1e9, 1], [1e9], [123456.0, 1], [1e3, 1], [1001.0, 1], [0.1, 100], [0.1, 101],
              [nan], [nan, inf, -inf], [nan, 1], [inf, 1.5], [-inf, 1e10], [1e-4], [0.99e-4], [0.5, -0.0], [1e30, 2e30], [12345.678],
              [99999999.0], [100000001.0], [2.00005, 1], [1e-40], [0.12345678, 22.5, -333.125], [0.0, 0, 0], [-1.0, 20]]:
        add(torch.tensor(v, dtype=dtype))
    for shape in [(), (1,), (20,), (3, 4), (2, 3, 4), (2, 1, 2, 3), (30, 2), (5, 30), (0, 3), (2, 0), (0,), (1, 1, 1), (1001,), (1000,), (40, 30),
                  (7, 3, 60), (8, 7, 20), (3, 400), (400, 3), (6, 6, 40), (2, 8, 9, 10), (13,), (12,)]:
        add(torch.randn(shape, dtype=dtype))
        add(torch.arange(torch.Size(shape).numel(), dtype=dtype).reshape(shape))
    add(torch.randn(50, 50, dtype=dtype) * 10 ** (torch.rand(50, 50, dtype=dtype) * 8 - 4))
for dtype in [torch.int64, torch.int32, torch.uint8, torch.bool]:
    for shape in [(), (1,), (20,), (3, 4), (2, 3, 4), (0,), (0, 2), (1200,), (60, 30)]:
        add((torch.arange(torch.Size(shape).numel()) % 200).reshape(shape).to(dtype))
    add(torch.tensor([0, 1, 1, 0]).to(dtype))
add(torch.tensor([-5, 100, 3]))
add(torch.tensor([2**52, -1]))
for shape in [(3,), (2, 3), (20,), (6, 9), (1, 9), (40, 30), (), (0, 2)]:
    for dtype in [torch.float32, torch.float64]:
        x = torch.randn(shape, dtype=dtype).requires_grad_()
        add(x, "leaf")
        add(x, "add", x + x)
        add(x, "sum", x.sum())
        add(x, "sigmoid", x.sigmoid())
for n in range(1, 40): add(torch.ones(n, requires_grad=True), "leaf")
print("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]")
