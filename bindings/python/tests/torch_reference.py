"""Mean SSIM and its gradients by PyTorch's own separable convolution and autograd, in float64 on the CPU."""

import torch


def reference(img1, img2, padding="same"):
    """(value, gradient of img1, gradient of img2), the gradients as NumPy arrays."""
    x, y = (torch.as_tensor(image).detach().cpu().double().requires_grad_() for image in (img1, img2))
    offsets = torch.arange(11, dtype=torch.float64) - 5
    taps = torch.exp(-(offsets**2) / (2 * 1.5**2))
    taps = taps / taps.sum()
    channels = x.shape[1]

    def filtered(image):
        border = 5 if padding == "same" else 0
        vertical = taps.view(1, 1, 11, 1).repeat(channels, 1, 1, 1)
        horizontal = taps.view(1, 1, 1, 11).repeat(channels, 1, 1, 1)
        rows = torch.nn.functional.conv2d(image, vertical, padding=(border, 0), groups=channels)
        return torch.nn.functional.conv2d(rows, horizontal, padding=(0, border), groups=channels)

    mu_x, mu_y = filtered(x), filtered(y)
    var_x, var_y, cov = filtered(x * x) - mu_x**2, filtered(y * y) - mu_y**2, filtered(x * y) - mu_x * mu_y
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * mu_x * mu_y + c1) / (mu_x**2 + mu_y**2 + c1)
    value = (luminance * (2 * cov + c2) / (var_x + var_y + c2)).mean()
    value.backward()
    return value.item(), x.grad.numpy(), y.grad.numpy()
