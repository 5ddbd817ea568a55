"""Twenty steps of PyTorch's optimizers on random gradients, float32, and its cosine schedule.

torch 2.13.0+cpu:  python optimizers.py > optimizers.json
"""
import json
import torch

torch.manual_seed(7)
torch.set_num_threads(1)
STEPS, COUNT = 20, 37


def listed(t):
    # 9 digits tell every float32 from its neighbours.
    return [float(f"{v:.9g}") for v in t.flatten().tolist()]


start = torch.randn(COUNT)
# From 1e-6 to 100: Adam's epsilon matters at the one end and not at the other.
gradients = torch.randn(STEPS, COUNT) * 10 ** torch.linspace(-6, 2, COUNT)

runs = []
for name, make in {
    "SGD": lambda p: torch.optim.SGD([p], lr=0.01),
    "Adam": lambda p: torch.optim.Adam([p], lr=0.001, foreach=False, fused=False),
    "Adam with other constants": lambda p: torch.optim.Adam(
        [p], lr=0.05, betas=(0.8, 0.95), eps=1e-3, foreach=False, fused=False),
}.items():
    p = start.clone().requires_grad_()
    optimizer = make(p)
    after = []
    for g in gradients:
        p.grad = g.clone()
        optimizer.step()
        state = optimizer.state[p]
        after.append({"p": listed(p)} | {
            k: listed(v) for k, v in state.items() if k.startswith("exp_avg")})
    runs.append({"name": name, "after": after})

schedules = []
for total in [1, 2, 7, 50]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=total)
    rates = []
    for _ in range(total):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    schedules.append(rates)
print(json.dumps({
    "start": listed(start), "gradients": [listed(g) for g in gradients], "runs": runs,
    "cosineRates": schedules}))
