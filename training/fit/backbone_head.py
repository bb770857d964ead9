"""Dense layer on the features of a frozen backbone: the first epoch of a pretrained network.

The features of the images, and of some augmented views, are computed once. The layer is a multinomial logistic
regression with an L2 penalty, fitted by L-BFGS. The penalty is chosen by cross-validation on the training images, so
that all views of an image are in one fold.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from core.recipes import BackboneNetwork, Optimization, RecipeConfig
from training.augment.batches import Batches
from training.fit.losses import classification_loss
from training.networks import Classifier
from training.networks.efficientnet import backbone_features

PENALTIES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
"""Penalties to choose from, strongest first, for centered features with a mean squared length of 1."""
MAX_ROWS = 50_000
"""Maximum number of images and views together, unless there are more images: 256 MB of features."""
_FOLDS = 3
_ITERATIONS = 200


def fit_head(
    classifier: Classifier,
    batches: Batches,
    config: RecipeConfig,
    *,
    labels_N: Tensor,
    draw: torch.Generator,
    autocast: Callable[[], torch.autocast],
    progress: Callable[[], None],
) -> float:
    """Fit the last dense layer of `classifier` to the features of all images and their augmented views, in place.

    Args:
        classifier: network whose other layers are pretrained.
        batches: training images.
        config: the recipe, with a `BackboneNetwork`.
        labels_N: int64 [N], labels, for folds and balanced sampling.
        draw: random generator of the views, on the device of the batches.
        autocast: makes the context in which features are computed.
        progress: called after each batch of images, with all its views.

    Returns:
        The penalty that was chosen.
    """
    features_MF, onehot_MK, image_M = _features(classifier, batches, config, draw, autocast, progress)
    center_F = features_MF.mean(0)
    features_MF -= center_F
    scale = 1 / features_MF.square().sum(1).mean().sqrt().clamp_min(1e-12)
    features_MF *= scale
    weights_M = _row_weights(labels_N, config)[image_M].to(features_MF.device)
    fold_M = _folds(labels_N, draw)[image_M].to(features_MF.device)
    penalty = _best_penalty(features_MF, onehot_MK, weights_M, fold_M, config.optimization)
    head = _fitted(features_MF, onehot_MK, weights_M, penalty, config.optimization, None)
    target = classifier.network[-1]
    if not isinstance(target, nn.Linear):
        raise TypeError(f"a backbone ends with a dense layer, not with {type(target).__name__}")
    with torch.no_grad():
        target.weight.copy_(head[:, :-1] * scale)
        target.bias.copy_(head[:, -1] - target.weight @ center_F)
    return penalty


def views_per_image(network: BackboneNetwork, images: int) -> int:
    """Number of augmented views of each of `images` images."""
    return max(0, min(network.views, MAX_ROWS // images - 1))


@torch.no_grad()
def _features(
    classifier: Classifier,
    batches: Batches,
    config: RecipeConfig,
    draw: torch.Generator,
    autocast: Callable[[], torch.autocast],
    progress: Callable[[], None],
) -> tuple[Tensor, Tensor, Tensor]:
    """Features float32 [M, F], targets float32 [M, K] and image int64 [M] of all images and their views."""
    if not isinstance(config.network, BackboneNetwork):
        raise TypeError("features need a recipe with a backbone")
    classifier.eval()
    views = views_per_image(config.network, len(batches))
    features, targets, image = [], [], []
    for index_N in torch.arange(len(batches)).split(config.batch_size):
        for view in range(views + 1):
            batch = batches.plain(index_N) if view == 0 else batches.augmented(index_N, view - 1, draw)
            pixels_NHWC = batch.pixels_LHWC[: len(index_N)]
            with autocast():
                normalized_NCHW = classifier.normalized(pixels_NHWC.permute(0, 3, 1, 2))
                features.append(backbone_features(classifier.network, normalized_NCHW).float())
            targets.append(batch.onehot_NK)
            image.append(index_N)
        progress()
    return torch.cat(features), torch.cat(targets), torch.cat(image)


def _row_weights(labels_N: Tensor, config: RecipeConfig) -> Tensor:
    """Weight of each image in the loss, float32 [N] with mean 1; with balanced sampling, classes weigh the same."""
    if config.sampling != "balanced":
        return torch.ones(len(labels_N))
    weights_N = 1.0 / torch.bincount(labels_N)[labels_N].float()
    return weights_N / weights_N.mean()


def _folds(labels_N: Tensor, draw: torch.Generator) -> Tensor:
    """Random stratified fold of each image, int64 [N]."""
    order_N = torch.randperm(len(labels_N), generator=draw, device=draw.device).cpu()
    fold_N = torch.empty_like(order_N)
    fold_N[order_N[labels_N[order_N].argsort(stable=True)]] = torch.arange(len(labels_N)) % _FOLDS
    return fold_N


def _best_penalty(
    features_MF: Tensor, onehot_MK: Tensor, weights_M: Tensor, fold_M: Tensor, config: Optimization
) -> float:
    """Penalty with the lowest cross-validated log loss."""
    plain = config.model_copy(update={"label_smoothing": 0.0, "loss": "cross_entropy"})
    losses = dict.fromkeys(PENALTIES, 0.0)
    for fold in range(_FOLDS):
        kept_M, held_M = fold_M != fold, fold_M == fold
        if not kept_M.any() or not held_M.any():
            continue
        head = None
        for penalty in PENALTIES:
            head = _fitted(features_MF[kept_M], onehot_MK[kept_M], weights_M[kept_M], penalty, config, head)
            losses[penalty] += _loss(head, features_MF[held_M], onehot_MK[held_M], weights_M[held_M], plain).item()
    return min(losses, key=lambda penalty: losses[penalty])


def _fitted(
    features_MF: Tensor,
    onehot_MK: Tensor,
    weights_M: Tensor,
    penalty: float,
    config: Optimization,
    start: Tensor | None,
) -> Tensor:
    """Weights and bias, float32 [K, F + 1], with the lowest penalized loss; `start` is a first guess."""
    classes, width = onehot_MK.shape[1], features_MF.shape[1]
    first = features_MF.new_zeros(classes, width + 1) if start is None else start
    head = first.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([head], max_iter=_ITERATIONS, tolerance_grad=1e-6, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = _loss(head, features_MF, onehot_MK, weights_M, config)
        loss = loss + 0.5 * penalty * head[:, :-1].square().sum()
        loss.backward()
        return loss

    with torch.enable_grad():
        optimizer.step(closure)
    return head.detach()


def _loss(head: Tensor, features_MF: Tensor, onehot_MK: Tensor, weights_M: Tensor, config: Optimization) -> Tensor:
    logits_MK = features_MF @ head[:, :-1].T + head[:, -1]
    return classification_loss(logits_MK, onehot_MK, config, weights_M)
