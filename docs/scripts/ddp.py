"""Train a network in PyTorch by all processes that torchrun starts, each with a share of the data.

torchrun --nproc-per-node=2 ddp.py start.npz end.npz
"""

import datetime
import sys

import torch
import torch.distributed as dist
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel

from convdocs import CNN, data, exchange

gpu = torch.cuda.is_available()
dist.init_process_group("nccl" if gpu else "gloo", timeout=datetime.timedelta(seconds=60))
rank, ranks = dist.get_rank(), dist.get_world_size()
device = f"cuda:{rank % torch.cuda.device_count()}" if gpu else "cpu"

model = CNN.load(sys.argv[1])
net = DistributedDataParallel(exchange.to_torch(model).to(device).train())
digits = data.digits()
X = torch.from_numpy(digits.X_train[:1200])[rank::ranks].to(device)  # this process's share
y = torch.from_numpy(digits.y_train[:1200])[rank::ranks].to(device)
optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
for _ in range(5):
    optimizer.zero_grad()
    cross_entropy(net(X), y).backward()  # averages the gradients of all processes
    optimizer.step()

if rank == 0:
    model.load_state_dict(net.module.cpu().state_dict())
    model.save(sys.argv[2])
    score = model.score(digits.X_test, digits.y_test)
    print(f"{ranks} processes, right on the test set: {score:.3f}")
dist.destroy_process_group()
