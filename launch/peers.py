"""Times training steps of other libraries: the workloads of `nndist bench steps`, a line of JSON each.

peers.py PEER [--threads N] [--only a,b] [--seconds S]

PEER: torch (PyTorch, eager), compile (torch.compile), jax (jitted), mlx. With --ranks 2 torch is
DistributedDataParallel over gloo, in processes it starts itself; mlx is started by mpirun.

A time is the median over chunks of steps of some 0.1 s, from arrays in memory, batches gathered at
random: what a plain training loop of that library does.
"""
import argparse
import gzip
import json
import os
import time

PARSER = argparse.ArgumentParser()
PARSER.add_argument("peer", choices=["torch", "compile", "jax", "mlx"])
PARSER.add_argument("--threads", type=int, default=1)
PARSER.add_argument("--ranks", type=int, default=1)
PARSER.add_argument("--only", default="")
PARSER.add_argument("--seconds", type=float, default=1.5)
PARSER.add_argument("--data", default="/usr/share/datasets/fashion-mnist")
A = PARSER.parse_args()
# Before the libraries that read them are loaded.
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(A.threads)
if A.peer == "jax" and A.threads == 1:
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    os.sched_setaffinity(0, {0})

import numpy as np  # noqa: E402

# name: (kind of network, sizes, activation, last activation, loss, optimizer, rate, batch)
WORK = {
    "threeblue": ("mlp", [784, 16, 16, 10], "sigmoid", "sigmoid", "mse-classes", "sgd", 0.1, 60000),
    "mlp512": ("mlp", [784, 512, 512, 10], "relu", None, "ce", "sgd", 1e-3, 64),
    "mlp512_1024": ("mlp", [784, 512, 512, 10], "relu", None, "ce", "sgd", 1e-3, 1024),
    "fashion_linear": ("mlp", [784, 10], "relu", None, "ce", "sgd", 0.1, 10),
    "ff100": ("mlp", [784, 100, 10], "relu", None, "ce", "adam", 1e-2, 16),
    "conv": ("conv", None, "relu", None, "ce", "adam", 1e-2, 16),
    "conv256": ("conv", None, "relu", None, "ce", "adam", 1e-2, 256),
    "ae": ("mlp", [784, 50, 784], "relu", "sigmoid", "mse-input", "adam", 1e-2, 16),
    "rings": ("mlp", [2, 3, 1], "sigmoid", "sigmoid", "bce", "adam", 1e-3, 2000),
    "rnn": ("rnn", None, "tanh", None, "mse", "adam", 1e-1, 1),
}


def idx(name):
    data = gzip.open(f"{A.data}/{name}").read()
    dims = [int.from_bytes(data[4 + 4 * i:8 + 4 * i], "big") for i in range(data[3])]
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(dims)


class Data:
    """Inputs and targets in memory, and which samples a rank takes at a step."""

    def __init__(self, name, rank, ranks):
        self.kind, self.sizes, _, _, self.loss, _, _, self.batch = WORK[name]
        draws = np.random.RandomState(0)
        self.rank, self.own = rank, max(1, self.batch // ranks)
        if self.kind == "rnn":
            series = np.linspace(0, 1, 700, dtype=np.float32).reshape(-1, 1)
            self.x, self.t = series[:-1], series[1:]
        elif name == "rings":
            self.x = draws.rand(2000, 2).astype(np.float32)
            self.t = (self.x[:, :1] > 0.5).astype(np.float32)
        else:
            self.x = (idx("train-images-idx3-ubyte.gz").reshape(60000, 784) / np.float32(255))
            labels = idx("train-labels-idx1-ubyte.gz").astype(np.int32)
            self.t = np.eye(10, dtype=np.float32)[labels] if self.loss == "mse-classes" else labels
        self.order = draws.permutation(60000)

    def rows(self, step):
        """None: all of them."""
        if self.kind == "rnn":
            return None
        if self.batch >= 2000:
            return slice(self.rank * self.own, (self.rank + 1) * self.own)
        first = (step * self.batch + self.rank * self.own) % (60000 - self.own)
        return self.order[first:first + self.own]


def timed(name, step, wait, rank=0, agree=lambda chunk: chunk):
    for i in range(3):
        step(i)
    wait()
    start = time.perf_counter()
    step(3)
    wait()
    one = time.perf_counter() - start
    chunk = agree(max(1, int(0.1 / one)))
    count = agree(int(min(max(A.seconds / max(chunk * one, 1e-9), 3), 15)))
    times, i = [], 4
    for _ in range(count):
        start = time.perf_counter()
        for _ in range(chunk):
            step(i)
            i += 1
        wait()
        times.append((time.perf_counter() - start) / chunk * 1e6)
    if rank == 0:
        median = sorted(times)[len(times) // 2]
        print(json.dumps({"peer": A.peer, "workload": name, "ranks": A.ranks, "threads": A.threads,
                          "microseconds": round(median, 2)}), flush=True)


def torch_peer(rank, port):
    import torch
    import torch.distributed as dist
    from torch import nn
    torch.set_num_threads(A.threads)
    if A.ranks > 1:
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
        dist.init_process_group("gloo", rank=rank, world_size=A.ranks)

    class Elman(nn.Module):
        def __init__(self):
            super().__init__()
            self.w_hx, self.w_hh, self.w_yh = (
                nn.Parameter(torch.rand(*s) - 0.5) for s in [(4, 1), (4, 4), (1, 4)])
            self.b_h, self.b_y = nn.Parameter(torch.zeros(4, 1)), nn.Parameter(torch.zeros(1, 1))

        def forward(self, series):
            h, out = torch.zeros(4, 1), []
            for x in series:
                h = torch.tanh(self.w_hx @ x.view(1, 1) + self.w_hh @ h + self.b_h)
                out.append(self.w_yh @ h + self.b_y)
            return torch.cat(out)

    def model(kind, sizes, activation, last):
        activations = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid}
        if kind == "rnn":
            return Elman()
        if kind == "conv":
            layers, channels = [nn.Unflatten(1, (1, 28, 28))], [1, 16, 64, 128]
            for i, o in zip(channels, channels[1:]):
                layers += [nn.Conv2d(i, o, 3), nn.ReLU(), nn.MaxPool2d(2)]
            return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128, 10))
        layers = []
        for i, o in zip(sizes, sizes[1:]):
            layers += [nn.Linear(i, o), activations[activation]()]
        layers.pop()
        return nn.Sequential(*layers, *([activations[last]()] if last else []))

    def agree(value):
        if A.ranks == 1:
            return value
        shared = torch.tensor([value])
        dist.broadcast(shared, 0)
        return int(shared)

    for name in names():
        kind, sizes, activation, last, loss_kind, optimizer, rate, _ = WORK[name]
        torch.manual_seed(0)
        net = model(kind, sizes, activation, last)
        if A.ranks > 1:
            net = nn.parallel.DistributedDataParallel(net)
        update = (torch.optim.SGD if optimizer == "sgd" else torch.optim.Adam)(
            net.parameters(), lr=rate)
        if A.peer == "compile":
            net = torch.compile(net)
        data = Data(name, rank, A.ranks)
        x, t = torch.from_numpy(data.x), torch.from_numpy(data.t)
        if loss_kind == "ce":
            t = t.long()
        loss = {"ce": nn.CrossEntropyLoss(), "bce": nn.BCELoss()}.get(loss_kind, nn.MSELoss())

        def step(i):
            rows = data.rows(i)
            if isinstance(rows, np.ndarray):
                rows = torch.from_numpy(rows)
            a, b = (x, t) if rows is None else (x[rows], t[rows])
            value = loss(net(a), a if loss_kind == "mse-input" else b)
            update.zero_grad()
            value.backward()
            update.step()

        timed(name, step, lambda: None, rank, agree)
    if A.ranks > 1:
        dist.destroy_process_group()


def jax_peer():
    import jax
    import jax.numpy as jnp
    activations = {"relu": jax.nn.relu, "sigmoid": jax.nn.sigmoid}
    for name in names():
        kind, sizes, activation, last, loss_kind, optimizer, rate, _ = WORK[name]
        keys = iter(jax.random.split(jax.random.key(0), 20))

        def uniform(shape, fan):
            return jax.random.uniform(next(keys), shape, minval=-fan ** -0.5, maxval=fan ** -0.5)

        def linear(i, o):
            return [uniform((i, o), i), uniform((o,), i)]

        if kind == "rnn":
            parameters = [uniform((4, 1), 4), uniform((4, 4), 4), uniform((1, 4), 4),
                          jnp.zeros(4), jnp.zeros(1)]
        elif kind == "conv":
            channels = [1, 16, 64, 128]
            parameters = [[uniform((o, i, 3, 3), 9 * i), uniform((o,), 9 * i)]
                          for i, o in zip(channels, channels[1:])] + [linear(128, 10)]
        else:
            parameters = [linear(i, o) for i, o in zip(sizes, sizes[1:])]

        def forward(p, x):
            if kind == "rnn":
                def cell(h, v):
                    h = jnp.tanh(p[0] @ v + p[1] @ h + p[3])
                    return h, p[2] @ h + p[4]
                return jax.lax.scan(cell, jnp.zeros(4), x)[1]
            if kind == "conv":
                x = x.reshape(-1, 1, 28, 28)
                for w, b in p[:3]:
                    x = jax.nn.relu(jax.lax.conv_general_dilated(x, w, (1, 1), "VALID")
                                    + b[None, :, None, None])
                    x = jax.lax.reduce_window(
                        x, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
                return x.reshape(x.shape[0], -1) @ p[3][0] + p[3][1]
            for i, (w, b) in enumerate(p):
                x = x @ w + b
                if i < len(p) - 1:
                    x = activations[activation](x)
            return activations[last](x) if last else x

        def loss(p, x, t):
            y = forward(p, x)
            if loss_kind == "ce":
                return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(y), t[:, None], 1))
            if loss_kind == "bce":
                return -jnp.mean(t * jnp.log(y) + (1 - t) * jnp.log(1 - y))
            return jnp.mean((y - (x if loss_kind == "mse-input" else t)) ** 2)

        def update(state, x, t):
            p, m, v, k = state
            g = jax.grad(loss)(p, x, t)
            if optimizer == "sgd":
                return jax.tree.map(lambda a, b: a - rate * b, p, g), m, v, k
            k = k + 1
            m = jax.tree.map(lambda a, b: 0.9 * a + 0.1 * b, m, g)
            v = jax.tree.map(lambda a, b: 0.999 * a + 0.001 * b * b, v, g)
            p = jax.tree.map(
                lambda a, b, c: a - rate * (b / (1 - 0.9 ** k))
                / (jnp.sqrt(c / (1 - 0.999 ** k)) + 1e-8), p, m, v)
            return p, m, v, k

        zeros = jax.tree.map(jnp.zeros_like, parameters)
        state = [(parameters, zeros, jax.tree.map(jnp.zeros_like, parameters), jnp.float32(0))]
        compiled = jax.jit(update, donate_argnums=0)
        data = Data(name, 0, 1)

        def step(i):
            rows = data.rows(i)
            x, t = (data.x, data.t) if rows is None else (data.x[rows], data.t[rows])
            state[0] = compiled(state[0], x, t)

        timed(name, step, lambda: jax.block_until_ready(state[0]))


def mlx_peer():
    import mlx.core as mx
    import mlx.nn as nn
    import mlx.optimizers as optim
    world = mx.distributed.init(backend="mpi") if A.ranks > 1 else None
    rank = world.rank() if world else 0
    for name in names():
        kind, sizes, activation, last, loss_kind, optimizer, rate, _ = WORK[name]
        if kind != "mlp":
            continue
        activations = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid}
        layers = []
        for i, o in zip(sizes, sizes[1:]):
            layers += [nn.Linear(i, o), activations[activation]()]
        layers.pop()
        net = nn.Sequential(*layers, *([activations[last]()] if last else []))
        mx.eval(net.parameters())
        update = optim.SGD(rate) if optimizer == "sgd" else optim.Adam(rate)
        data = Data(name, rank, A.ranks)

        def loss(net, x, t):
            y = net(x)
            if loss_kind == "ce":
                return nn.losses.cross_entropy(y, t, reduction="mean")
            if loss_kind == "bce":
                return nn.losses.binary_cross_entropy(y, t, with_logits=False, reduction="mean")
            return nn.losses.mse_loss(y, x if loss_kind == "mse-input" else t, reduction="mean")

        gradient = nn.value_and_grad(net, loss)

        def step(i):
            rows = data.rows(i)
            value, gradients = gradient(net, mx.array(data.x[rows]), mx.array(data.t[rows]))
            if A.ranks > 1:
                gradients = nn.average_gradients(gradients)
            update.update(net, gradients)
            mx.eval(net.parameters(), update.state, value)

        # The same numbers on every rank, which all must make the same steps.
        def agree(value):
            if A.ranks == 1:
                return value
            return int(mx.distributed.all_sum(mx.array(value if rank == 0 else 0)).item())

        timed(name, step, lambda: None, rank, agree)


def names():
    return A.only.split(",") if A.only else list(WORK)


if __name__ == "__main__":
    if A.peer == "jax":
        jax_peer()
    elif A.peer == "mlx":
        mlx_peer()
    elif A.ranks == 1:
        torch_peer(0, 0)
    else:
        import random
        import torch.multiprocessing
        torch.multiprocessing.spawn(
            torch_peer, args=(random.randint(20000, 50000),), nprocs=A.ranks)
