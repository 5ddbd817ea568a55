"""Forward values and gradients of PyTorch's ops, float32.

torch 2.13.0+cpu, one thread:  python ops.py > ops.json
"""
import json
import torch
import torch.nn.functional as F

torch.manual_seed(20240611)
torch.set_num_threads(1)


def packed(t):
    # 9 digits tell every float32 from its neighbours.
    return {"shape": list(t.shape),
            "values": [float(f"{v:.9g}") for v in t.detach().flatten().tolist()]}


cases = []


def case(op, inputs, output, targets=None):
    """Backward through output with a random seed."""
    seed = torch.randn_like(output)
    output.backward(seed)
    cases.append({
        "op": op, "inputs": [packed(x) for x in inputs], "output": packed(output),
        "targets": targets.tolist() if targets is not None else [], "seed": packed(seed),
        "gradients": [packed(x.grad) for x in inputs]})


def leaf(*shape, scale=1.0):
    return (torch.randn(*shape) * scale).requires_grad_()


for n, fan_in, out in [(1, 1, 1), (4, 7, 3), (9, 33, 10), (5, 64, 17)]:
    x, w, b = leaf(n, fan_in), leaf(out, fan_in), leaf(out)
    case("linear", [x, w, b], F.linear(x, w, b))
    x, w = leaf(n, fan_in), leaf(out, fan_in)
    case("linear without bias", [x, w], F.linear(x, w))
for front in [(), (2, 3), (1, 4, 2), (3, 0)]:
    x, w, b = leaf(*front, 5), leaf(4, 5), leaf(4)
    case("linear", [x, w, b], F.linear(x, w, b))
for shape in [(1,), (3, 5), (2, 3, 4)]:
    x = leaf(*shape)
    case("relu", [x], F.relu(x))
x = torch.tensor([0.0, -0.0, 1.0, -1.0], requires_grad=True)
case("relu", [x], F.relu(x))
for n, classes, scale in [(1, 2, 1), (6, 10, 1), (33, 10, 8), (4, 100, 30)]:
    x = leaf(n, classes, scale=scale)
    t = torch.randint(classes, (n,))
    case("crossEntropy", [x], F.cross_entropy(x, t), t)
x, w, b, v, c = leaf(6, 12), leaf(8, 12), leaf(8), leaf(5, 8), leaf(5)
t = torch.randint(5, (6,))
case("mlp", [x, w, b, v, c], F.cross_entropy(F.linear(F.relu(F.linear(x, w, b)), v, c), t), t)
print("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]")
