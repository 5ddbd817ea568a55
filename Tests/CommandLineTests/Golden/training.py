"""What PyTorch makes of a small regression whose gradients are clipped, computed in pieces, or go
through batch normalization.

torch 2.13.0+cpu:  python training.py > training.json

Batches of 9 of 22 rows in file order, 3 epochs of SGD with momentum; float32. Of each step the mean
loss and the gradient's norm before clipping; at the end the state_dict. In float64 all of them differ by less than 2e-6 of themselves (of a tensor's largest
element): what float32's roundings make of it.
"""
import json

import torch
from torch import nn

torch.manual_seed(3)
torch.set_num_threads(1)
ROWS, WIDTH, BATCH, EPOCHS = 22, 4, 9, 3

# Two decimals, so that a text holds them exactly. The columns differ in mean and scale.
scale, shift = torch.tensor([1.0, 3, 0.5, 10]), torch.tensor([0.0, 2, 30, -5])
x = ((torch.randn(ROWS, WIDTH) * scale + shift) * 100).round() / 100
y = ((x[:, :1] * 2 - x[:, 1:2] + torch.randn(ROWS, 1)) * 100).round() / 100


def plain():
    return nn.Sequential(nn.Linear(WIDTH, 6), nn.Tanh(), nn.Linear(6, 1))


def normalized():
    return nn.Sequential(nn.Linear(WIDTH, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 1))


def listed(t):
    # 9 digits tell every float32 from its neighbours.
    return [float(f"{v:.9g}") for v in t.flatten().tolist()]


def train(make, rate, clip=None, piece=None):
    torch.manual_seed(5)
    net = make()
    initial = {name: listed(p) for name, p in net.named_parameters()}
    optimizer = torch.optim.SGD(net.parameters(), lr=rate, momentum=0.9)
    losses, norms = [], []
    for _ in range(EPOCHS):
        for start in range(0, ROWS, BATCH):
            xs, ys = x[start:start + BATCH], y[start:start + BATCH]
            # As even as possible, of `piece` rows at most.
            count = 1 if piece is None else -(-len(xs) // piece)
            optimizer.zero_grad()
            total = 0.0
            for px, py in zip(torch.tensor_split(xs, count), torch.tensor_split(ys, count)):
                loss = nn.functional.mse_loss(net(px), py, reduction="sum") / len(xs)
                loss.backward()
                total += loss.item()
            limit = float("inf") if clip is None else clip
            norms.append(nn.utils.clip_grad_norm_(net.parameters(), limit).item())
            losses.append(total)
            optimizer.step()
    return {"initial": initial, "losses": losses, "norms": norms,
            "state": {name: listed(t) for name, t in net.state_dict().items()}}


print(json.dumps({
    "rows": [[f"{v:.2f}" for v in torch.cat([a, b]).tolist()] for a, b in zip(x, y)],
    "clipped": train(plain, 0.005, clip=10.0),
    "pieces": train(normalized, 0.005, piece=5),
    "whole": train(normalized, 0.005),
}, indent=1))
