"""The notebooks' own classes in PyTorch: how they print, the names of their parameters, and of one call with given
parameters the output, every module's output, the gradients, a forecast and what is generated.

The first three classes are those of ../shared/golden/generate.py; the others are what the notebooks ask for.
torch 2.13.0+cpu, one thread:  python networks.py > networks.json
"""
import json
import torch
from torch import nn

torch.manual_seed(7)
torch.set_num_threads(1)


class ClassifierNet(nn.Module):
    def __init__(s, i, o, layers, nodes, act, out):
        super().__init__(); s.layer_list = nn.ModuleList([nn.Linear(i if n == 0 else nodes, nodes) for n in range(layers)])
        s.output_layer = nn.Linear(nodes, o); s.activation = act; s.output_activation = out
    def forward(s, x):
        for l in s.layer_list: x = s.activation(l(x))
        x = s.output_layer(x); return x if s.output_activation is None else s.output_activation(x)


class AE(nn.Module):
    def __init__(s, i, h):
        super().__init__(); s.net = nn.Sequential(nn.Flatten(), nn.Linear(i, h), nn.ReLU(), nn.Linear(h, i), nn.Sigmoid())
    def forward(s, x): return s.net(x).view(-1, 3, 2).unsqueeze(1)


class RNN(nn.Module):
    def __init__(s, i, h, o, act):
        super().__init__(); s.h, s.act = h, act
        s.w_hh = nn.Parameter(torch.empty(h, h)); s.w_hx = nn.Parameter(torch.empty(h, i)); s.w_yh = nn.Parameter(torch.empty(o, h))
        s.b_h = nn.Parameter(torch.zeros(h, 1)); s.b_y = nn.Parameter(torch.zeros(o, 1))
        for w in (s.w_hh, s.w_hx, s.w_yh): nn.init.kaiming_uniform_(w)
    def forward(s, ts):
        h = torch.zeros(s.h, 1); out = []
        for x in ts:
            h = s.act(torch.mm(s.w_hx, x) + torch.mm(s.w_hh, h) + s.b_h); out.append(torch.mm(s.w_yh, h) + s.b_y)
        return torch.cat(out), h


class BinaryClassifierNet(ClassifierNet):
    """Systems S20 and S22: Threshold(0.5, 0)(a) / a for the hidden activations a."""
    def _get_name(s): return "ClassifierNet"
    def forward(s, x):
        for l in s.layer_list: a = s.activation(l(x)); x = nn.functional.threshold(a, 0.5, 0) / a
        x = s.output_layer(x); return x if s.output_activation is None else s.output_activation(x)


class Parabola(nn.Module):
    def __init__(s): super().__init__(); s.w = nn.Parameter(torch.ones(())); s.b = nn.Parameter(torch.ones(()))
    def forward(s, x): return s.w * x ** 2 + s.b


class Point(nn.Module):
    def __init__(s, start): super().__init__(); s.x = nn.Parameter(torch.tensor(float(start)))
    def forward(s, samples): return s.x.expand(len(samples), 1)


class SequenceNet(nn.Module):
    def __init__(s, rnn, o):
        super().__init__(); s.rnn = rnn; s.head = nn.Linear(rnn.hidden_size * (2 if rnn.bidirectional else 1), o)
    def forward(s, x): return s.head(s.rnn(x)[0])


def hidden(state): return state[0] if isinstance(state, tuple) else state


class SequenceAutoencoder(nn.Module):
    def __init__(s, cell, f, length, h):
        super().__init__(); s.length, s.f = length, f; s.encoder = cell(f, h, batch_first=True)
        s.decoder = cell(h, h, batch_first=True); s.head = nn.Linear(h, f); s.output_activation = nn.Sigmoid()
    def forward(s, x):
        code = hidden(s.encoder(x.reshape(-1, s.length, s.f))[1])[-1]
        y = s.decoder(code.unsqueeze(1).repeat(1, s.length, 1))[0]
        return s.output_activation(s.head(y)).reshape(x.shape)


class Seq2Seq(nn.Module):
    def __init__(s, cell, symbols, h):
        super().__init__(); s.symbols = symbols; s.encoder = cell(symbols + 1, h, batch_first=True)
        s.decoder = cell(symbols + 1, h, batch_first=True); s.head = nn.Linear(h, symbols)
    def forward(s, x): return s.head(s.decoder(x[:, 1], s.encoder(x[:, 0])[1])[0]).transpose(1, 2)
    def generate(s, source):
        state, last, out = s.encoder(source)[1], torch.full((len(source),), s.symbols), []
        for _ in range(source.shape[1]):
            y, state = s.decoder(nn.functional.one_hot(last, s.symbols + 1).float().unsqueeze(1), state)
            last = s.head(y)[:, 0].argmax(1); out.append(last)
        return torch.stack(out, 1).tolist()


def packed(t): return {"shape": list(t.shape), "values": [float(f"{v:.9g}") for v in t.detach().flatten().tolist()]}


def run(net, x):
    """The output for a batch; the notebook's RNN takes one series at a time, as [T, I, 1]."""
    if not isinstance(net, RNN): return net(x)
    return torch.stack([net(series.unsqueeze(2))[0].view(len(series), -1) for series in x])


def forecast(net, x, steps):
    """Without a state handed on: the whole series again for each step."""
    for _ in range(steps): x = torch.cat([x, run(net, x)[:, -1:]], 1)
    return x[:, -steps:]


def activations(net, x):
    """The output of every module in its last call; of the RNN's activation all of them, [N, T, H]."""
    found, calls, hooks = {}, {}, []
    for name, module in net.named_modules():
        def note(module, _, output, name=name):
            if isinstance(output, tuple):
                output = hidden(output[1])[-1] if name == "encoder" else output[0]
            found[name] = output; calls.setdefault(name, []).append(output)
        hooks.append(module.register_forward_hook(note))
    y = run(net, x)
    for h in hooks: h.remove()
    if isinstance(net, RNN): found = {"": y, "act": torch.stack(calls["act"]).reshape(len(x), x.shape[1], -1)}
    return found


def one_hot(*shape): return nn.functional.one_hot(torch.randint(shape[-1], shape[:-1]), shape[-1]).float()


networks = {
    "rings": (ClassifierNet(2, 1, 1, 3, nn.Sigmoid(), nn.Sigmoid()), torch.randn(5, 2)),
    "wave": (ClassifierNet(1, 1, 1, 10, nn.Sigmoid(), None), torch.randn(4, 1)),
    "deep": (ClassifierNet(3, 2, 3, 4, nn.ReLU(), nn.Softmax(dim=1)), torch.randn(4, 3)),
    "binary": (BinaryClassifierNet(1, 1, 1, 10, nn.Sigmoid(), None), torch.randn(6, 1)),
    "autoencoder": (AE(6, 3), torch.rand(4, 1, 3, 2)),
    "elman": (RNN(1, 4, 1, nn.Tanh()), torch.randn(2, 6, 1)),
    "elman relu": (RNN(3, 5, 2, nn.ReLU()), torch.randn(3, 4, 3)),
    "parabola": (Parabola(), torch.linspace(-2, 2, 9).unsqueeze(1)),
    "point": (Point(1), torch.zeros(3, 1)),
    "sequence rnn": (SequenceNet(nn.RNN(2, 4, batch_first=True), 2), torch.randn(3, 5, 2)),
    "sequence relu": (SequenceNet(nn.RNN(1, 4, nonlinearity="relu", batch_first=True), 1), torch.randn(1, 5, 1)),
    "sequence lstm": (SequenceNet(nn.LSTM(1, 3, 2, batch_first=True), 1), torch.randn(2, 5, 1)),
    "sequence gru": (SequenceNet(nn.GRU(1, 3, batch_first=True), 1), torch.randn(2, 5, 1)),
    "sequence both": (SequenceNet(nn.GRU(2, 3, batch_first=True, bidirectional=True), 1), torch.randn(2, 4, 2)),
    "series autoencoder": (SequenceAutoencoder(nn.GRU, 3, 4, 2), torch.rand(2, 1, 4, 3)),
    "series autoencoder lstm": (SequenceAutoencoder(nn.LSTM, 2, 3, 4), torch.rand(3, 3, 2)),
    "seq2seq": (Seq2Seq(nn.LSTM, 4, 8), one_hot(4, 2, 6, 5)),
    "seq2seq gru": (Seq2Seq(nn.GRU, 4, 6), one_hot(3, 2, 5, 5)),
}
result = {}
for name, (net, x) in networks.items():
    first = {n: packed(p) for n, p in net.named_parameters() if p.dim() == 0 or float(p.detach().abs().max()) == 0}
    for p in net.parameters(): nn.init.normal_(p, std=1 if isinstance(net, Seq2Seq) else 0.7)  # 1: so that what is generated varies
    x.requires_grad = True
    y = run(net, x)
    seed = torch.randn_like(y)
    y.backward(seed)
    known = {"printed": str(net), "names": [n for n, _ in net.named_parameters()],
             "parameters": [packed(p) for p in net.parameters()], "constants": first, "input": packed(x),
             "output": packed(y), "seed": packed(seed), "inputGradient": None if x.grad is None else packed(x.grad),
             "gradients": [packed(torch.zeros_like(p) if p.grad is None else p.grad) for p in net.parameters()]}
    with torch.no_grad():
        known["activations"] = {n: packed(t) for n, t in activations(net, x).items()}
        if name in ("elman", "sequence rnn", "sequence relu", "sequence lstm", "sequence gru"):
            known["forecast"] = packed(forecast(net, x[:1], 4))
        if isinstance(net, Seq2Seq):
            known["generated"] = net.generate(x[:, 0])
            labels = torch.randint(net.symbols, (len(x), x.shape[2]))
            known["labels"] = {"shape": list(labels.shape), "values": labels.flatten().tolist()}
            known["crossEntropy"] = nn.CrossEntropyLoss()(y, labels).item()
    result[name] = known
print("{\n" + ",\n".join(json.dumps(n) + ": " + json.dumps(v) for n, v in result.items()) + "\n}")
