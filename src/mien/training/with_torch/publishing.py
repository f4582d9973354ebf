"""A run → a bundle: its best network, as a graph, proved, measured, calibrated."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from mien.bundle.card import Provenance, digest_of, plain_name
from mien.bundle.runtime import Runtime
from mien.evaluation.measure import About as Measured
from mien.evaluation.measure import measure
from mien.evaluation.report.page import build
from mien.evaluation.study import System
from mien.pages.page import write
from mien.recognition.embed import Embedder
from mien.training.augmentation import Augmentation, draws
from mien.training.datasets.dataset import decode
from mien.training.material import Material, gather
from mien.training.publish import LEAST, MOST, Labelled, Published, Trained, publish
from mien.training.recipe import Recipe
from mien.training.recipe_file import encode_recipe
from mien.training.run import About, Run
from mien.training.with_torch.checkpoints import load_weights
from mien.training.with_torch.export import to_onnx
from mien.training.with_torch.trainer import network_of, weights_at
from mien.training.with_torch.vectors import embedded
from mien.training.with_torch.view import Normal, View, recrop
from mien.values import Pixels


def publish_run(run: Run, out: Path, *, name: str = "", licence: str = "unknown") -> Published:
    """Write the bundle of a run's best network (the last one, where nothing was measured) to a new folder.

    Beside it, the run gets a page about the network where there are people to measure on. Raises what
    `mien.training.publish.publish` raises; then nothing is written.
    """
    recipe, about = run.recipe(), run.about()
    material = gather(recipe)
    network = network_of(recipe, about.contract.size, start=False)
    load_weights(network, weights_at(run.folder), form="mien")
    model = trained(recipe, about, network, name or plain_name(out.name), licence)
    checks = material.checks
    labelled = Labelled.of(checks.dataset) if checks is not None and checks.dataset is not None else None
    published = publish(model, out, crops=crops(material), validation=labelled)
    if checks is not None:
        trial = checks.trial(Embedder(published.bundle, Runtime())(checks.crops)[0])
        system = System(name=model.name, bundle=published.bundle.digest, aligner=about.contract.aligner)
        told = Measured(
            protocol="the run's validation", data=recipe.data.validation or about.data, system=system
        )
        write(run.report, build(measure(trial, told, pairs=checks.pairs), {}))
    return published


def trained(recipe: Recipe, about: About, network: nn.Module, name: str, licence: str) -> Trained:
    """What `publish` takes."""
    settings = recipe.network
    packages = ", ".join(f"{package} {about.versions[package]}" for package in ("torch", "lightning", "mien"))
    provenance = Provenance(
        source="trained by mien",
        licence=licence,
        framework=packages,
        recipe=f"{recipe.name}: {settings.backbone}, resolved recipe {digest_of(encode_recipe(recipe))}",
        data=f"{about.data}: {about.pictures:,} pictures of {len(about.people):,} people, list {about.digest}",
        parent=None,
    )
    normal = Normal(settings.mean, settings.scale)
    return Trained(
        name=name,
        onnx=to_onnx(network, about.contract.size),
        embed=partial(embedded, network, normal),
        contract=about.contract,
        dimension=settings.dimension,
        provenance=provenance,
        mean=(settings.mean,) * 3,
        scale=(settings.scale,) * 3,
        mirror=settings.mirror,
        people=about.people,
    )


def crops(material: Material) -> Pixels:
    """Crops as the network takes them, evenly out of the training's; few pictures are varied until they are
    enough for a proof.
    """
    train = material.train
    rows = np.unique(np.linspace(0, len(train) - 1, min(len(train), MOST)).astype(np.int64))
    images = torch.from_numpy(np.stack([decode(train, int(row)) for row in rows])).permute(0, 3, 1, 2)
    cut = _whole(recrop(material.contract, material.network)(images.float()))
    varied = View(Augmentation(warp=1.0, colour=1.0), material.network)
    rounds = range(1, -(-LEAST // len(cut)))
    more = [varied(cut, torch.from_numpy(draws(0, each, np.arange(len(cut))))) for each in rounds]
    found: Pixels = torch.cat([cut, *(_whole(each) for each in more)]).numpy()
    return found


def _whole(pixels: torch.Tensor) -> torch.Tensor:
    """(n,3,h,w) float in 0..255 → (n,h,w,3) uint8."""
    return pixels.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()
