"""Mixed calls of NumPy's legacy generator, and scikit-learn's make_blobs on it. Float64 as the hexadecimal bits.

numpy 2.4.6, scikit-learn 1.9.1:  python numpy_random.py > numpy_random.json
"""
import json
import random
import struct
import warnings
import numpy as np
from sklearn.datasets import make_blobs

warnings.simplefilter("ignore")  # random_integers is deprecated; the notebook uses it


def bits(values):
    return [struct.pack(">d", v).hex() for v in np.asarray(values, np.float64).ravel().tolist()]


def whole(values): return [str(v) for v in np.asarray(values).ravel().tolist()]


def call(state, op, low, high, count):
    if op == "random_sample": return bits(state.random_sample(count))
    if op == "uniform": return bits(state.uniform(low, high, count))
    if op == "standard_normal": return bits(state.standard_normal(count))
    if op == "normal": return bits(state.normal(low, high, count))
    if op == "randint": return whole(state.randint(low, high, count))
    if op == "random_integers": return whole(state.random_integers(low, high, count))
    if op == "choice_replace": return whole(state.choice(high, count))
    if op == "choice": return whole(state.choice(high, count, replace=False))
    if op == "permutation": return whole(state.permutation(high))
    values = np.arange(high) * 3
    state.shuffle(values)
    return whole(values)


plan = random.Random(1)
sequences = []
for seed in [0, 1, 11, 22, 100, 123456789, 2**32 - 1]:
    state, calls = np.random.RandomState(seed), []
    for _ in range(60):
        op = plan.choice(["random_sample", "uniform", "standard_normal", "normal", "randint", "random_integers",
                          "choice_replace", "choice", "permutation", "shuffle"])
        count = plan.randint(1, 9)
        if op in ("uniform", "normal"):
            low, high = plan.uniform(-50, 50), plan.uniform(0, 50)
        elif op in ("randint", "random_integers"):
            low = plan.choice([0, 1, -7, -10**6, -2**62])
            high = low + plan.choice([1, 2, 30, 1000, 2**31, 2**32 - 1, 2**32, 2**32 + 1, 2**40 + 12345, 2**62])
        else:
            low, high = 0, plan.randint(9, 25)
        calls.append(dict(op=op, low=str(low), high=str(high), count=count, result=call(state, op, low, high, count)))
    # So many that the state is refilled several times.
    calls.append(dict(op="random_sample", low="0", high="1", count=2000, result=bits(state.random_sample(2000)[-5:])))
    sequences.append(dict(seed=seed, calls=calls))

blobs = []
for arguments in [
    dict(n_samples=100, centers=2, center_box=(-3, 3), random_state=22),
    dict(n_samples=40, n_features=2, centers=3, cluster_std=1.5, random_state=5),
    dict(n_samples=17, n_features=5, centers=4, cluster_std=0.25, center_box=(0, 1), random_state=0),
    dict(n_samples=3, n_features=1, centers=5, random_state=9),
]:
    x, y = make_blobs(**arguments)
    blobs.append(dict(
        seed=arguments["random_state"], count=arguments["n_samples"], features=arguments.get("n_features", 2),
        centers=arguments["centers"], deviation=arguments.get("cluster_std", 1.0),
        box=list(arguments.get("center_box", (-10, 10))), samples=bits(x), labels=y.tolist()))

print(json.dumps(dict(sequences=sequences, blobs=blobs)))
