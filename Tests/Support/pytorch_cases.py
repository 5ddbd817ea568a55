"""Cases of PyTorch's results for PyTorchCase.swift: imported by the scripts in the Golden folders.

A script collects cases with `Cases.add` and prints them with `Cases.dump`; the version of torch and the command stand in
its own docstring. Every case keeps inputs, arguments, outputs, the seeds of the backward pass and the gradients.
"""
import json
import torch

torch.set_num_threads(1)


def packed(t, layout="contiguous"):
    """layout "reversed": the test rebuilds the same values in memory with the axes in reverse order (a view that is not
    contiguous). Floats in as many digits as tell them from their neighbours; inf and nan as text."""
    digits = 17 if t.dtype == torch.float64 else 9
    def number(v):
        if t.dtype == torch.bool: return int(v)
        if not t.dtype.is_floating_point: return v
        return float(f"{v:.{digits}g}") if abs(v) < float("inf") else str(v)
    return {"shape": list(t.shape), "dtype": str(t.dtype).removeprefix("torch."), "layout": layout,
            "values": [number(v) for v in t.detach().flatten().tolist()]}


class Cases:
    def __init__(self): self.all = []

    def add(self, op, f, inputs, layout="contiguous", grad=True, **arguments):
        """Runs f(*inputs) -> a tensor or a tuple of tensors, and backward through its floating-point outputs with random
        seeds. Only float inputs get gradients; `arguments` are for the Swift side (numbers, booleans, text, lists)."""
        inputs = [x.detach().clone() for x in inputs]
        leaves = [x.requires_grad_() if grad and x.dtype.is_floating_point else x for x in inputs]
        outputs = f(*leaves)
        outputs = list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]
        wanted = [(i, y) for i, y in enumerate(outputs) if y.requires_grad]
        seeds = {i: torch.randn_like(y) for i, y in wanted}
        if wanted: torch.autograd.backward([y for _, y in wanted], [seeds[i] for i, _ in wanted])
        self.all.append({
            "op": op, "arguments": arguments, "inputs": [packed(x, layout) for x in inputs],
            "outputs": [packed(y) for y in outputs],
            "seeds": [packed(seeds[i]) if i in seeds else None for i in range(len(outputs))],
            "gradients": [packed(x.grad) if x.grad is not None else None for x in leaves]})

    def dump(self): print("[\n" + ",\n".join(json.dumps(c) for c in self.all) + "\n]")
