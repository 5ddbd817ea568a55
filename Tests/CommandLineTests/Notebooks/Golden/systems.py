"""What PyTorch makes of the notebooks' systems that are not seeded: 5 seeds of each.

usage: systems.py MNIST_DIR FASHION_DIR [NAME ...]

Writes systems.json beside this file after each system, and leaves out the systems that are in it
already unless they are named. For each system: its recipe's name, the seeds, the figures of each
seed, and over the seeds their mean and sample standard deviation (n - 1). Figures that are lists
have neither. What is not finite is the text "inf" or "nan"; where a seed's figure is not, the mean
and the deviation are "nan".

Made with torch 2.13.0+cpu, numpy 2.4.6 and scikit-learn 1.9.1 on one thread, by
    systems.py ../shared/mnist /usr/share/datasets/fashion-mnist

Seed s is torch.manual_seed(s) and numpy.random.seed(s) before the data and the model are made;
where the notebook or its recipe seeds the data, they are the same for every s. Initial weights are
PyTorch's defaults and each epoch's order is its torch.randperm. A loss "after n steps" (or epochs,
where the whole set is one batch) is that of the weights after n updates. "train loss in epoch e"
is what the notebooks print: the mean of the batches' losses, each taken before its update, epochs
counted from 0. "accuracy after epoch e" counts from 1. Pixels are 0 to 1, raw ones 0 to 255.
"""
import gzip
import json
import math
import pathlib
import statistics
import sys

import numpy as np
import sklearn
import torch
from sklearn.datasets import make_blobs
from torch import nn

SEEDS = [0, 1, 2, 3, 4]
MNIST, FASHION = sys.argv[1:3]
RESULT = pathlib.Path(__file__).with_suffix('.json')
torch.set_num_threads(1)


# Data

def idx(path):
    data = gzip.open(path).read()
    shape = [int.from_bytes(data[4 + 4 * axis:8 + 4 * axis], 'big') for axis in range(data[3])]
    return torch.tensor(np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape))


def images(folder):
    """Train x, y, test x, y: [n, 1, 28, 28] from 0 to 1, and classes."""
    sets = []
    for part in ('train', 't10k'):
        sets.append(idx(f'{folder}/{part}-images-idx3-ubyte.gz').unsqueeze(1).float() / 255)
        sets.append(idx(f'{folder}/{part}-labels-idx1-ubyte.gz').long())
    return sets


def part_of_mnist():
    """The notebook's 6000 and 1000 images, drawn with replacement, here always by seed 0."""
    x, y, test_x, test_y = images(MNIST)
    np.random.seed(0)
    train = np.random.choice(np.arange(60000), 6000)
    test = np.random.choice(np.arange(10000), 1000)
    return x[train], y[train], test_x[test], test_y[test]


def rings():
    np.random.seed(100)
    features, targets = [], []
    for _ in range(1000):
        for ring in (0, 1):
            r = 3 * ring + np.random.uniform()
            angle = np.random.uniform(0, 2 * np.pi)
            features.append([r * np.cos(angle), r * np.sin(angle)])
            targets.append([ring])
    return torch.tensor(features).float(), torch.tensor(targets).float()


def column(values):
    return torch.tensor(np.array(values)).float().reshape(-1, 1)


def trend():
    np.random.seed(0)
    series = 4 + 3 * np.arange(1000) + np.random.normal(0, 0.1)
    return column(series[:699]), column(series[1:700])


# Models that are not a plain Sequential

class ClassifierNet(nn.Module):
    def __init__(self, inputs, nodes, activation, output_activation):
        super().__init__()
        self.layer_list = nn.ModuleList([nn.Linear(inputs, nodes)])
        self.output_layer = nn.Linear(nodes, 1)
        self.activation, self.output_activation = activation, output_activation

    def forward(self, x, binary=False):
        hidden = self.activation(self.layer_list[0](x))
        if binary:
            hidden = (hidden > 0.5).float()
        return self.output_activation(self.output_layer(hidden))


class RNNs(nn.Module):
    """The notebook's network once for each seed, on its own weights: all at once, as the loop over
    time is what takes long. h = act(w_hx x + w_hh h + b_h), y = w_yh h + b_y."""

    def __init__(self, seeds, hidden, activation):
        super().__init__()
        self.activation = activation
        count = len(seeds)
        self.w_hh = nn.Parameter(torch.empty(count, hidden, hidden))
        self.w_hx = nn.Parameter(torch.empty(count, hidden, 1))
        self.w_yh = nn.Parameter(torch.empty(count, 1, hidden))
        self.b_h = nn.Parameter(torch.zeros(count, hidden, 1))
        self.b_y = nn.Parameter(torch.zeros(count, 1, 1))
        for index, seed in enumerate(seeds):
            torch.manual_seed(seed)
            for weights in (self.w_hh, self.w_hx, self.w_yh):
                nn.init.kaiming_uniform_(weights[index])

    def forward(self, x):
        """x [steps, 1]; returns [seeds, steps, 1]."""
        h, hidden = torch.zeros_like(self.b_h), []
        for step in (self.w_hx @ x.T + self.b_h).split(1, -1):
            h = self.activation(torch.baddbmm(step, self.w_hh, h))
            hidden.append(h)
        return (self.w_yh @ torch.cat(hidden, -1) + self.b_y).transpose(1, 2)

    @torch.no_grad()
    def check(self, x):
        """The first network's outputs are those of PyTorch's RNN on its weights, for 10 steps:
        with ReLU the rounding of the first decides the hundredth."""
        x = x[:10]
        rnn = nn.RNN(1, self.w_hh.shape[1], nonlinearity=self.activation.__name__)
        for theirs, own in zip(rnn.parameters(), (self.w_hx, self.w_hh, self.b_h)):
            theirs.copy_(own[0].reshape(theirs.shape))
        rnn.bias_hh_l0.zero_()
        outputs = rnn(x.unsqueeze(1))[0].squeeze(1) @ self.w_yh[0].T + self.b_y[0]
        torch.testing.assert_close(self(x)[0], outputs)


# Training

def update(model, optimizer, loss, x, y):
    """One step; the loss before it."""
    optimizer.zero_grad()
    value = loss(model(x), y)
    value.backward()
    optimizer.step()
    return value.item()


def full_batch(model, optimizer, loss, x, y, steps):
    """The losses after 0, 1, ... steps, `steps` + 1 of them."""
    losses = [update(model, optimizer, loss, x, y) for _ in range(steps)]
    return losses + [evaluate(model, loss, x, y)]


def epoch(model, optimizer, loss, x, y, batch, shuffled=True):
    """One epoch; its batches' losses."""
    order = torch.randperm(len(x)) if shuffled else torch.arange(len(x))
    return [update(model, optimizer, loss, x[ids], y[ids]) for ids in order.split(batch)]


@torch.no_grad()
def evaluate(model, loss, x, y):
    return loss(model(x), y).item()


@torch.no_grad()
def accuracy(model, x, y):
    """Of classes; with one output, of right answers at p > 0.5."""
    scores = model(x)
    guesses = (scores > 0.5).float() if scores.shape[1] == 1 else scores.argmax(1)
    return (guesses == y).sum().item() / len(y)


# Systems: each is the figures of one seed

def threeblue(lr, steps):
    x, y, _, _ = images(MNIST)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 16), nn.Sigmoid(), nn.Linear(16, 16),
                          nn.Sigmoid(), nn.Linear(16, 10), nn.Sigmoid())
    losses = full_batch(model, torch.optim.SGD(model.parameters(), lr), nn.MSELoss(), x,
                        nn.functional.one_hot(y, 10).float(), max(steps))
    return {f'loss after {step} steps': losses[step] for step in steps}


def mnist_mlp():
    x, y, test_x, test_y = images(MNIST)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512),
                          nn.ReLU(), nn.Linear(512, 10))
    optimizer, loss = torch.optim.SGD(model.parameters(), 1e-3), nn.CrossEntropyLoss()
    figures = {}
    for e in range(1, 6):
        epoch(model, optimizer, loss, x, y, 64, shuffled=False)
        figures[f'test accuracy after epoch {e}'] = accuracy(model, test_x, test_y)
        figures[f'test loss, mean of batch means, after epoch {e}'] = statistics.fmean(
            evaluate(model, loss, *pair) for pair in zip(test_x.split(64), test_y.split(64)))
    return figures


def perceptron():
    model = nn.Sequential(nn.Linear(48, 10), nn.Sigmoid())
    x, y = torch.randn(48), torch.randn(10)
    return {'loss after 0 steps': evaluate(model, nn.MSELoss(), x, y)}


def blobs_feedforward():
    def blobs(count):
        x, y = make_blobs(n_samples=count, n_features=2, cluster_std=1.5, shuffle=True)
        return torch.tensor(x).float(), column(y > 0)
    (x, y), test = blobs(40), blobs(10)
    model = nn.Sequential(nn.Linear(2, 10), nn.ReLU(), nn.Linear(10, 1), nn.Sigmoid())
    loss = nn.BCELoss()
    figures = {'test loss after 0 epochs': evaluate(model, loss, *test)}
    losses = full_batch(model, torch.optim.SGD(model.parameters(), 0.01), loss, x, y, 50)
    figures |= {f'train loss in epoch {e}': losses[e] for e in (0, 10, 20, 49)}
    return figures | {'test loss after 50 epochs': evaluate(model, loss, *test)}


def line_adam():
    np.random.seed(11)
    # What random_integers(1, 30, 15), which numpy has no more, drew.
    x = np.random.randint(1, 31, 15)
    y = 3 * x + 4 + np.random.normal(scale=3, size=15)
    model = nn.Linear(1, 1)
    losses = full_batch(model, torch.optim.Adam(model.parameters(), 0.1), nn.MSELoss(),
                        column(x), column(y), 100)
    return {'w after 100 steps': model.weight.item(), 'b after 100 steps': model.bias.item(),
            'loss after 100 steps': losses[100]}


def blobs_logistic():
    x, y = make_blobs(centers=2, center_box=(-3, 3), random_state=22)
    x, y = torch.tensor(x).float(), column(y)
    model = nn.Sequential(nn.Linear(2, 1), nn.Sigmoid())
    losses = full_batch(model, torch.optim.SGD(model.parameters(), 0.1), nn.BCELoss(), x, y, 100)
    wrong = ((model(x) > 0.5).float() != y).flatten().nonzero().flatten().tolist()
    return {'loss after 100 steps': losses[100], 'correct of 100 after 100 steps': 100 - len(wrong),
            'wrong after 100 steps': wrong}


def fashion_linear():
    x, y, test_x, test_y = images(FASHION)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    optimizer, figures = torch.optim.SGD(model.parameters(), 0.1), {}
    for e in range(1, 11):
        epoch(model, optimizer, nn.CrossEntropyLoss(), x, y, 10)
        figures[f'test accuracy after epoch {e}'] = accuracy(model, test_x, test_y)
    return figures


def ring_net(nodes, activation, lr, epochs):
    x, y = rings()
    model = ClassifierNet(2, nodes, activation, nn.Sigmoid())
    losses = full_batch(model, torch.optim.Adam(model.parameters(), lr), nn.BCELoss(), x, y, epochs)
    return {f'loss after {epochs} epochs': losses[-1],
            f'accuracy after {epochs} epochs': accuracy(model, x, y)}


def wave(flipped, epochs):
    x = np.arange(-10, 10, 0.1)
    y = np.sin(3 * x) * np.exp(-x / 8)
    x, y = column(x), column(y[::-1] if flipped else y)
    model, loss = ClassifierNet(1, 10, nn.Sigmoid(), nn.Identity()), nn.MSELoss()
    losses = full_batch(model, torch.optim.Adam(model.parameters(), 1e-2), loss, x, y, epochs)
    binary = evaluate(lambda x: model(x, binary=True), loss, x, y)
    return {f'loss after {epochs} epochs': losses[-1],
            f'loss after {epochs} epochs, hidden nodes 0 or 1': binary}


def digits(model, loss, is_autoencoder=False):
    x, y, test_x, test_y = part_of_mnist()
    optimizer, figures = torch.optim.Adam(model.parameters(), 1e-2), {}
    for e in range(20):
        losses = epoch(model, optimizer, loss, x, x if is_autoencoder else y, 16)
        if e == 0 and is_autoencoder:
            figures['loss of the first batch after 0 steps'] = losses[0]
        if e in (0, 5, 10, 15, 19):
            figures[f'train loss in epoch {e}'] = statistics.fmean(losses)
    if is_autoencoder:
        return figures
    return figures | {'train accuracy after epoch 20': accuracy(model, x, y),
                      'test accuracy after epoch 20': accuracy(model, test_x, test_y)}


def mnist_feedforward():
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 10))
    scores = model(255 * part_of_mnist()[0][:12])
    return {'deviation of scores, raw pixels, after 0 steps': scores.std(correction=0).item()
            } | digits(model, nn.CrossEntropyLoss())


def mnist_conv():
    layers, channels = [], [1, 16, 64, 128]
    for inputs, outputs in zip(channels, channels[1:]):
        layers += [nn.Conv2d(inputs, outputs, 3), nn.ReLU(), nn.MaxPool2d(2)]
    return digits(nn.Sequential(*layers, nn.Flatten(), nn.Linear(128, 10)), nn.CrossEntropyLoss())


def mnist_autoencoder():
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 50), nn.ReLU(), nn.Linear(50, 784),
                          nn.Sigmoid(), nn.Unflatten(1, (1, 28, 28)))
    figures = digits(model, nn.MSELoss(), is_autoencoder=True)
    codes = model[:3](255 * part_of_mnist()[0]).detach()
    norms = codes.norm(dim=1, keepdim=True)
    cosines = (codes / norms)[:1000] @ (codes / norms)[18]
    return figures | {
        'norm of codes, raw pixels, after epoch 20': norms.mean().item(),
        'cosine next to image 18, of 1000, after epoch 20': cosines.sort().values[-2].item()}


@torch.no_grad()
def trend_rnn_relu(seeds):
    """The outputs may grow over 699 steps: from some seeds float32 overflows, and from seed 0
    another order of summation (mm, not baddbmm) gives a loss 0.3 % lower."""
    x, y = trend()
    model = RNNs(seeds, 32, torch.relu)
    model.check(x)
    losses = (model(x).double() - y.double()).square().mean((1, 2))
    return [{'loss after 0 steps': loss} for loss in losses.tolist()]


def trend_rnn(seeds, epochs=10000):
    """The losses are added up and Adam works on each number alone: no seed acts on another."""
    x, y = trend()
    model = RNNs(seeds, 4, torch.tanh)
    model.check(x)
    optimizer = torch.optim.Adam(model.parameters(), 0.1)
    history = []
    for e in range(epochs + 1):
        losses = (model(x) - y).square().mean((1, 2))
        history.append(losses.tolist())
        if e < epochs:
            optimizer.zero_grad()
            losses.sum().backward()
            optimizer.step()
    return [{'loss after 0 epochs': losses[0], f'loss after {epochs} epochs': losses[-1],
             'best loss': min(losses), 'epochs before the best loss': losses.index(min(losses))}
            for losses in zip(*history)]


def each(system):
    def run(seeds):
        figures = []
        for seed in seeds:
            torch.manual_seed(seed)
            np.random.seed(seed)
            figures.append(system())
        return figures
    return run


# By recipe; the cheap ones first.
SYSTEMS = {
    'perceptron': each(perceptron),
    'blobs-feedforward': each(blobs_feedforward),
    'line-adam': each(line_adam),
    'blobs-logistic': each(blobs_logistic),
    'rings-2-brief': each(lambda: ring_net(2, nn.Sigmoid(), 1e-2, 100)),
    'trend-rnn-relu': trend_rnn_relu,
    'threeblue-lr500': each(lambda: threeblue(500, [0, 1, 9])),
    'rings-1': each(lambda: ring_net(1, nn.Sigmoid(), 1e-3, 10000)),
    'rings-2': each(lambda: ring_net(2, nn.Sigmoid(), 1e-3, 10000)),
    'rings-3': each(lambda: ring_net(3, nn.Sigmoid(), 1e-3, 10000)),
    'rings-relu5': each(lambda: ring_net(5, nn.ReLU(), 1e-3, 10000)),
    'wave': each(lambda: wave(False, 20000)),
    'wave-flipped': each(lambda: wave(True, 14000)),
    'mnist-feedforward': each(mnist_feedforward),
    'mnist-autoencoder': each(mnist_autoencoder),
    'threeblue': each(lambda: threeblue(0.1, [0, 10, 110])),
    'mnist-mlp': each(mnist_mlp),
    'fashion-linear': each(fashion_linear),
    'mnist-conv': each(mnist_conv),
    'trend-rnn': trend_rnn,
}


def summary(name, figures):
    def over_seeds(statistic):
        values = {key: [f[key] for f in figures] for key in figures[0]}
        return {key: statistic(numbers) if all(map(math.isfinite, numbers)) else 'nan'
                for key, numbers in values.items() if not isinstance(numbers[0], list)}

    def written(value):
        return str(value) if isinstance(value, float) and not math.isfinite(value) else value
    return {'name': name, 'seeds': SEEDS,
            'per_seed': [{key: written(value) for key, value in f.items()} for f in figures],
            'mean': over_seeds(statistics.fmean),
            'standard_deviation': over_seeds(statistics.stdev)}


def main():
    named = sys.argv[3:]
    unknown = set(named) - set(SYSTEMS)
    if unknown:
        sys.exit(f'no such system: {", ".join(sorted(unknown))}')
    done = json.loads(RESULT.read_text())['systems'] if RESULT.exists() else []
    done = {system['name']: system for system in done}
    for name, run in SYSTEMS.items():
        if name not in named if named else name in done:
            continue
        done[name] = summary(name, run(SEEDS))
        versions = {'torch': torch.__version__, 'numpy': np.__version__,
                    'scikit-learn': sklearn.__version__}
        RESULT.write_text(json.dumps(
            versions | {'systems': [done[n] for n in SYSTEMS if n in done]}, indent=1) + '\n')
        print(name, json.dumps(done[name]['mean']), flush=True)


if __name__ == '__main__':
    main()
