"""Files that NumPy and PIL write, as hexadecimal bytes, and the numbers in them.

numpy 2.4.6, pillow 13.0.0:  python files.py > files.json
"""
import io
import json
import numpy as np
from PIL import Image, PngImagePlugin

npy, npz, png = [], {}, []


def saved(save, *arrays, **named):
    stream = io.BytesIO()
    save(stream, *arrays, **named)
    return stream.getvalue()


for kind in ["b1", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]:
    for order in "<>" if int(kind[1]) > 1 else "|":
        for layout in "CF":
            for shape in [(5,), (4, 3), (3, 2, 4)]:
                low = 0 if kind[0] in "ub" else -100
                values = (np.arange(np.prod(shape)) * 37 % 200 + low).astype(kind)
                if kind[0] == "f": values = values / np.dtype(kind).type(7)
                if kind == "b1": values = np.arange(np.prod(shape)) % 3 == 0
                array = np.asarray(values.reshape(shape), dtype=order + kind, order=layout)
                npy.append(dict(
                    name=f"{order}{kind} {layout} {list(shape)}", shape=list(shape), bytes=saved(np.save, array).hex(),
                    values=array.astype(np.float32).ravel().view(np.uint32).tolist()))

for version in (1, 0), (2, 0), (3, 0):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.arange(3, dtype=np.float32), version=version)
    npy.append(dict(name=f"version {version}", shape=[3], bytes=stream.getvalue().hex(),
                    values=np.arange(3, dtype=np.float32).view(np.uint32).tolist()))

x = (np.arange(6 * 5 * 4) % 251).astype(np.uint8).reshape(6, 5, 4)
y = np.array([0, 3, 1, 1, 2, 0])
for name, save in ("stored", np.savez), ("deflated", np.savez_compressed):
    npz[name] = saved(save, x=x, y=y, fortran=np.asfortranarray(x)).hex()

pixels = np.random.RandomState(1).randint(0, 256, (5, 7, 3)).astype(np.uint8)
gray = pixels[:, :, 0]


def image(name, picture, expected, **options):
    stream = io.BytesIO()
    picture.save(stream, "PNG", **options)
    shape = None if expected is None else list(expected.shape)
    png.append(dict(name=name, bytes=stream.getvalue().hex(), shape=shape,
                    pixels=None if expected is None else expected.ravel().tolist()))


planes = np.ascontiguousarray(pixels.transpose(2, 0, 1))
image("gray", Image.fromarray(gray), gray[None])
image("rgb", Image.fromarray(pixels), planes)
palette = Image.fromarray(pixels).quantize(16)
image("palette", palette, np.ascontiguousarray(np.array(palette.convert("RGB")).transpose(2, 0, 1)))
image("1 bit", Image.fromarray(gray > 128), ((gray > 128) * 255).astype(np.uint8)[None])
# A gamma and a profile that a viewer would apply; the stored numbers are wanted.
information = PngImagePlugin.PngInfo()
information.add(b"gAMA", (100000).to_bytes(4, "big"))
image("gray with gamma", Image.fromarray(gray), gray[None], pnginfo=information)
image("rgb with gamma", Image.fromarray(pixels), planes, pnginfo=information)
image("16 bits", Image.fromarray(gray.astype(np.uint16) * 257), None)
image("alpha", Image.fromarray(np.dstack([pixels, gray])), None)
image("transparent colour", Image.fromarray(gray), None, transparency=7)

print(json.dumps(dict(npy=npy, npz=npz, npzInputs=x.ravel().tolist(), npzTargets=y.tolist(), png=png)))
