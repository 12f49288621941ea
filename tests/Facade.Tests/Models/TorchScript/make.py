"""Makes the files of this folder, with PyTorch: TorchScript modules, and what PyTorch's own autograd says of net.pt."""
import zipfile

import numpy as np
import torch
import torchvision
from torch import nn

torch.manual_seed(3)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.pool = nn.MaxPool2d(2)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(4 * 8 * 8, 4)

    def forward(self, x):
        x = self.pool(torch.relu(self.norm(self.conv(x))))
        return self.head(self.drop(x).flatten(1))


class Pair(nn.Module):
    def forward(self, x):
        return x.mean((2, 3)), x


class Detached(nn.Module):
    def forward(self, x):
        return x.detach().mean((2, 3))


class Overwritten(nn.Module):
    """PyTorch refuses its gradient, since the sigmoid's value is gone."""

    def forward(self, x):
        y = x.sigmoid()
        y.add_(1)
        return y.mean((2, 3))


class Foreign(nn.Module):
    """Has an operator of another library."""

    def forward(self, x):
        boxes = x.mean((1, 2))[:, :4]
        return boxes[torchvision.ops.nms(boxes, boxes[:, 0], 0.5)]


class Table(nn.Module):
    """Looks things up by whole numbers, as attention over windows does."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, 2.0, 3.0]))
        self.register_buffer("order", torch.tensor([2, 0, 1]))

    def forward(self, x):
        return x.mean((2, 3)) * self.weight[self.order]


def save(module, file):
    """Without the account of where on the machine its source was."""
    torch.jit.script(module).save(file)
    with zipfile.ZipFile(file) as full:
        kept = [(name, full.read(name)) for name in full.namelist() if not name.endswith(".debug_pkl")]
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as small:
        for name, data in kept:
            small.writestr(zipfile.ZipInfo(name), data)


net = Net()
with torch.no_grad():
    net.norm.running_mean.uniform_(-40, 40)
    net.norm.running_var.uniform_(1000, 4000)
    net.norm.weight.uniform_(0.5, 2)
# In the mode of training, which reading it leaves.
save(net, "net.pt")
torch.save(nn.Linear(2, 2).state_dict(), "weights.pt")
for name, module in [("pair", Pair()), ("detached", Detached()), ("overwritten", Overwritten()), ("table", Table()), ("foreign", Foreign())]:
    save(module, f"{name}.pt")

x = torch.randint(0, 256, (3, 3, 16, 16)).float().requires_grad_()
logits = net.eval()(x)
(gradient,) = torch.autograd.grad(logits[:, 1].sum(), x)
images = x.detach().permute(0, 2, 3, 1).numpy().astype(np.uint8)
np.savez_compressed("net.npz", X=images, logits=logits.detach(), gradient=gradient)
