"""Distillation: a small network learns from every evaluation to forecast what asking is worth.

An evaluated (scenario, T, score) says what a conversation is worth that ends with T known. It is used from many
points on the way there: for a random part S of T the network sees the query and the answers in S, is told
which questions E = T - S come next but not their answers, and forecasts the score. What it learns is thus the
expectation over answers that the agent cannot know yet, which is what a policy must compare. Attributes of S
that the user has no value for, and random ones outside T, are marked as declined: a declined question tells
nothing. An answer is now and then told in words that the network never met, a random direction in place of its code: it
tells that the question was answered, as what a person types in their own words does, and no more.

What one answer says of another question would be seen only where a search happened to ask both. So now and then S holds
an answer from outside T too, overheard as it were, and the forecast takes back what that answer brings by itself: the
score is still that of T, but everything the network says of T's questions it now says having heard the other.

How safe a bare answer is, and what a question is worth, differ between users in ways no question reveals, and a search
scores what turned out good for its user. A forecast fitted to all evaluations alike would take that for what the
question brings to everybody. So the loss is that of a linear mixed model (Laird and Ware, Biometrics 38, 1982): each
scenario has a level and a slope for each question of its own, of given variances, and the network learns what is left.

The paper has no such step: its agent retrieves similar queries' paths (section 5.3).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from raise_agent.errors import ConfigError
from raise_agent.policies.network import OVERLAP_RANK, Array, NetworkShape
from raise_agent.subsets import known_in
from raise_agent.threads import one_thread

from .dataset import Examples
from .judge_noise import judge_noise
from .settings import DistillSettings
from .spread import Steps, gain_spread, single_steps
from .weighing import usual_doubt


@dataclass(frozen=True, slots=True)
class Epoch:
    """One pass, for the learning curve."""

    number: int
    training_loss: float
    validation_loss: float | None


@dataclass(frozen=True, slots=True)
class Trained:
    """What training gives."""

    shape: NetworkShape
    weights: dict[str, Array]
    curve: tuple[Epoch, ...]
    gain_spread: float
    """Standard deviation, in score points, of what one more question brings that is forecast to bring nothing."""
    gain_share: float
    """How much it grows for each point that the question is forecast to bring."""
    judge_noise: float
    """Standard deviation of the judge's noise in one score of the usual doubt, in score points; it is in neither."""


class _Network(nn.Module):
    """The network of ``policies.network``, with gradients."""

    def __init__(self, shape: NetworkShape, dropout: float) -> None:
        super().__init__()
        self.shape = shape
        n, h = shape.n_attributes, shape.hidden
        self.query = nn.Linear(shape.query_dimension, h, bias=False)
        self.value = nn.Linear(n * shape.value_dimension, h, bias=False)
        self.mask = nn.Linear(2 * n, h)
        self.hidden = nn.Linear(h, h)
        self.output = nn.Linear(h, shape.outputs)
        self.dropout = nn.Dropout(dropout)

    def forward(self, query: Tensor, values: Tensor, answered: Tensor, declined: Tensor, asked: Tensor) -> Tensor:
        """Forecast (s, k) scores of asking ``asked`` (s, k, n) next, -1 where an answer is taken back.

        ``query`` is (s, d), ``values`` (s, n, v), the rest (s, k, n).
        """
        s, k, n = answered.shape
        # Each answer goes through its weights once, however many of the scenario's k states hold it.
        weights = self.value.weight.reshape(-1, n, values.shape[-1])
        mixed = self.query(self.dropout(query))[:, None] + answered @ torch.einsum("snv,hnv->snh", values, weights)
        mixed = mixed + self.mask(torch.cat([answered, declined], dim=-1))
        hidden = self.dropout(torch.relu(mixed))
        out = self.output(self.dropout(torch.relu(self.hidden(hidden))))
        factors = out[..., n + 1 :].reshape(s, k, n, OVERLAP_RANK) * asked[..., None]
        total = factors.sum(dim=2)
        overlap = 0.5 * (total.square().sum(dim=-1) - factors.square().sum(dim=(2, 3)))
        forecast: Tensor = out[..., 0] + (out[..., 1 : n + 1] * asked).sum(dim=-1) - overlap
        return forecast

    def export(self) -> dict[str, Array]:
        """The weights by the names of ``NetworkShape.weights``."""
        arrays = {
            "query.weight": self.query.weight.T,
            "value.weight": self.value.weight.T,
            "mask.weight": self.mask.weight.T,
            "input.bias": self.mask.bias,
            "hidden.weight": self.hidden.weight.T,
            "hidden.bias": self.hidden.bias,
            "output.weight": self.output.weight.T,
            "output.bias": self.output.bias,
        }
        return {name: np.ascontiguousarray(tensor.detach().numpy()) for name, tensor in arrays.items()}


class _Batches:
    """Examples as tensors, and the random views of them that the network learns from."""

    def __init__(self, examples: Examples, n: int, settings: DistillSettings) -> None:
        self.queries = torch.from_numpy(examples.queries)
        self.values = torch.from_numpy(examples.values)
        self.query_of = torch.from_numpy(examples.query_of)
        self.values_of = torch.from_numpy(examples.values_of)
        self.members = torch.from_numpy(known_in(examples.subsets, n)).float()
        self.scores = torch.from_numpy(examples.scores)
        weights = torch.from_numpy(examples.weights)
        # Weights are precisions: a residual and all that makes it up are scaled by their roots.
        self.roots, self.real = weights.sqrt(), weights > 0
        self.own = torch.cat([self.members, torch.ones_like(self.members[..., :1])], dim=-1) * self.roots[..., None]
        self.taken = _taken(self.own, [settings.slopes] * n + [settings.levels])
        self.decline, self.overheard, self.unfamiliar = settings.decline, settings.overheard, settings.unfamiliar

    def views(self, rows: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Network inputs for these scenarios, each evaluation seen from a random point on the way to it."""

        def drawn(among: Tensor, share: Tensor | float) -> Tensor:
            return among * (torch.rand(among.shape, generator=generator) < share)

        def uniform() -> Tensor:
            return torch.rand(members.shape[:2], generator=generator)[..., None]

        members, has = self.members[rows], (self.values_of[rows] != 0)[:, None]
        asked, others = drawn(members, uniform()), 1 - members
        beside = has * drawn(others, 2 * self.overheard * uniform() / others.sum(dim=-1, keepdim=True).clamp(min=1))
        refused = drawn(others - beside, self.decline)
        codes = self.values[self.values_of[rows]]
        anything = nn.functional.normalize(torch.randn(codes.shape, generator=generator), dim=-1)
        unfamiliar = torch.rand((*codes.shape[:2], 1), generator=generator) < self.unfamiliar
        return (
            self.queries[self.query_of[rows]],
            torch.where(unfamiliar, anything, codes),
            asked * has + beside,
            refused + asked * ~has,
            members - asked - beside,
        )

    def loss(self, forecast: Tensor, rows: Tensor) -> Tensor:
        """Mean of the weighted squared residuals of these scenarios, less what each has of its own."""
        residual = (forecast - self.scores[rows]) * self.roots[rows]
        shown = (residual[:, None] @ self.own[rows])[:, 0]
        own = (shown[:, None] @ self.taken[rows])[:, 0] * shown
        # Over their number: scenarios of little weight must not count more for being in one batch.
        loss: Tensor = (residual.square().sum() - own.sum()) / self.real[rows].sum()
        return loss


def _taken(own: Tensor, variances: Sequence[float]) -> Tensor:
    """(s, f, f) matrices C: with residuals r, r . r - (Z^T r) . C Z^T r is their generalised least squares.

    That is r . V^-1 r with V = I + Z D Z^T, by Woodbury's identity.

    Args:
        own: (s, k, f), Z: what each scenario has an effect of its own for.
        variances: (f,), D: of these effects, over that of one evaluation.
    """
    scale = torch.tensor(variances, dtype=torch.float64).sqrt()
    scaled = own.double() * scale
    inner = torch.eye(len(variances), dtype=torch.float64) + scaled.transpose(1, 2) @ scaled
    taken: Tensor = scale[:, None] * torch.linalg.inv(inner) * scale
    return taken.float()


def train(
    training: Examples,
    validation: Examples | None,
    settings: DistillSettings,
    seed: int,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> Trained:
    """Train a policy network; the same seed gives the same weights on one machine.

    Args:
        training: evaluations to learn from.
        validation: evaluations of other scenarios, to choose the epoch and to measure the spread of gains;
            None keeps the last epoch and measures on the training scenarios.
        settings: how to train.
        seed: of initial weights, order and views.
        on_epoch: told of each pass.

    Raises:
        ConfigError: a loss is no longer a finite number.
    """
    n = training.values_of.shape[1]
    shape = NetworkShape(n, training.queries.shape[1], training.values.shape[1], settings.hidden)
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed accelerators too, for good
        network = _Network(shape, settings.dropout)
        with torch.no_grad():
            network.output.bias.zero_()
            network.output.bias[0] = float((training.scores * training.weights).sum() / training.weights.sum())
        curve = tuple(_fit(network, training, validation, settings, seed, on_epoch))
        spread, share, noise = _gain_spread(network, training, training if validation is None else validation)
    return Trained(shape, network.export(), curve, spread, share, noise)


def _fit(
    network: _Network,
    training: Examples,
    validation: Examples | None,
    settings: DistillSettings,
    seed: int,
    on_epoch: Callable[[Epoch], None] | None,
) -> Iterator[Epoch]:
    n = network.shape.n_attributes
    batches = _Batches(training, n, settings)
    held = None if validation is None else _Batches(validation, n, settings)
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    steps = settings.epochs * math.ceil(len(training) / settings.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.learning_rate, total_steps=steps)
    best, best_state, waited = math.inf, copy.deepcopy(network.state_dict()), 0
    for number in range(1, settings.epochs + 1):
        network.train()
        losses = []
        for rows in torch.split(torch.randperm(len(training), generator=generator), settings.batch):
            loss = batches.loss(network(*batches.views(rows, generator)), rows)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
        checked = None if held is None else _validate(network, held, seed)
        epoch = Epoch(number, sum(losses) / len(losses), checked)
        if not all(math.isfinite(loss) for loss in (epoch.training_loss, checked or 0.0)):
            raise ConfigError(
                f"distillation diverged in pass {number} of {settings.epochs}: the loss is no longer a number; "
                f"set distill.learning_rate below {settings.learning_rate:g}"
            )
        if on_epoch is not None:
            on_epoch(epoch)
        yield epoch
        if checked is None:
            continue
        if checked < best:
            best, best_state, waited = checked, copy.deepcopy(network.state_dict()), 0
        else:
            waited += 1
            if waited >= settings.patience:
                break
    if held is not None:
        network.load_state_dict(best_state)


@torch.no_grad()
def _validate(network: _Network, held: _Batches, seed: int) -> float:
    """Loss on the same views of the validation scenarios after every pass."""
    network.eval()
    generator = torch.Generator().manual_seed(seed)
    rows = torch.arange(len(held.query_of))
    total = torch.zeros(())
    for part in torch.split(rows, 1024):
        total += held.loss(network(*held.views(part, generator)), part) * held.real[part].sum()
    return float(total / held.real.sum())


_FEWEST_STEPS = 30
"""So many single steps must have been evaluated for their spread to be measured."""


def _gain_spread(network: _Network, training: Examples, held: Examples) -> tuple[float, float, float]:
    """``gain_spread``, ``gain_share`` and ``judge_noise``.

    Noise is measured on all training scenarios, as it is no matter of the forecast; the spread on those held out. Where
    hardly any two subsets differ by one answer, the spread is that of scores.
    """
    usual = usual_doubt(training)
    learned = single_steps(training, usual)
    beyond = learned.brought - _forecast_steps(network, training, learned)
    noise = judge_noise(learned.rows, learned.before, learned.after, beyond, learned.doubts[:, 0])
    steps = learned if held is training else single_steps(held, usual)
    if len(steps) < _FEWEST_STEPS:
        return _residual(network, held), 0.0, noise
    forecast = _forecast_steps(network, held, steps)
    return *gain_spread(forecast, steps.brought - forecast, noise**2 * steps.doubts.sum(axis=1)), noise


@torch.no_grad()
def _forecast_steps(network: _Network, examples: Examples, steps: Steps) -> npt.NDArray[np.float64]:
    """(steps,): what one more question is forecast to bring, where what is known before is known."""
    network.eval()
    n = network.shape.n_attributes
    gains = [np.zeros(0)]
    for part in np.array_split(np.arange(len(steps)), 1 + len(steps) // 1024):
        rows = steps.rows[part]
        members = torch.from_numpy(known_in(steps.before[part], n)).float()[:, None]
        next_one = torch.from_numpy(np.eye(n, dtype=np.float32)[steps.added[part]])[:, None]
        query = torch.from_numpy(examples.queries[examples.query_of[rows]])
        values = torch.from_numpy(examples.values[examples.values_of[rows]])
        none = torch.zeros_like(members)
        gained = network(query, values, members, none, next_one) - network(query, values, members, none, none)
        gains.append(np.asarray(gained[:, 0].double().numpy(), np.float64))
    return np.concatenate(gains)


@torch.no_grad()
def _residual(network: _Network, examples: Examples) -> float:
    """Root mean square residual of scores within scenarios, nothing known and the whole subset asked.

    Over all scenarios where each has but one score, which leaves nothing within.
    """
    network.eval()
    members = torch.from_numpy(known_in(examples.subsets, network.shape.n_attributes)).float()
    none = torch.zeros_like(members)
    query = torch.from_numpy(examples.queries[examples.query_of])
    forecast = network(query, torch.from_numpy(examples.values[examples.values_of]), none, none, members)
    real = torch.from_numpy(examples.weights > 0).float()
    over = 1 if (real.sum(dim=1) > 1).any() else (0, 1)
    residual = (forecast - torch.from_numpy(examples.scores)) * real
    residual = (residual - residual.sum(dim=over, keepdim=True) / real.sum(dim=over, keepdim=True)) * real
    return math.sqrt(float(residual.square().sum() / real.sum()))
