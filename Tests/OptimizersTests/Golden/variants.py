"""Twenty steps of PyTorch's optimizers in their variants, with parameter groups; learning-rate schedules; clipping; the
moving average of weights. float32; rates in float64.

torch 2.13.0+cpu, one thread:  python variants.py > variants.json
"""
import json
import math
import torch
from torch.optim import swa_utils
from torch.optim import lr_scheduler as schedulers

torch.manual_seed(11)
torch.set_num_threads(1)
STEPS, COUNT = 20, 29


def listed(t): return [float(f"{v:.9g}") for v in t.flatten().tolist()]


start = torch.randn(COUNT)
gradients = torch.randn(STEPS, COUNT) * 10 ** torch.linspace(-3, 1, COUNT)
plain = dict(foreach=False)
makers = {
    "SGD, decay": lambda p: torch.optim.SGD(p, lr=0.02, weight_decay=0.1, **plain),
    "SGD, momentum": lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9, **plain),
    "SGD, momentum, dampening, decay": lambda p: torch.optim.SGD(
        p, lr=0.02, momentum=0.8, dampening=0.3, weight_decay=0.1, **plain),
    "SGD, Nesterov": lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9, nesterov=True, **plain),
    "SGD, Nesterov, decay": lambda p: torch.optim.SGD(
        p, lr=0.02, momentum=0.7, nesterov=True, weight_decay=0.05, **plain),
    "Adam, decay": lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.1, **plain),
    "AdamW": lambda p: torch.optim.AdamW(p, lr=0.01, **plain),
    "AdamW, other constants": lambda p: torch.optim.AdamW(
        p, lr=0.02, betas=(0.8, 0.9), eps=1e-4, weight_decay=0.3, **plain),
    "RMSprop": lambda p: torch.optim.RMSprop(p, lr=0.01, **plain),
    "RMSprop, momentum": lambda p: torch.optim.RMSprop(p, lr=0.01, alpha=0.9, eps=1e-4, momentum=0.5, **plain),
    "RMSprop, centred": lambda p: torch.optim.RMSprop(p, lr=0.01, alpha=0.9, eps=1e-2, centered=True, **plain),
    "RMSprop, centred, momentum, decay": lambda p: torch.optim.RMSprop(
        p, lr=0.01, alpha=0.9, eps=1e-2, centered=True, momentum=0.5, weight_decay=0.1, **plain),
    "Adagrad": lambda p: torch.optim.Adagrad(p, lr=0.05, **plain),
    "Adagrad, decays": lambda p: torch.optim.Adagrad(
        p, lr=0.05, lr_decay=0.1, weight_decay=0.1, initial_accumulator_value=0.5, eps=1e-3, **plain),
}


def groups(parts):
    """The middle part has half the rate and a decay of its own."""
    def make(optimizer, lr, **settings):
        return optimizer([{"params": parts[0]}, {"params": parts[1], "lr": lr / 2, "weight_decay": 0.25},
                          {"params": parts[2]}], lr=lr, **settings, **plain)
    return make


grouped = {
    "groups of SGD": lambda make: make(torch.optim.SGD, 0.02, momentum=0.9, weight_decay=0.1),
    "groups of Adam": lambda make: make(torch.optim.Adam, 0.01),
    "groups of AdamW": lambda make: make(torch.optim.AdamW, 0.01, weight_decay=0.02),
    "groups of RMSprop": lambda make: make(torch.optim.RMSprop, 0.01, momentum=0.5),
    "groups of Adagrad": lambda make: make(torch.optim.Adagrad, 0.05),
}
RANGES = [(0, 7), (7, 18), (18, COUNT)]
runs = []
for name in [*makers, *grouped]:
    ranges = [(0, COUNT)] if name in makers else RANGES
    parts = [start[a:b].clone().requires_grad_() for a, b in ranges]
    optimizer = makers[name](parts) if name in makers else grouped[name](groups(parts))
    after = []
    for g in gradients:
        for p, (a, b) in zip(parts, ranges): p.grad = g[a:b].clone()
        optimizer.step()
        keys = [k for k, v in optimizer.state[parts[0]].items() if k != "step" and v is not None]
        after.append({"p": listed(torch.cat(parts)),
                      "state": {k: listed(torch.cat([optimizer.state[p][k] for p in parts])) for k in keys}})
    runs.append({"name": name, "after": after})

# The rate of every step.
def rates(make, total, metrics=None):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = make(optimizer)
    result = []
    for t in range(total):
        result.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step(*([metrics[t]] if metrics else []))
    return result


def warm_up(then, steps, start):
    return lambda o: schedulers.SequentialLR(
        o, [schedulers.LinearLR(o, start_factor=start, total_iters=steps), then(o)], milestones=[steps])


schedules = {name: rates(make, 60) for name, make in {
    "constant": lambda o: schedulers.ConstantLR(o, factor=1),
    "cosine": lambda o: schedulers.CosineAnnealingLR(o, T_max=60),
    "step": lambda o: schedulers.StepLR(o, 7, 0.5),
    "multiStep": lambda o: schedulers.MultiStepLR(o, [5, 6, 30, 59], 0.3),
    "exponential": lambda o: schedulers.ExponentialLR(o, 0.93),
    "warm-up": lambda o: schedulers.LinearLR(o, start_factor=1 / 3, total_iters=9),
    "warm-up, then cosine": warm_up(lambda o: schedulers.CosineAnnealingLR(o, T_max=50), 10, 0.01),
    "warm-up, then step": warm_up(lambda o: schedulers.StepLR(o, 11, 0.2), 13, 0.25),
    "oneCycle": lambda o: schedulers.OneCycleLR(o, 0.1, total_steps=61),
    "oneCycle, other constants": lambda o: schedulers.OneCycleLR(
        o, 0.1, total_steps=61, pct_start=0.45, div_factor=5, final_div_factor=100),
}.items()}

metric = [3 * math.exp(-t / 12) + 0.4 * math.sin(t) + (0.5 if t > 40 else 0) for t in range(80)]
plateaus = {name: rates(make, 80, metric) for name, make in {
    "defaults": lambda o: schedulers.ReduceLROnPlateau(o),
    "impatient": lambda o: schedulers.ReduceLROnPlateau(o, factor=0.5, patience=2, cooldown=3, min_lr=0.004),
    "largest, absolute": lambda o: schedulers.ReduceLROnPlateau(
        o, mode="max", factor=0.3, patience=4, threshold=0.05, threshold_mode="abs"),
    "smallest, absolute": lambda o: schedulers.ReduceLROnPlateau(
        o, factor=0.6, patience=0, threshold=0.2, threshold_mode="abs"),
    "cooling": lambda o: schedulers.ReduceLROnPlateau(
        o, factor=0.8, patience=0, threshold=0.2, threshold_mode="abs", cooldown=3),
    "largest, relative": lambda o: schedulers.ReduceLROnPlateau(o, mode="max", patience=1, threshold=0.01),
}.items()}

clips = []
for scale, maximum in [(1, 1.0), (100, 2.5), (1e-4, 1.0), (1, 1e9), (1, 5.0), (1e-6, 1e-6)]:
    parts = [torch.randn(n) * scale for n in (3, 8, 1)]
    leaves = [torch.zeros_like(g, requires_grad=True) for g in parts]
    for p, g in zip(leaves, parts): p.grad = g.clone()
    norm = torch.nn.utils.clip_grad_norm_(leaves, maximum, foreach=False).item()
    clipped = [listed(p.grad) for p in leaves]
    for p, g in zip(leaves, parts): p.grad = g.clone()
    torch.nn.utils.clip_grad_value_(leaves, maximum / 2, foreach=False)
    clips.append({"gradients": [listed(g) for g in parts], "maximum": maximum, "norm": norm, "clipped": clipped,
                  "clippedByHalf": [listed(p.grad) for p in leaves]})

net = torch.nn.Linear(3, 2)
average = swa_utils.AveragedModel(net, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.9))
weights, averages = [], []
for _ in range(12):
    with torch.no_grad():
        for p in net.parameters(): p.add_(torch.randn_like(p))
    average.update_parameters(net)
    weights.append(listed(torch.cat([p.flatten() for p in net.parameters()])))
    averages.append(listed(torch.cat([p.flatten() for p in average.module.parameters()])))

print(json.dumps({
    "start": listed(start), "gradients": [listed(g) for g in gradients], "runs": runs, "schedules": schedules,
    "metric": metric, "plateaus": plateaus, "clips": clips, "weights": weights, "averages": averages}))
