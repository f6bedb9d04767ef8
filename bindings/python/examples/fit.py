"""Recovers an image from noise by gradient descent on 1 - SSIM.

python fit.py                                     a drawn picture, on the GPU if there is one
python fit.py --image photo.png --output out.png  a picture file (needs Pillow)
"""

import argparse

import torch
from fused_ssim import fused_ssim


def drawn_picture(height=96, width=128):
    """A picture with edges, gradients and texture, (1, 3, height, width), values from 0 to 1."""
    row = torch.linspace(0, 1, height).view(-1, 1).expand(height, width)
    column = torch.linspace(0, 1, width).view(1, -1).expand(height, width)
    disc = ((row - 0.45) ** 2 + (column - 0.6) ** 2 < 0.06).float()
    stripes = 0.5 + 0.5 * torch.sin(40 * (row + column))
    return torch.stack([0.3 * column + 0.6 * disc, 0.8 * row * (1 - disc) + 0.1, 0.7 * stripes]).clamp(0, 1)[None]


def read_picture(path):
    import numpy
    from PIL import Image

    pixels = torch.from_numpy(numpy.asarray(Image.open(path).convert("RGB")).copy())
    # (H, W, 3) bytes to a (1, 3, H, W) view of floats; its strides are used as they are.
    return (pixels.float() / 255).permute(2, 0, 1)[None]


def write_picture(path, picture):
    from PIL import Image

    pixels = (picture[0].permute(1, 2, 0).clamp(0, 1) * 255).round().byte().cpu().numpy()
    Image.fromarray(pixels).save(path)


def fit(target, steps, learning_rate=0.05, report=print):
    """Starts from noise; returns the picture and its SSIM after each step."""
    torch.manual_seed(0)
    picture = torch.rand_like(target).requires_grad_()
    optimizer = torch.optim.Adam([picture], lr=learning_rate)
    history = []
    for step in range(1, steps + 1):
        optimizer.zero_grad()
        ssim = fused_ssim(picture, target)
        loss = 1 - ssim
        loss.backward()
        optimizer.step()
        history.append(ssim.detach())
        if step == 1 or step % max(1, steps // 10) == 0:
            report(f"step {step:4}  SSIM {ssim.item():.4f}")
    return picture.detach(), torch.stack(history)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", help="picture to recover")
    parser.add_argument("--output", help="where the recovered picture is written")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    target = read_picture(arguments.image) if arguments.image else drawn_picture()
    picture, history = fit(target.to(arguments.device), arguments.steps)
    print(f"SSIM {history[0].item():.4f} -> {history[-1].item():.4f} in {arguments.steps} steps on {arguments.device}")
    if arguments.output:
        write_picture(arguments.output, picture)


if __name__ == "__main__":
    main()
