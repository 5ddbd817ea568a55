"""PyTorch's RNN, LSTM, GRU and MultiheadAttention: outputs, states and the gradients of inputs, states and parameters.

torch 2.13.0+cpu, one thread:  PYTHONPATH=../../Support python recurrent.py > recurrent.json
"""
import torch
from torch import nn
from torch.func import functional_call
from pytorch_cases import Cases

torch.manual_seed(97)
cases = Cases()

kinds = {"tanh": lambda *a, **k: nn.RNN(*a, **k), "relu": lambda *a, **k: nn.RNN(*a, nonlinearity="relu", **k),
         "lstm": nn.LSTM, "gru": nn.GRU}
for kind, make in kinds.items():
    for dtype in (torch.float32, torch.float64):
        # T, N, F, H, layers, both directions, bias, initial state
        for T, N, F, H, layers, both, bias, stateful in [
                (1, 1, 1, 1, 1, False, True, False), (5, 3, 4, 2, 1, False, True, True),
                (4, 2, 3, 5, 2, False, True, True), (3, 2, 3, 4, 2, True, True, True),
                (6, 1, 2, 3, 1, True, False, True), (2, 3, 1, 2, 3, True, True, False),
                (7, 2, 3, 3, 1, False, False, False),
                (5, 0, 3, 4, 1, False, True, False), (3, 0, 2, 2, 2, True, True, True)]:
            net = make(F, H, num_layers=layers, bidirectional=both, bias=bias).to(dtype)
            names = [n for n, _ in net.named_parameters()]
            D = 2 if both else 1
            states = [torch.randn(layers * D, N, H, dtype=dtype)
                      for _ in range((2 if kind == "lstm" else 1) if stateful else 0)]

            def run(x, *rest):
                s, parameters = rest[:len(states)], rest[len(states):]
                state = None if not s else tuple(s) if kind == "lstm" else s[0]
                y, end = functional_call(net, dict(zip(names, parameters)), (x, state))
                return (y, *end) if kind == "lstm" else (y, end)

            cases.add(kind, run, [torch.randn(T, N, F, dtype=dtype), *states, *net.parameters()],
                      "reversed" if layers == 2 else "contiguous", layers=layers, both=both, bias=bias,
                      states=len(states))

for dtype in (torch.float32, torch.float64):
    for L, S, N, E, heads, bias, mask in [(1, 1, 1, 1, 1, True, None), (3, 5, 2, 4, 2, True, None),
            (4, 4, 3, 6, 3, True, "bool"), (2, 7, 1, 6, 1, False, None), (5, 3, 2, 8, 4, True, "float"),
            (3, 2, 2, 4, 2, False, "each"), (2, 3, 0, 4, 2, True, None)]:
        net = nn.MultiheadAttention(E, heads, bias=bias, batch_first=True).to(dtype)
        nn.init.normal_(net.in_proj_weight, std=0.5)
        if bias: nn.init.normal_(net.in_proj_bias), nn.init.normal_(net.out_proj.bias)
        names = [n for n, _ in net.named_parameters()]
        m = None
        if mask == "bool":
            m = torch.rand(L, S) > 0.6
            m[:, 0] = False  # a row of none but -inf has no softmax
        if mask == "float": m = torch.randn(L, S, dtype=dtype)
        if mask == "each":
            m = torch.rand(N * heads, L, S) > 0.6
            m[:, :, 0] = False

        def run(q, k, v, *rest):
            parameters = rest[1:] if mask else rest
            given = {"attn_mask": rest[0]} if mask else {}
            return functional_call(net, dict(zip(names, parameters)), (q, k, v), given)

        draw = lambda *s: torch.randn(*s, dtype=dtype)
        cases.add("attention", run, [draw(N, L, E), draw(N, S, E), draw(N, S, E), *([m] if mask else []),
                                     *net.parameters()],
                  "reversed" if mask is None else "contiguous", heads=heads, bias=bias, mask=mask is not None)

# 50 steps of a series, as the notebooks have it.
for kind, make in kinds.items():
    for dtype in (torch.float32, torch.float64):
        net = make(1, 4).to(dtype)
        names = [n for n, _ in net.named_parameters()]

        def run(x, *parameters):
            y, end = functional_call(net, dict(zip(names, parameters)), (x,))
            return (y, *end) if kind == "lstm" else (y, end)

        cases.add(kind, run, [torch.randn(50, 1, 1, dtype=dtype), *net.parameters()], layers=1, both=False, bias=True,
                  states=0)
cases.dump()
