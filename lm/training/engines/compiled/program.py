"""Steps compiled by XLA, through jax: made from a traced step, kept on disk, run many at a time.

XLA must not be at work in a process that forks. So runs whose steps are divided among forked
processes are not compiled, and importing this starts nothing.
"""

# jax has few types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportPrivateImportUsage=false

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from jax.extend.backend import clear_backends
from jaxlib._jax import DeviceList
from torch import Tensor, fx

from lm.training.engines.compiled.lowering import lowered

ONE_THREAD = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
_pool: list[int] = []  # its size, once XLA has started in this process


def start(n_threads: int) -> None:
    """Start XLA in this process with a pool of so many threads, unless it has just that.

    It divides products among them, so that another number gives other bits. Where its pool is
    another one, it starts anew, and what was made before is of no use any more.
    """
    if _pool == [n_threads]:
        return
    if _pool:
        clear_backends()
    os.environ["XLA_FLAGS"] = ONE_THREAD  # which it reads as it starts,
    os.environ["NPROC"] = str(n_threads)  # and this
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_platforms", "cpu")
    jax.devices()
    _pool[:] = [n_threads]


class Program:
    """Some steps of a training, at most `most_steps` in one call."""

    def __init__(self, executable: Any, most_steps: int) -> None:
        self.most_steps, self._executable = most_steps, executable
        self._state: list[Any] = []  # arrays of jax, which each call uses up
        self._inputs: list[Any] = []  # of `most_steps` steps
        self._results: Any = None

    @classmethod
    def compiled(
        cls,
        graph: fx.GraphModule,
        state: Sequence[Tensor],
        inputs: Sequence[Tensor],
        most_steps: int,
    ) -> Program:
        """From a graph that takes `state` and the `inputs` of one step, here in shape alone.

        It gives the next state, a loss and a norm. XLA is started. Raises `NotLoweredError`.
        """
        step = lowered(graph)

        def steps(state: list[Any], inputs: list[Any], keys: Any, ends: Any) -> Any:
            def body(i: Any, carried: Any) -> Any:
                state, results = carried
                *state, loss, norm = step([*state, *(each[i] for each in inputs)], keys[i])
                return state, results.at[i].set(jnp.stack([loss, norm]))

            results = jnp.zeros((most_steps, 2), jnp.float32)
            return jax.lax.fori_loop(ends[0], ends[1], body, (state, results))

        def like(tensor: Tensor, *more: int) -> jax.ShapeDtypeStruct:
            return jax.ShapeDtypeStruct((*more, *tensor.shape), tensor.numpy().dtype)

        lowered_steps = jax.jit(steps, donate_argnums=0, keep_unused=True).lower(
            [like(each) for each in state],
            [like(each, most_steps) for each in inputs],
            jax.ShapeDtypeStruct((most_steps, 2), np.uint32),
            jax.ShapeDtypeStruct((2,), np.int64),
        )
        return cls(lowered_steps.compile().runtime_executable(), most_steps)

    @classmethod
    def loaded(cls, kept: bytes, most_steps: int) -> Program:
        """From what `to_bytes` gave; XLA is started. Raises RuntimeError if that is damaged."""
        (device,) = jax.devices()
        executable = device.client.deserialize_executable(kept, DeviceList((device,)))
        return cls(executable, most_steps)

    def to_bytes(self) -> bytes:
        """The compiled program, for this kind of processor and these versions alone."""
        return self._executable.serialize()

    def begin(self, state: Iterable[Tensor]) -> None:
        """Take over the state from which the next steps go on."""
        # copies: jax may keep the memory it is given
        self._state = [jax.device_put(np.array(each.numpy())) for each in state]

    def feed(self, inputs: Sequence[np.ndarray], keys: np.ndarray) -> None:
        """Have what the next steps need: `inputs` (n, …) each, and `keys` (n, 2) for chance."""
        self._inputs = []
        for each in (*inputs, keys):
            filled = np.zeros((self.most_steps, *each.shape[1:]), each.dtype)
            filled[: len(each)] = each
            self._inputs.append(jax.device_put(filled))

    def start(self, steps: range) -> None:
        """Begin to take some of the steps whose inputs are at hand, and return at once."""
        ends = jax.device_put(np.array([steps.start, steps.stop]))
        results = self._executable.execute_sharded([*self._state, *self._inputs, ends])
        arrays = [each[0] for each in results.disassemble_into_single_device_arrays()]
        *self._state, self._results = arrays

    def results(self, steps: range) -> np.ndarray:
        """Losses and norms of gradients, (n, 2), of the steps that were begun, once taken."""
        return np.asarray(self._results)[steps.start : steps.stop]

    def state(self) -> list[Tensor]:
        """The state after the last step, to be copied from before the next."""
        return [torch.from_dlpack(each) for each in self._state]
