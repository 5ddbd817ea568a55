"""The notebooks' generators in NumPy and scikit-learn, as bits of float32.

numpy 2.4.6, scikit-learn 1.9.1:  python generators.py > generators.json

NumPy's float64 sin, cos and exp may differ from Glibc's in the last bit where it has its own for the processor; float32
hides that.
"""
import json
import warnings
import numpy as np
from sklearn.datasets import make_blobs

warnings.simplefilter("ignore")  # random_integers is deprecated; the notebook uses it
cases = {}


def add(name, inputs, targets):
    as_bits = lambda v: np.asarray(v).astype(np.float32).ravel().view(np.uint32).tolist()
    cases[name] = dict(inputs=as_bits(inputs), targets=as_bits(targets))


def rings(n, seed):
    np.random.seed(seed)
    f, t = [], []
    for _ in range(n):
        for c in (0, 1):
            r = 3 * c + np.random.uniform()
            a = np.random.uniform(0, 2 * np.pi)
            f.append([r * np.cos(a), r * np.sin(a)])
            t.append(c)
    return np.array(f), np.array(t)


add("rings", *rings(300, 100))

# S06: two calls on one stream; 0 stays 0, the others become 1.
np.random.seed(3)
for split, count in ("train", 40), ("test", 10):
    x, y = make_blobs(n_samples=count, n_features=2, cluster_std=1.5, shuffle=True)
    add("blobs " + split, x, y)
    add("binary blobs " + split, x, np.where(y == 0, 0, 1))

np.random.seed(11)
x = np.random.random_integers(1, 30, 15)
add("line", x, 3 * x + 4 + np.random.normal(scale=3, size=15))

x = np.linspace(-2, 2, 100)
add("parabola", x, x**2)
x = np.linspace(0.5, 3.7, 1)
add("parabola of one", x, x**2)

for name, (low, high, step) in {"wave": (-10, 10, .1), "wave in thirds": (0.1, 5, 1 / 3)}.items():
    x = np.arange(low, high, step)
    y = np.sin(3 * x) * np.exp(-x / 8.)
    add(name, x, y)
    add(name + " flipped", x, y[::-1])

np.random.seed(0)
ts = 4 + 3 * np.arange(1000) + np.random.normal(0, .1)
add("trend train", ts[:-1][:699], ts[1:][:699])
add("trend test", ts[:-1][699:], ts[1:][699:])

np.random.seed(8)
t = np.arange(60)
ts = -1 + .5 * t + .01 * t * t + np.random.normal(0, .2, 60)
add("quadratic train", ts[:-3][:45], ts[3:][:45])
add("quadratic test", ts[:-3][45:], ts[3:][45:])

np.random.seed(4)
add("noise", np.random.randn(2, 48), np.random.randn(2, 10))

# 5 training and 3 test sequences of 4 among 6 symbols; index 6 starts.
np.random.seed(6)
for split, count in ("train", 5), ("test", 3):
    symbols = np.random.randint(0, 6, (count, 4))
    backwards = symbols[:, ::-1]
    given = np.concatenate([np.full((count, 1), 6), backwards[:, :-1]], 1)
    add("reverse " + split, np.eye(7)[np.stack([symbols, given], 1)], backwards)

print(json.dumps(cases))
