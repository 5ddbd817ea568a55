"""Recurrent modules and attention of PyTorch: how they print, the names and shapes of their parameters, and what they
compute from given parameters, in every layout of input.

torch 2.13.0+cpu, one thread:  python recurrent.py > recurrent.json
"""
import json
import torch
from torch import nn

torch.manual_seed(5)
torch.set_num_threads(1)
networks = {
    "rnn": nn.RNN(3, 4),
    "rnn relu": nn.RNN(3, 4, 2, nonlinearity="relu", batch_first=True),
    "lstm": nn.LSTM(3, 4),
    "lstm both": nn.LSTM(3, 2, 2, bidirectional=True, batch_first=True),
    "lstm no bias": nn.LSTM(2, 3, 2, bias=False),
    "gru": nn.GRU(3, 4, bidirectional=True),
    "gru deep": nn.GRU(2, 3, 3, batch_first=True),
    "attention": nn.MultiheadAttention(4, 2),
    "attention batch first": nn.MultiheadAttention(6, 3, bias=False, batch_first=True),
}


def packed(t): return {"shape": list(t.shape), "values": [float(f"{v:.9g}") for v in t.detach().flatten().tolist()]}


result = {}
for name, net in networks.items():
    bounds = {n: float(p.abs().max()) for n, p in net.named_parameters()}
    for p in net.parameters(): nn.init.normal_(p, std=0.7)
    calls = []
    features = net.embed_dim if name.startswith("attention") else net.input_size
    for shape in [(5, 2, features), (1, 1, features), (4, features)]:
        x = torch.randn(shape)
        outputs = net(x, x, x) if name.startswith("attention") else net(x)
        y, end = outputs
        calls.append({"input": packed(x), "outputs": [packed(t) for t in ([y, *end] if isinstance(end, tuple) else [y, end])]})
    result[name] = {"printed": str(net), "names": [n for n, _ in net.named_parameters()],
                    "parameters": [packed(p) for p in net.parameters()], "zeros": [n for n, b in bounds.items() if b == 0],
                    "calls": calls}
print("{\n" + ",\n".join(json.dumps(n) + ": " + json.dumps(v) for n, v in result.items()) + "\n}")
