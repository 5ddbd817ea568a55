"""PyTorch's ops of shape, order, indices and matrices for TensorShapeTests.swift.

torch 2.13.0+cpu:  PYTHONPATH=../../Support python shaping.py > shaping.json
"""
import torch
import torch.nn.functional as F
from pytorch_cases import Cases

torch.manual_seed(8)
cases = Cases()
nan = float("nan")
floats = [torch.float32, torch.float64]
layouts = ["contiguous", "reversed"]

for dtype in floats:
    def draw(*shape): return torch.randn(shape, dtype=dtype)

    for layout in layouts:
        def add(op, f, *inputs, **arguments): cases.add(op, f, list(inputs), layout=layout, **arguments)

        # Shape.
        for shape, to in [((2, 3, 4), [4, 6]), ((2, 3, 4), [-1]), ((2, 3, 4), [3, -1, 2]), ((), [1, 1]), ((1,), []), ((0, 3), [3, 0]),
                          ((0, 3), [-1, 3])]:
            add("reshape", lambda x: x.reshape(to), draw(*shape), to=to)
        for shape, a, b in [((2, 3, 4), 0, -1), ((2, 3, 4), 1, 2), ((2, 3, 4), 0, 1), ((5,), 0, -1), ((), 0, -1), ((0, 2, 3), 1, -1)]:
            add("flatten", lambda x: x.flatten(a, b), draw(*shape), a=a, b=b)
        for shape, order in [((2, 3, 4), [2, 0, 1]), ((2, 3, 4), [-1, 1, 0]), ((3, 1), [1, 0]), ((4,), [0]), ((2, 0), [1, 0])]:
            add("permute", lambda x: x.permute(order), draw(*shape), order=order)
        for shape, a, b in [((2, 3, 4), 0, 2), ((2, 3, 4), -1, -2), ((3, 5), 1, 0), ((4,), 0, 0), ((1, 0), 0, 1)]:
            add("transpose", lambda x: x.transpose(a, b), draw(*shape), a=a, b=b)
        for shape, axes in [((1, 3, 1), None), ((1, 3, 1), [0]), ((1, 3, 1), [1]), ((1, 3, 1), [-1]), ((1, 1, 2), [0, 1]), ((), None)]:
            add("squeeze", lambda x: x.squeeze(axes) if axes else x.squeeze(), draw(*shape), axes=axes)
        for shape, axis in [((2, 3), 0), ((2, 3), 1), ((2, 3), -1), ((), 0), ((0,), 1)]:
            add("unsqueeze", lambda x: x.unsqueeze(axis), draw(*shape), axis=axis)
        for shape, to in [((3, 1), [3, 4]), ((1,), [5]), ((2, 1, 3), [4, 2, 5, 3]), ((), [2, 2]), ((1, 3), [0, 3]), ((2, 3), [2, 3])]:
            add("expand", lambda x: x.expand(to), draw(*shape), to=to)

        # Matrix products.
        for a, b in [((4,), (4,)), ((3, 4), (4,)), ((4,), (4, 5)), ((3, 4), (4, 5)), ((1, 1), (1, 1)), ((2, 3, 4), (4, 5)),
                     ((3, 4), (2, 4, 5)), ((2, 3, 4), (2, 4, 5)), ((2, 1, 3, 4), (5, 4, 2)), ((2, 3, 4), (4,)), ((4,), (2, 4, 3)),
                     ((0, 4), (4, 3)), ((3, 0), (0, 2)), ((2, 0, 3), (3, 2)), ((0, 2, 3), (3, 2)), ((7, 17), (17, 9))]:
            add("matmul", torch.matmul, draw(*a), draw(*b))

        # Joining and splitting.
        for shapes, axis in [([(2, 3), (1, 3), (4, 3)], 0), ([(2, 3), (2, 1)], 1), ([(2, 3), (2, 2)], -1), ([(3,)], 0),
                             ([(0, 2), (3, 2)], 0), ([(1, 2, 2), (1, 3, 2), (1, 1, 2)], 1)]:
            add("cat", lambda *x: torch.cat(x, axis), *[draw(*s) for s in shapes], axis=axis)
        add("cat", lambda *x: torch.cat(x, 0), draw(0), draw(3, 2), axis=0, grad=False)
        for shape, n, axis in [((2, 3), 3, 0), ((2, 3), 2, 1), ((2, 3), 2, -1), ((), 3, 0), ((1,), 1, 1), ((0, 2), 2, 0)]:
            add("stack", lambda *x: torch.stack(x, axis), *[draw(*shape) for _ in range(n)], axis=axis)
        for shape, size, axis in [((7, 2), 3, 0), ((2, 6), 2, 1), ((2, 5), 5, -1), ((3,), 1, 0)]:
            add("split", lambda x: x.split(size, axis), draw(*shape), size=size, axis=axis)
        for shape, sizes, axis in [((7, 2), [3, 4], 0), ((2, 6), [1, 2, 3], 1), ((2, 5), [5, 0], -1)]:
            add("splitSizes", lambda x: x.split(sizes, axis), draw(*shape), sizes=sizes, axis=axis)
        for shape, n, axis in [((7, 2), 3, 0), ((2, 6), 4, 1), ((2, 5), 7, -1), ((3,), 1, 0)]:
            add("chunk", lambda x: x.chunk(n, axis), draw(*shape), n=n, axis=axis)
        for shape in [(3, 2), (2,), (2, 1, 3)]: add("unstacked", lambda x: x.unbind(0), draw(*shape))

        # Slices.
        x = draw(5, 4, 3)
        slices = {"0": lambda x: x[0], "-1": lambda x: x[-1], "1..<3": lambda x: x[1:3], "2...": lambda x: x[2:], "..<2": lambda x: x[:2],
                  "...2": lambda x: x[:3], "1...3": lambda x: x[1:4], "every, 1": lambda x: x[:, 1], "every, -1, 1..<3": lambda x: x[:, -1, 1:3],
                  "2, 1, 0": lambda x: x[2, 1, 0], "1..<1": lambda x: x[1:1], "every, every, 0": lambda x: x[:, :, 0],
                  "1..<4, 2": lambda x: x[1:4, 2], "2, ..<2": lambda x: x[2, :2]}
        for name, f in slices.items(): add("subscript", f, x, name=name)
        for axis, a, b, step in [(0, 0, 5, 2), (1, 1, 4, 3), (-1, 0, 3, 1), (0, 4, 5, 7), (2, 1, 1, 1), (0, 1, 5, 2)]:
            index = [slice(None)] * 3
            index[axis] = slice(a, b, step)
            add("slice", lambda x: x[tuple(index)], x, axis=axis, a=a, b=b, step=step)
        for axis, start, n in [(0, 1, 3), (1, 0, 4), (-1, 2, 1), (0, 5, 0)]:
            add("narrow", lambda x: x.narrow(axis, start, n), x, axis=axis, start=start, n=n)

        # Indices and masks.
        for shape, axis, ishape in [((5, 3), 0, (2, 3)), ((5, 3), 1, (5, 6)), ((5, 3), 1, (2, 2)), ((4,), 0, (7,)), ((2, 3, 4), 1, (2, 5, 3)),
                                    ((5, 3), -1, (0, 3))]:
            add("gather", lambda x, i: x.gather(axis, i), draw(*shape), torch.randint(shape[axis], ishape), axis=axis)
        for shape, axis, n in [((5, 3), 0, 7), ((5, 3), 1, 2), ((4,), 0, 1), ((2, 3, 4), -1, 5), ((5, 3), 0, 0)]:
            add("indexSelect", lambda x, i: x.index_select(axis, i), draw(*shape), torch.randint(shape[axis], (n,)), axis=axis)
        add("byIndices", lambda x, i: x[i], draw(5, 3), torch.tensor([[0, -1], [2, 2]]))
        add("byIndices", lambda x, i: x[i], draw(5, 3, 2), torch.tensor([4, 1, 4]))
        for shape, mshape in [((3, 4), (3, 4)), ((3, 4), (4,)), ((5,), (5,)), ((2, 3, 2), (3, 1)), ((0, 2), (0, 2)), ((), ())]:
            mask = torch.rand(mshape) > 0.5
            add("maskedFill", lambda x, m: x.masked_fill(m, -1.5), draw(*shape), mask)
            add("maskedSelect", lambda x, m: x.masked_select(m), draw(*shape), mask)
            def assigned(x, m):
                x = x.detach().clone(); x[m.expand_as(x)] = 7.0
                return x
            add("maskedAssign", assigned, draw(*shape), mask, grad=False)
        def listed(x, m, v):
            x = x.clone(); x[m] = v
            return x
        mask = torch.tensor([[True, False, True], [False, True, False]])
        add("maskedAssignList", listed, draw(2, 3), mask, draw(3), grad=False)

        # Order.
        for shape, axis in [((5, 7), -1), ((5, 7), 0), ((9,), 0), ((1, 1), 1), ((2, 3, 4), 1), ((0, 3), 0), ((), -1)]:
            for descending in [False, True]:
                x = draw(*shape)
                add("sort", lambda x: x.sort(dim=axis, descending=descending, stable=True), x, axis=axis, descending=descending)
                add("argsort", lambda x: x.argsort(dim=axis, descending=descending, stable=True), x, axis=axis, descending=descending)
        for descending in [False, True]:
            add("sort", lambda x: x.sort(dim=0, descending=descending, stable=True), torch.tensor([2.0, 1, nan, 2, 0, 1, nan, -0.0], dtype=dtype),
                axis=0, descending=descending)
        for shape, n, axis in [((5, 7), 3, -1), ((5, 7), 5, 0), ((9,), 1, 0), ((2, 3, 4), 2, 1), ((3,), 0, 0)]:
            for largest in [False, True]:
                add("topk", lambda x: x.topk(n, axis, largest), draw(*shape), n=n, axis=axis, largest=largest)
        for shape, axis in [((5, 7), -1), ((5, 7), 0), ((9,), 0), ((2, 3, 4), 1), ((0, 3), 0), ((), 0)]:
            add("cumulativeSum", lambda x: x.cumsum(axis), draw(*shape), axis=axis)
        for shape, axes in [((5, 7), [0]), ((5, 7), [0, 1]), ((4,), [-1]), ((2, 3, 4), [0, 2]), ((0, 3), [0])]:
            add("flip", lambda x: x.flip(axes), draw(*shape), axes=axes)
        for shape, k in [((3, 5), 0), ((5, 3), 1), ((4, 4), -1), ((2, 3, 3), 0), ((1, 1), 2), ((0, 3), 0)]:
            add("tril", lambda x: x.tril(k), draw(*shape), k=k)
            add("triu", lambda x: x.triu(k), draw(*shape), k=k)
        add("unique", lambda x: x.unique(return_counts=True), torch.tensor([[2.0, 1, 2], [0, 1, 2]], dtype=dtype), grad=False)

for dtype in [torch.int64, torch.int32, torch.uint8]:
    x = torch.tensor([[2, 1, 2, 5], [0, 1, 2, 7]]).to(dtype)
    cases.add("unique", lambda x: x.unique(return_counts=True), [x])
    cases.add("sort", lambda x: x.sort(dim=1, descending=True, stable=True), [x], axis=1, descending=True)
    cases.add("cumulativeSum", lambda x: x.cumsum(1), [x], axis=1)
    cases.add("flip", lambda x: x.flip([1]), [x], axes=[1])
    cases.add("tril", lambda x: x.tril(0), [x], k=0)
    cases.add("cat", lambda *x: torch.cat(x, 0), [x, x], axis=0)
    cases.add("subscript", lambda x: x[:, 1], [x], name="every, 1")
    cases.add("indexSelect", lambda x, i: x.index_select(1, i), [x, torch.tensor([3, 0])], axis=1)
    cases.add("maskedFill", lambda x, m: x.masked_fill(m, 9), [x, x > 1], number=9)
cases.add("unique", lambda x: x.unique(return_counts=True), [torch.zeros(0, dtype=torch.int64)])
for shape, n in [((4,), 3), ((2, 3), 5), ((), 2), ((0,), 3)]:
    cases.add("oneHot", lambda x: F.one_hot(x, n) , [torch.randint(n, shape)], n=n)

# Creation: no inputs.
for dtype in floats:
    name = str(dtype).removeprefix("torch.")
    for a, b, step in [(0, 1, 0.1), (1, -2, -0.5), (0, 5, 1), (2, 2, 1), (-1.5, 1.6, 0.75)]:
        cases.add("arange", lambda: torch.arange(a, b, step, dtype=dtype), [], a=a, b=b, step=step, dtype=name)
    for a, b, n in [(0, 1, 11), (-3, 7, 6), (1, 1, 3), (2, 5, 1), (0, 1, 0), (5, -5, 2)]:
        cases.add("linspace", lambda: torch.linspace(a, b, n, dtype=dtype), [], a=a, b=b, n=n, dtype=name)
    for rows, columns in [(3, 3), (2, 4), (4, 2), (0, 3)]:
        cases.add("eye", lambda: torch.eye(rows, columns, dtype=dtype), [], rows=rows, columns=columns, dtype=name)
for dtype in floats + [torch.int64, torch.int32, torch.uint8, torch.bool]:
    name = str(dtype).removeprefix("torch.")
    for shape in [(2, 3), (), (0, 2)]:
        cases.add("full", lambda: torch.full(shape, 3, dtype=dtype), [], shape=list(shape), dtype=name)
        cases.add("zeros", lambda: torch.zeros(shape, dtype=dtype), [], shape=list(shape), dtype=name)
        cases.add("ones", lambda: torch.ones(shape, dtype=dtype), [], shape=list(shape), dtype=name)
for a, b, step in [(0, 5, 1), (5, 0, -2), (3, 3, 1), (-4, 4, 3)]:
    cases.add("arangeInt", lambda: torch.arange(a, b, step), [], a=a, b=b, step=step)
cases.add("literal", lambda: (torch.tensor([[1, 2], [3, 4]]), torch.tensor([[1, 2.5], [3, 4]]), torch.tensor([1, 2, 3]),
                              torch.tensor([[[1.0, 2]], [[3, 4]]]), torch.tensor([True, False]), torch.tensor([[1, 2]], dtype=torch.float64)), [])
cases.dump()
