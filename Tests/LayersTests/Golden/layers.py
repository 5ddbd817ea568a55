"""How PyTorch prints layers, what state_dict() calls their tensors, and how many parameters they have.

torch 2.13.0+cpu:  python layers.py > layers.json
"""
import json
from torch import nn


class Nested(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU())
        self.blocks = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4), nn.Sequential(nn.Linear(4, 4), nn.Tanh()), nn.Sequential(nn.Linear(4, 4), nn.Tanh()), nn.GELU()])
        self.norm = nn.LayerNorm(4)
        self.head = nn.Linear(4, 2)


class PlainList(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = [nn.Linear(2, 2), nn.Linear(2, 2)]
        self.head = nn.Linear(2, 1)


layers = {
    "conv": nn.Conv2d(1, 6, 3),
    "conv with all": nn.Conv2d(4, 6, (3, 2), stride=2, padding=(1, 0), dilation=2, groups=2, bias=False),
    "conv transposed": nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2),
    "conv transposed, dilated": nn.ConvTranspose2d(4, 6, 3, bias=False, dilation=2),
    "max pool": nn.MaxPool2d(2), "max pool with all": nn.MaxPool2d((3, 2), stride=1, padding=1),
    "avg pool": nn.AvgPool2d(2), "avg pool with all": nn.AvgPool2d((3, 2), (2, 1), padding=(1, 0)),
    "adaptive pool": nn.AdaptiveAvgPool2d(1), "adaptive pool of two": nn.AdaptiveAvgPool2d((2, 3)),
    "unflatten": nn.Unflatten(1, (2, 3)), "unflatten to one": nn.Unflatten(-1, (6,)),
    "leaky relu": nn.LeakyReLU(), "leaky relu, steeper": nn.LeakyReLU(0.2),
    "gelu": nn.GELU(), "silu": nn.SiLU(), "sigmoid": nn.Sigmoid(), "tanh": nn.Tanh(),
    "softmax": nn.Softmax(1), "log softmax": nn.LogSoftmax(-1),
    "threshold": nn.Threshold(0.5, 0), "threshold, negative": nn.Threshold(-2, 0.25),
    "dropout": nn.Dropout(), "dropout of none": nn.Dropout(0), "dropout, rare": nn.Dropout(1e-5),
    "batch norm 1d": nn.BatchNorm1d(3), "batch norm 2d": nn.BatchNorm2d(3, eps=1e-3, momentum=None, affine=False),
    "batch norm without statistics": nn.BatchNorm2d(3, momentum=0.25, track_running_stats=False),
    "layer norm": nn.LayerNorm(10), "layer norm over two": nn.LayerNorm((2, 3), eps=1e-6, elementwise_affine=False),
    "layer norm without bias": nn.LayerNorm(10, bias=False),
    "embedding": nn.Embedding(10, 3), "embedding with padding": nn.Embedding(10, 3, padding_idx=-1),
    "empty list": nn.ModuleList(), "list": nn.ModuleList([nn.ReLU(), nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2)]),
    "nested": Nested(), "plain list": PlainList(),
}
print("{\n" + ",\n".join(
    json.dumps(name) + ": " + json.dumps({
        "printed": str(net), "state": list(net.state_dict()), "shapes": [list(t.shape) for t in net.state_dict().values()],
        "parameters": [n for n, _ in net.named_parameters()], "buffers": [n for n, _ in net.named_buffers()],
        "parameterCount": sum(p.numel() for p in net.parameters())})
    for name, net in layers.items()) + "\n}")
