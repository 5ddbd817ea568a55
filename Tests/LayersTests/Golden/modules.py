"""How PyTorch prints networks and what state_dict() calls their parameters.

torch 2.13.0+cpu:  python modules.py > modules.json
"""
import json
from collections import OrderedDict
from torch import nn


class NeuralNetwork(nn.Module):
    """PyTorch's quickstart tutorial, scaled down."""

    def __init__(self):
        super().__init__()
        self.flatten = nn.Flatten()
        self.linear_relu_stack = nn.Sequential(
            nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))


networks = {
    "linear": nn.Linear(3, 2),
    "linear without bias": nn.Linear(3, 2, bias=False),
    "flatten": nn.Flatten(),
    "flatten other axes": nn.Flatten(start_dim=0, end_dim=2),
    "relu": nn.ReLU(),
    "empty": nn.Sequential(),
    "fashion-linear": nn.Sequential(nn.Flatten(), nn.Linear(784, 10)),
    "quickstart": NeuralNetwork(),
    "nested": nn.Sequential(OrderedDict([
        ("body", nn.Sequential(OrderedDict([
            ("first", nn.Linear(4, 3, bias=False)),
            ("inner", nn.Sequential(nn.ReLU(), nn.Linear(3, 3)))]))),
        ("head", nn.Linear(3, 2))])),
}
print("{\n" + ",\n".join(
    json.dumps(name) + ": " + json.dumps({
        "printed": str(net), "names": list(net.state_dict()),
        "shapes": [list(t.shape) for t in net.state_dict().values()]})
    for name, net in networks.items()) + "\n}")
