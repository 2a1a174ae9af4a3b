"""Several processes that hold one training together, each a share of every tensor (FSDP2, Zhao et al. 2023).

    the model, whole --scatter--> a sharded copy, whose steps are those of a training --gather--> the model, whole

Weights, gradients and the optimizer's state of the copy are shared out; a transformer layer is put together when its
turn comes and let go after it. The whole model stands aside meanwhile (in the CPU's memory, where there is a GPU) and
takes over between epochs: statistics, scores, caches, refits and what is saved know nothing of shares, and don't need
every process to take as many batches. So a device has to hold the weights once, but never their gradients and moments.

This is torch's `fully_shard`: Accelerate's FSDP on CPU would silently not shard.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, NamedTuple

import torch
from accelerate import Accelerator
from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from ser_tl.encoders import Encoder
from ser_tl.encoders.compiling import transformer_layers


class _Place(NamedTuple):
    """Where a tensor is in both: the whole one, and the share or, of a buffer, its copy."""

    whole: Tensor
    held: Tensor


class Shards:
    """A copy of a module, of which each process holds a share.

    Args:
        module: what is trained, whole; the first process' values count
        accelerator: whose processes these are, with their device and precision
        encoder: the path of the encoder in the module, whose layers are shared out one by one
        common: attributes beside tensors that the copy always takes over from the module
    """

    def __init__(self, module: nn.Module, accelerator: Accelerator, encoder: str, common: Sequence[str] = ()) -> None:
        self.common = common
        self.module = module.to(accelerator.device)
        for tensor in [*module.parameters(), *module.buffers()]:
            distributed.broadcast(tensor.detach(), src=0)
        self.accelerator = accelerator
        self.held: Any = deepcopy(module)
        mesh = init_device_mesh(accelerator.device.type, (accelerator.num_processes,))
        for layer in _layers(self.held.get_submodule(encoder)):
            fully_shard(layer, mesh=mesh)
        fully_shard(self.held, mesh=mesh)

    def __call__(self, *inputs: Any) -> Any:  # noqa: ANN401 - as the module takes and gives them
        """The module's forward pass, in the accelerator's precision. All processes call it equally often."""
        with self.accelerator.autocast():
            return self.held(*inputs)

    def keep(self, optimizer: torch.optim.Optimizer) -> None:
        """Makes shares and the state of their optimizer a part of training states, in the place of Accelerate's own."""
        self.optimizer = optimizer
        self.accelerator.register_for_checkpointing(self)

    def train(self) -> None:
        """Training mode."""
        self.held.train()

    @contextmanager
    def at_work(self) -> Generator[None]:
        """The steps of an epoch, which move the shares; the whole module stands aside and then has what was learned."""
        self.scatter()
        self.module.to("cpu")
        yield
        self.gather()

    @torch.no_grad()
    def scatter(self) -> None:
        """The whole module's values, statistics and frozen parts to the shares."""
        for whole, held in self._places():
            if isinstance(held, DTensor):
                # Each process cuts its share out of its own whole: nothing is sent.
                held.copy_(distribute_tensor(whole, held.device_mesh, held.placements, src_data_rank=None))
            else:
                held.copy_(whole)
            held.requires_grad_(whole.requires_grad)
        for name in self.common:
            setattr(self.held, name, getattr(self.module, name))

    @torch.no_grad()
    def gather(self) -> None:
        """The shares' values to the whole module, which is then the same in all processes; they all call it."""
        self.module.to(self.accelerator.device)
        for whole, held in self._places():
            if isinstance(held, DTensor):
                whole.copy_(held.full_tensor())
            else:
                distributed.broadcast(held, src=0)  # running statistics: one process', as DDP does it
                whole.copy_(held)

    def state_dict(self) -> dict[str, Any]:
        """All that moves, whole, for a training state; all processes call it."""
        return {
            "module": _put_together(self.held.state_dict()),
            "optimizer": _put_together(self.optimizer.state_dict()),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes what `state_dict` gave: each process its share of it, and the module the whole."""
        self.module.load_state_dict(state["module"])
        parameters = [one for group in self.optimizer.param_groups for one in group["params"]]
        for number, kept in state["optimizer"]["state"].items():
            like = parameters[number]
            for name, value in kept.items():
                if value.shape == like.shape:
                    spread = value.to(like.device)
                    kept[name] = distribute_tensor(spread, like.device_mesh, like.placements, src_data_rank=None)
        self.optimizer.load_state_dict(state["optimizer"])
        self.scatter()

    def _places(self) -> list[_Place]:
        pairs = zip(self.module.parameters(), self.held.parameters(), strict=True)
        buffers = zip(self.module.buffers(), self.held.buffers(), strict=True)
        return [_Place(*pair) for pair in [*pairs, *buffers]]


def _layers(encoder: Encoder) -> Iterator[nn.Module]:
    """The transformer layers, whose calls say when they are needed; what has none stays with the root, as do those.

    WavLM's first layer is asked for the position bias of all of them before its own turn: it stays there, too.
    """
    for layer in transformer_layers(encoder):
        if not any(hasattr(part, "rel_attn_embed") for part in layer.modules()):
            yield layer


def _put_together(state: Any) -> Any:  # noqa: ANN401 - a tree
    """A tree of dicts and lists with whole tensors on the CPU for shares."""
    if isinstance(state, DTensor):
        return state.full_tensor().cpu()
    if isinstance(state, dict):
        return {name: _put_together(value) for name, value in state.items()}
    return [_put_together(value) for value in state] if isinstance(state, list) else state
