"""Fits a picture with two-dimensional Gaussian splats, by the loss of 3D Gaussian splatting, under a mask.

In the target somebody walked through the picture. The mask leaves that part out, so that the splats show what is
behind.

python splatting.py    a drawn picture, on the GPU if there is one
"""

import argparse

import fused_ssim
import torch


def drawn_scene(height=48, width=64, device="cpu"):
    """The scene, (1, 3, height, width) from 0 to 1, a picture of it with somebody in it, and where they are not."""
    row = torch.linspace(0, 1, height, device=device).view(-1, 1).expand(height, width)
    column = torch.linspace(0, 1, width, device=device).view(1, -1).expand(height, width)
    waves = torch.stack([0.5 + 0.4 * torch.sin(k + 6 * column + 4 * row) for k in range(3)])[None]
    somebody = (column - 0.5).abs() + 0.3 * (row - 0.5).abs() < 0.12
    return waves, torch.where(somebody, torch.zeros_like(waves), waves), ~somebody


class Splats(torch.nn.Module):
    """Round Gaussians, whose colours are averaged where they meet."""

    def __init__(self, count, device):
        super().__init__()
        self.center = torch.nn.Parameter(torch.rand(count, 2, device=device))
        self.log_radius = torch.nn.Parameter(torch.full((count,), -2.3, device=device))
        self.color = torch.nn.Parameter(torch.rand(count, 3, device=device))

    def forward(self, height, width):
        device = self.center.device
        row, column = torch.linspace(0, 1, height, device=device), torch.linspace(0, 1, width, device=device)
        down, right = self.center[:, :1] - row, self.center[:, 1:] - column
        distance = down[:, :, None] ** 2 + right[:, None, :] ** 2
        weight = torch.softmax(-distance / (2 * torch.exp(2 * self.log_radius)[:, None, None]), dim=0)
        return torch.einsum("khw,kc->chw", weight, self.color)[None]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    scene, target, mask = drawn_scene(device=arguments.device)
    splats = Splats(80, arguments.device)
    optimizer = torch.optim.Adam(splats.parameters(), lr=0.03)
    for step in range(1, arguments.steps + 1):
        optimizer.zero_grad()
        rendered = splats(*target.shape[2:])
        # 0.8 * L1 + 0.2 * (1 - SSIM); "normalized" keeps masked pixels out of the windows of their neighbours too.
        loss, l1, dissimilarity = fused_ssim.loss(
            rendered, target, mask=mask, mask_mode="normalized", return_parts=True
        )
        loss.backward()
        optimizer.step()
        if step == 1 or step % max(1, arguments.steps // 5) == 0:
            print(f"step {step:4}  loss {loss.item():.4f}  L1 {l1.item():.4f}  1 - SSIM {dissimilarity.item():.4f}")
    behind = (rendered.detach() - scene).abs().mean(dim=1)[0][~mask].mean()
    print(f"behind the mask the splats are {behind.item():.3f} from the scene, which they never saw there")


if __name__ == "__main__":
    main()
