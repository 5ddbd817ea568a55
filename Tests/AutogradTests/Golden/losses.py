"""PyTorch's losses: values and gradients of prediction and target.

torch 2.13.0+cpu, one thread:  PYTHONPATH=../../Support python losses.py > losses.json
"""
import torch
import torch.nn.functional as F
from pytorch_cases import Cases

torch.manual_seed(31)
cases = Cases()


def both(op, f, make, layouts=("contiguous", "reversed"), **arguments):
    """float32 and float64; `make(dtype)` gives the inputs."""
    for dtype in (torch.float32, torch.float64):
        for layout in layouts:
            for reduction in ("mean", "sum"):
                cases.add(op, lambda *x: f(*x, reduction=reduction), make(dtype), layout,
                          reduction=reduction, **arguments)


shapes = [(), (1,), (7,), (3, 5), (2, 1, 3), (4, 1), (0,), (0, 3)]
for shape in shapes:
    pair = lambda d: [torch.randn(shape, dtype=d) * 2, torch.randn(shape, dtype=d) * 2]
    both("mse", F.mse_loss, pair)
    both("l1", F.l1_loss, pair)
    for beta in (1.0, 0.3, 0.0, 4.0):
        both("smoothL1", lambda x, y, reduction: F.smooth_l1_loss(x, y, beta=beta, reduction=reduction), pair,
             layouts=("reversed",), beta=beta)
    for delta in (1.0, 0.3, 4.0):
        both("huber", lambda x, y, reduction: F.huber_loss(x, y, delta=delta, reduction=reduction), pair,
             layouts=("reversed",), delta=delta)
    inside = lambda d: [torch.rand(shape, dtype=d) * 0.98 + 0.01, torch.rand(shape, dtype=d)]
    both("bce", F.binary_cross_entropy, inside)
    both("bceWithLogits", F.binary_cross_entropy_with_logits,
         lambda d: [torch.randn(shape, dtype=d) * 5, torch.rand(shape, dtype=d)])
    logs = lambda d: [torch.randn(shape, dtype=d) - 1, torch.rand(shape, dtype=d) + 0.01]
    both("klDiv", F.kl_div, logs)
    both("klDivLog", lambda x, y, reduction: F.kl_div(x, y, log_target=True, reduction=reduction),
         lambda d: [torch.randn(shape, dtype=d) - 1, torch.randn(shape, dtype=d) - 1])
for dtype in (torch.float32, torch.float64):
    for shape in [(4, 3), (1, 1), (5, 2, 3)]:
        x, y = torch.randn(shape, dtype=dtype) - 1, torch.rand(shape, dtype=dtype) + 0.01
        cases.add("klDivBatchMean", lambda x, y: F.kl_div(x, y, reduction="batchmean"), [x, y], "reversed")

# The ends: probabilities of 0 and 1 (the gradient of the target is infinite there: constants), large logits, equal
# elements.
for dtype in (torch.float32, torch.float64):
    y = torch.tensor([0, 1, 0, 1, 0.5, 1, 0], dtype=dtype)
    p = torch.tensor([0, 1, 1, 0, 0, 1e-30, 1 - 1e-7], dtype=dtype)
    cases.add("bceConstantTarget", lambda x: F.binary_cross_entropy(x, y), [p], target=y.tolist())
    x = torch.tensor([1e4, -1e4, 1e4, -1e4, 0, 90, -90], dtype=dtype)
    cases.add("bceWithLogits", F.binary_cross_entropy_with_logits, [x, y], reduction="mean")
    z = torch.tensor([0, 1, 0, 0.5, 0, 0, 1], dtype=dtype)
    cases.add("klDivConstantTarget", lambda x: F.kl_div(x, z, reduction="mean"), [y - 1], target=z.tolist())
    e = torch.tensor([1, 2, 3, 3.5, 2.5, 4, 2], dtype=dtype)
    for op, f in {"mse": F.mse_loss, "l1": F.l1_loss, "smoothL1": F.smooth_l1_loss, "huber": F.huber_loss}.items():
        cases.add(op, f, [e, torch.full_like(e, 3)], reduction="mean", beta=1.0, delta=1.0)

# Classes: [N, C], [N, C, d], [N, C, d, e], [C].
for shape in [(1, 2), (6, 3), (5, 7), (3, 4, 2), (2, 3, 1, 5), (4,), (4, 1)]:
    C = shape[0] if len(shape) == 1 else shape[1]
    scale = 4 if shape[0] > 4 else 1  # few rows: none so sure that the loss is all cancellation
    rest = () if len(shape) == 1 else (shape[0],) + shape[2:]
    for weighted in (False, True):
        for smoothing in (0.0, 0.2):
            for ignored in (None, 1):
                t = torch.randint(C, rest)
                if ignored is not None and t.numel() and C > 1: t.view(-1)[0] = 0  # not all are ignored
                w = torch.rand(C, dtype=torch.float64) + 0.25 if weighted else None
                arguments = dict(targets=t.flatten().tolist(), shape=list(rest), smoothing=smoothing, ignored=ignored,
                                 weights=w.tolist() if weighted else None)
                ignore_index = -100 if ignored is None else ignored
                both("crossEntropy", lambda x, reduction: F.cross_entropy(
                        x, t, w.to(x.dtype) if weighted else None, ignore_index=ignore_index,
                        label_smoothing=smoothing, reduction=reduction),
                     lambda d: [torch.randn(shape, dtype=d) * scale], layouts=("reversed",), **arguments)
                if smoothing == 0:
                    both("nll", lambda x, reduction: F.nll_loss(
                            x, t, w.to(x.dtype) if weighted else None, ignore_index=ignore_index,
                            reduction=reduction),
                         lambda d: [torch.randn(shape, dtype=d) - 2], layouts=("reversed",), **arguments)
            both("crossEntropyProbabilities", lambda x, y, reduction: F.cross_entropy(
                    x, y, w.to(x.dtype) if weighted else None, label_smoothing=smoothing, reduction=reduction),
                 lambda d: [torch.randn(shape, dtype=d) * scale, torch.rand(shape, dtype=d)], layouts=("reversed",),
                 smoothing=smoothing, weights=w.tolist() if weighted else None)
cases.dump()
