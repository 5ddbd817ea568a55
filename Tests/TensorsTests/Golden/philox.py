"""An independent implementation of what CountedRandom promises, and some of its numbers.

Philox 4x32-10 (Salmon et al., SC 2011); first checked here against Random123's known answers.
Python 3.11, standard library only:  python3 philox.py > philox.json
"""
import json
import struct

M32, M64 = (1 << 32) - 1, (1 << 64) - 1


def philox(counter, key):
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & M32, (p0 >> 32) ^ c3 ^ k1, p0 & M32
        k0, k1 = (k0 + 0x9E3779B9) & M32, (k1 + 0xBB67AE85) & M32
    return [c0, c1, c2, c3]


assert philox([0] * 4, [0] * 2) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
assert philox([M32] * 4, [M32] * 2) == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]


def fnv1a(data):
    h = 0xCBF29CE484222325
    for byte in data:
        h = ((h ^ byte) * 0x100000001B3) & M64
    return h


assert fnv1a(b"a") == 0xAF63DC4C8601EC8C  # published test value


def stream(purpose, numbers):
    return fnv1a(purpose.encode() + b"".join(b"\xff" + struct.pack("<q", n) for n in numbers))


def halves(x):
    return [x & M32, x >> 32]


def block(seed, s, index):
    return philox(halves(index) + halves(s), halves(seed))


def uniform(seed, s, index):
    return (block(seed, s, index // 4)[index % 4] >> 8) / 2**24


def permutation(seed, s, count):
    order = list(range(count))
    for draw, i in enumerate(range(count - 1, 0, -1)):
        words = block(seed, s, draw // 2)
        low, high = words[2 * (draw % 2)], words[2 * (draw % 2) + 1]
        j = ((high << 32 | low) * (i + 1)) >> 64
        order[i], order[j] = order[j], order[i]
    return order


cases = []
for seed, purpose, numbers in [
    (0, "permutation", [0, 0]), (0, "permutation", [1, 0]), (0, "permutation", [0, 1]),
    (42, "parameter 1.weight", []), (2**64 - 1, "été", [-1, 2**40]), (1 << 32, "", [7]),
]:
    s = stream(purpose, numbers)
    cases.append({
        "seed": str(seed), "purpose": purpose, "numbers": numbers, "stream": str(s),
        "block0": block(seed, s, 0), "blockFar": block(seed, s, 5 + (3 << 32)),
        "uniform": [uniform(seed, s, i) for i in range(9)],
        "permutation10": permutation(seed, s, 10), "permutation257": permutation(seed, s, 257)})
print("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]")
