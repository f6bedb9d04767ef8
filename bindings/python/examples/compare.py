"""SSIM of two pictures, and where they differ, with NumPy.

python compare.py                a drawn picture and a blurred, noisy copy
python compare.py a.npy b.npy    arrays (H, W, C), of bytes or of floats from 0 to 1
"""

import sys

import fused_ssim
import numpy as np


def planes(picture):
    """An (H, W, C) picture as the (1, C, H, W) float32 view that the library takes; only the conversion copies."""
    if picture.dtype == np.uint8:
        picture = picture.astype(np.float32) / 255
    return picture.astype(np.float32, copy=False).transpose(2, 0, 1)[None]


def drawn_pair(height=120, width=160):
    random = np.random.default_rng(0)
    row, column = np.mgrid[0:height, 0:width] / height
    disc = (row - 0.5) ** 2 + (column - 0.7) ** 2 < 0.08
    picture = np.stack([0.5 * column, 0.2 + 0.7 * disc, 0.5 + 0.4 * np.sin(30 * row)], axis=-1).clip(0, 1)
    copy = picture.copy()
    # Noise on the right half only, so that the map has something to show.
    copy[:, width // 2 :] += 0.1 * random.standard_normal((height, width - width // 2, 3))
    return picture, copy.clip(0, 1)


def main():
    if len(sys.argv) not in (1, 3):
        sys.exit(__doc__)
    first, second = drawn_pair() if len(sys.argv) == 1 else map(np.load, sys.argv[1:])
    img1, img2 = planes(first), planes(second)
    print(f"SSIM               {fused_ssim.ssim(img1, img2):.4f}")
    print(f"  no padding       {fused_ssim.ssim(img1, img2, padding='valid'):.4f}")
    for name, value in zip("RGB", fused_ssim.ssim(img1, img2, reduction="channel")[0]):
        print(f"  channel {name}        {value:.4f}")
    per_pixel = fused_ssim.ssim(img1, img2, reduction="map")[0].mean(axis=0)
    row, column = np.unravel_index(per_pixel.argmin(), per_pixel.shape)
    print(f"lowest             {per_pixel[row, column]:.4f} at row {row}, column {column}")


if __name__ == "__main__":
    main()
