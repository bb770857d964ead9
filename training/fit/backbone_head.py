"""Dense layer on the features of a frozen backbone: the first epoch of a pretrained network.

The features of the images, and of some augmented views, are computed once. The layer is a multinomial logistic
regression with an L2 penalty, fitted by L-BFGS. The penalty is chosen by cross-validation on the training images, with
all views of an image in one fold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from core.recipes import BackboneNetwork, RecipeConfig
from training.augment.batches import Batches
from training.networks import Classifier
from training.networks.efficientnet import backbone_features

PENALTIES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
"""Penalties to choose from, strongest first, for centered features with a mean squared length of 1."""
MAX_ROWS = 50_000
"""Maximum number of images and views together, unless there are more images: 256 MB of features."""
_FOLDS = 3
_ITERATIONS = 200

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Rows:
    """Features of M images and views.

    Attributes:
        features_MF: float32 [M, F].
        target_MK: float32 [M, K], rows sum to 1.
        weight_M: float32 [M], weight in the loss.
    """

    features_MF: Floats
    target_MK: Floats
    weight_M: Floats

    def chosen(self, chosen_M: npt.NDArray[np.bool_]) -> Rows:
        """A part of the rows."""
        return Rows(self.features_MF[chosen_M], self.target_MK[chosen_M], self.weight_M[chosen_M])


def fit_head(
    classifier: Classifier,
    batches: Batches,
    config: RecipeConfig,
    network: BackboneNetwork,
    *,
    labels_N: npt.NDArray[np.int64],
    draw: torch.Generator,
    autocast: Callable[[], torch.autocast],
    progress: Callable[[], None],
) -> float:
    """Fit the last dense layer of `classifier` to the features of all images and their augmented views, in place.

    The loss is cross-entropy with the label smoothing of the recipe. With balanced sampling, all classes have the same
    weight.

    Args:
        classifier: network whose other layers are pretrained.
        batches: training images.
        config: the recipe.
        network: its network.
        labels_N: int64 [N], labels of the training images.
        draw: random generator of the views, on the device of the batches.
        autocast: makes the context in which features are computed.
        progress: called after each batch of images, with all its views.

    Returns:
        The penalty that was chosen.
    """
    views = views_per_image(network, len(batches))
    features_MF, target_MK = _features(classifier, batches, config, views, draw, autocast, progress)
    center_F = features_MF.mean(axis=0)
    features_MF -= center_F
    scale = np.float32(1 / max(1e-12, np.sqrt(np.einsum("mf,mf->", features_MF, features_MF) / len(features_MF))))
    features_MF *= scale
    smoothing = config.optimization.label_smoothing
    smoothed_MK = target_MK * np.float32(1 - smoothing) + np.float32(smoothing / target_MK.shape[1])
    image_M = np.tile(np.arange(len(batches)), views + 1)
    rows = Rows(features_MF, smoothed_MK, image_weights(labels_N, balanced=config.sampling == "balanced")[image_M])
    # More threads are slower by two orders of magnitude on a busy machine, and give other sums.
    with threadpool_limits(1):
        penalty = _best_penalty(rows, target_MK, _folds(labels_N, config.seed)[image_M])
        head_KF1 = solve(rows, penalty)
    target = classifier.network[-1]
    if not isinstance(target, nn.Linear):
        raise TypeError(f"a backbone ends with a dense layer, not with {type(target).__name__}")
    weight_KF = head_KF1[:, :-1] * scale
    with torch.no_grad():
        target.weight.copy_(torch.from_numpy(weight_KF))
        target.bias.copy_(torch.from_numpy(head_KF1[:, -1] - weight_KF @ center_F))
    return penalty


def views_per_image(network: BackboneNetwork, images: int) -> int:
    """Number of augmented views of each of `images` images."""
    return max(0, min(network.views, MAX_ROWS // images - 1))


def image_weights(labels_N: npt.NDArray[np.int64], *, balanced: bool) -> Floats:
    """Weight of each image in the loss, float32 [N] with mean 1; balanced: all classes have the same sum."""
    if not balanced:
        return np.ones(len(labels_N), np.float32)
    weight_N = 1.0 / np.bincount(labels_N)[labels_N]
    return np.asarray(weight_N / weight_N.mean(), np.float32)


def solve(rows: Rows, penalty: float, start_KF1: Floats | None = None) -> Floats:
    """Weights and bias, float32 [K, F + 1], with the lowest penalized loss.

    The loss is the weighted mean cross-entropy plus penalty / 2 times the sum of the squared weights.
    """
    shape = rows.target_MK.shape[1], rows.features_MF.shape[1] + 1
    share_M1 = (rows.weight_M / rows.weight_M.sum())[:, None]

    def loss_and_gradient(flat: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        head_KF1 = flat.reshape(shape)
        log_MK = _log_probabilities(head_KF1.astype(np.float32), rows.features_MF)
        error_MK = share_M1 * (np.exp(log_MK) - rows.target_MK)
        gradient_KF1 = np.column_stack([error_MK.T @ rows.features_MF, error_MK.sum(axis=0)]).astype(np.float64)
        gradient_KF1[:, :-1] += penalty * head_KF1[:, :-1]
        squares = float(np.square(head_KF1[:, :-1]).sum())
        loss = -float((share_M1 * rows.target_MK * log_MK).sum(dtype=np.float64))
        return loss + 0.5 * penalty * squares, gradient_KF1.ravel()

    from scipy.optimize import minimize  # 0.5 s, only used for pretrained networks

    start = np.zeros(shape) if start_KF1 is None else start_KF1.astype(np.float64)
    result = minimize(
        loss_and_gradient,
        start.ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": _ITERATIONS, "gtol": 1e-6, "ftol": 1e-9},
    )
    return np.asarray(result.x.reshape(shape), np.float32)


@torch.no_grad()
def _features(
    classifier: Classifier,
    batches: Batches,
    config: RecipeConfig,
    views: int,
    draw: torch.Generator,
    autocast: Callable[[], torch.autocast],
    progress: Callable[[], None],
) -> tuple[Floats, Floats]:
    """Features float32 [M, F] and targets float32 [M, K]: all images, followed by their augmented views in turn."""
    classifier.eval()
    features: list[list[Tensor]] = [[] for _ in range(views + 1)]
    targets: list[list[Tensor]] = [[] for _ in range(views + 1)]
    for index_N in torch.arange(len(batches)).split(config.batch_size):
        for view in range(views + 1):
            batch = batches.plain(index_N) if view == 0 else batches.augmented(index_N, view - 1, draw)
            pixels_NHWC = batch.pixels_LHWC[: len(index_N)]
            with autocast():
                normalized_NCHW = classifier.normalized(pixels_NHWC.permute(0, 3, 1, 2))
                features[view].append(backbone_features(classifier.network, normalized_NCHW).float().cpu())
            targets[view].append(batch.onehot_NK.cpu())
        progress()
    features_MF, target_MK = (torch.cat([torch.cat(parts) for parts in each]).numpy() for each in (features, targets))
    return features_MF, target_MK


def _folds(labels_N: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.int64]:
    """Random stratified fold of each image, int64 [N]."""
    order_N = np.random.default_rng(seed).permutation(len(labels_N))
    fold_N = np.empty(len(labels_N), np.int64)
    fold_N[order_N[np.argsort(labels_N[order_N], kind="stable")]] = np.arange(len(labels_N)) % _FOLDS
    return fold_N


def _best_penalty(rows: Rows, target_MK: Floats, fold_M: npt.NDArray[np.int64]) -> float:
    """Penalty with the lowest cross-validated log loss; `target_MK` are the targets without label smoothing."""
    losses = dict.fromkeys(PENALTIES, 0.0)
    for fold in np.unique(fold_M):
        held_M = fold_M == fold
        kept, held = rows.chosen(~held_M), rows.chosen(held_M)
        head_KF1: Floats | None = None
        for penalty in PENALTIES:
            head_KF1 = solve(kept, penalty, head_KF1)
            log_MK = _log_probabilities(head_KF1, held.features_MF)
            losses[penalty] -= float((held.weight_M[:, None] * target_MK[held_M] * log_MK).sum(dtype=np.float64))
    return min(losses, key=lambda penalty: losses[penalty])


def _log_probabilities(head_KF1: Floats, features_MF: Floats) -> Floats:
    from scipy.special import log_softmax

    logits_MK = features_MF @ head_KF1[:, :-1].T + head_KF1[:, -1]
    return np.asarray(log_softmax(logits_MK, axis=1), np.float32)
