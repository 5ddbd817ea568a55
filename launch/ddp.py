"""Times PyTorch's DistributedDataParallel over gloo on a multilayer perceptron: 784-512-512-10 with
ReLU, cross-entropy and SGD, one thread a rank, data in memory. Rank 0 prints a JSON object for each
global batch.

Ranks and the way between them come from Open MPI's and launch/two-hosts's environment variables, so
`launch/two-hosts-ddp` runs it; `python3 launch/ddp.py` alone is one process without DDP.
"""
import argparse
import json
import os
import time

import torch
from torch import nn

WARM_UP_STEPS = 5


def batches(batch, world_size, rank):
    """This rank's samples of the global batch: random, as their values decide no time."""
    generator = torch.Generator().manual_seed(rank)
    size = batch // world_size
    images = torch.rand(60000 // world_size, 784, generator=generator)
    labels = torch.randint(10, (len(images),), generator=generator)
    while True:
        order = torch.randperm(len(images), generator=generator)
        for start in range(0, len(order) - size + 1, size):
            chosen = order[start:start + size]
            yield images[chosen], labels[chosen]


def step_seconds(batch, seconds, world_size, rank):
    """By step, the seconds it took on this rank."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
    if world_size > 1:
        net = nn.parallel.DistributedDataParallel(net)
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
    loss_function = nn.CrossEntropyLoss()
    samples = batches(batch, world_size, rank)

    def step():
        start = time.perf_counter()
        images, labels = next(samples)
        optimizer.zero_grad()
        loss_function(net(images), labels).backward()
        optimizer.step()
        return time.perf_counter() - start

    first = [step() for _ in range(WARM_UP_STEPS)]
    count = torch.tensor(max(int(seconds / min(first)), 20))
    if world_size > 1:
        torch.distributed.broadcast(count, 0)
    return [step() for _ in range(int(count))]


def main():
    parser = argparse.ArgumentParser(description="PyTorch's DistributedDataParallel over gloo")
    parser.add_argument("--batch", type=int, nargs="+", default=[1024, 64], help="global")
    parser.add_argument("--seconds", type=float, default=5, help="for each batch (default: 5)")
    parser.add_argument("--repeats", type=int, default=1, help="of it all (default: 1)")
    options = parser.parse_args()

    torch.set_num_threads(1)
    world_size = int(os.environ.get("OMPI_COMM_WORLD_SIZE", 1))
    rank = int(os.environ.get("OMPI_COMM_WORLD_RANK", 0))
    for batch in options.batch:
        if batch % world_size or batch < world_size:
            parser.error(f"{world_size} ranks do not divide a batch of {batch}")
    if world_size > 1:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", os.environ.get("TWO_HOSTS_INTERFACE", "lo"))
        address = os.environ.get("TWO_HOSTS_ADDRESS", "127.0.0.1")
        torch.distributed.init_process_group(
            "gloo", init_method=f"tcp://{address}:29500", world_size=world_size, rank=rank)
    for _ in range(options.repeats):
        for batch in options.batch:
            times = sorted(step_seconds(batch, options.seconds, world_size, rank))
            median = times[len(times) // 2]
            if rank == 0:
                print(json.dumps({
                    "peer": f"PyTorch {torch.__version__} DDP, gloo" if world_size > 1
                    else f"PyTorch {torch.__version__}",
                    "ranks": world_size, "batch": batch, "steps": len(times),
                    "step_milliseconds": round(median * 1e3, 3),
                    "samples_per_second": round(batch / median),
                }), flush=True)
    if world_size > 1:
        torch.distributed.destroy_process_group()


main()
