"""Sharded training: several processes, each with a shard of every tensor (FSDP2, Zhao et al. 2023).

    the model, whole --scatter--> a sharded copy, whose steps are those of a training --gather--> the model, whole

Weights, gradients and the optimizer's state of the copy are sharded; a transformer layer is gathered when it is
needed and freed after it. The whole model waits meanwhile (in the CPU's memory, where there is a GPU) and is used
between
epochs: statistics, scores, caches, refits and checkpoints are independent of shards, and don't need every process to
take as many batches. So a device has to hold the weights once, but never their gradients and moments.

This is torch's `fully_shard`: Accelerate's FSDP on CPU would silently not shard.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, NamedTuple

import torch
from accelerate import Accelerator
from torch import Tensor, distributed, nn

from ser_tl.encoders import Encoder
from ser_tl.encoders.compiling import transformer_layers


class _ShardedTensor(NamedTuple):
    """A tensor in both modules: the whole one, and the shard or, of a buffer, its copy."""

    whole: Tensor
    shard: Tensor


class Shards:
    """A copy of a module, of which each process holds a shard.

    Args:
        module: trained, whole; the first process' values count
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
        self.sharded: Any = deepcopy(module)
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard  # with it every other training would start seconds later

        mesh = init_device_mesh(accelerator.device.type, (accelerator.num_processes,))
        for layer in _layers(self.sharded.get_submodule(encoder)):
            fully_shard(layer, mesh=mesh)
        fully_shard(self.sharded, mesh=mesh)

    def __call__(self, *inputs: Any) -> Any:  # noqa: ANN401 - as the module takes and gives them
        """The module's forward pass, in the accelerator's precision. All processes call it equally often."""
        with self.accelerator.autocast():
            return self.sharded(*inputs)

    def keep(self, optimizer: torch.optim.Optimizer) -> None:
        """Makes shares and the state of their optimizer a part of training states, in the place of Accelerate's own."""
        self.optimizer = optimizer
        self.accelerator.register_for_checkpointing(self)

    def train(self) -> None:
        """Training mode."""
        self.sharded.train()

    @contextmanager
    def at_work(self) -> Generator[None]:
        """The steps of an epoch, which move the shares; the whole module stands aside and then has what was learned."""
        self.scatter()
        self.module.to("cpu")
        yield
        self.gather()

    @torch.no_grad()
    def scatter(self) -> None:
        """The whole module's values, statistics and frozen parts to the shards."""
        from torch.distributed.tensor import DTensor, distribute_tensor

        for whole, shard in self._pair_tensors():
            if isinstance(shard, DTensor):
                # Each process cuts its share out of its own whole: nothing is sent.
                shard.copy_(distribute_tensor(whole, shard.device_mesh, shard.placements, src_data_rank=None))
            else:
                shard.copy_(whole)
            shard.requires_grad_(whole.requires_grad)
        for name in self.common:
            setattr(self.sharded, name, getattr(self.module, name))

    @torch.no_grad()
    def gather(self) -> None:
        """The shards' values to the whole module, which is then the same in all processes; they all call it."""
        from torch.distributed.tensor import DTensor

        self.module.to(self.accelerator.device)
        for whole, shard in self._pair_tensors():
            if isinstance(shard, DTensor):
                whole.copy_(shard.full_tensor())
            else:
                distributed.broadcast(shard, src=0)  # running statistics: one process', as DDP does it
                whole.copy_(shard)

    def state_dict(self) -> dict[str, Any]:
        """All that moves, whole, for a training state; all processes call it."""
        return {
            "module": _put_together(self.sharded.state_dict()),
            "optimizer": _put_together(self.optimizer.state_dict()),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what `state_dict` returned: each process its shards of it, and the module the whole."""
        from torch.distributed.tensor import distribute_tensor

        self.module.load_state_dict(state["module"])
        parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        for number, saved in state["optimizer"]["state"].items():
            like = parameters[number]
            for name, value in saved.items():
                if value.shape == like.shape:
                    spread = value.to(like.device)
                    saved[name] = distribute_tensor(spread, like.device_mesh, like.placements, src_data_rank=None)
        self.optimizer.load_state_dict(state["optimizer"])
        self.scatter()

    def _pair_tensors(self) -> list[_ShardedTensor]:
        pairs = zip(self.module.parameters(), self.sharded.parameters(), strict=True)
        buffers = zip(self.module.buffers(), self.sharded.buffers(), strict=True)
        return [_ShardedTensor(*pair) for pair in [*pairs, *buffers]]


def _layers(encoder: Encoder) -> Iterator[nn.Module]:
    """The transformer layers, whose calls say when they are needed; what has none stays with the root, as do those.

    WavLM's first layer is asked for the position bias of all of them before its own turn: it stays there, too.
    """
    for layer in transformer_layers(encoder):
        if not any(hasattr(part, "rel_attn_embed") for part in layer.modules()):
            yield layer


def _put_together(state: Any) -> Any:  # noqa: ANN401 - a tree
    """A tree of dicts and lists with whole tensors on the CPU in the place of shards."""
    from torch.distributed.tensor import DTensor

    if isinstance(state, DTensor):
        return state.full_tensor().cpu()
    if isinstance(state, dict):
        return {name: _put_together(value) for name, value in state.items()}
    return [_put_together(value) for value in state] if isinstance(state, list) else state
