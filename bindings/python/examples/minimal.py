"""SSIM of two images and its gradient, with PyTorch; on the GPU if there is one."""

import torch
from fused_ssim import fused_ssim

torch.manual_seed(0)
target = torch.rand(1, 3, 64, 96, device="cuda" if torch.cuda.is_available() else "cpu")
picture = (0.5 + 0.5 * (target - 0.5)).requires_grad_()

before = fused_ssim(picture, target)
(1 - before).backward()

# The gradient of the mean is divided by the number of pixels; one step downhill makes the picture more like the target.
with torch.no_grad():
    picture -= 0.02 * picture.numel() * picture.grad
    after = fused_ssim(picture, target)
print(f"SSIM {before.item():.4f}, after one step along the gradient {after.item():.4f}")
