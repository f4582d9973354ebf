from __future__ import annotations

import pytest
import torch

from mien.errors import InputError
from mien.training.with_torch.backbones import build
from mien.training.with_torch.backbones.vit import Attention, VisionTransformer

SHAPES = {"vit-tiny": (256, 12), "vit-small": (512, 12), "vit-base": (512, 24)}
NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def small(**options: float) -> VisionTransformer:
    torch.manual_seed(0)
    return VisionTransformer(16, 2, dimension=8, size=(36, 27), dropout=0.0, **options)


@pytest.mark.parametrize("name", SHAPES)
def test_names_and_shapes_are_arcface_torchs(name: str) -> None:
    width, depth = SHAPES[name]
    names = {"pos_embed", "mask_token", "patch_embed.proj.weight", "patch_embed.proj.bias"}
    names |= {"norm.weight", "norm.bias", "feature.0.weight", "feature.2.weight"}
    names |= {f"feature.{norm}.{part}" for norm in (1, 3) for part in NORM}
    for number in range(depth):
        layers = ("norm1", "norm2", "attn.proj", "mlp.fc1", "mlp.fc2")
        names |= {f"blocks.{number}.{layer}.{part}" for layer in layers for part in ("weight", "bias")}
        names |= {f"blocks.{number}.attn.qkv.weight"}
    with torch.device("meta"):
        state = build(name).state_dict()
    assert set(state) == names
    assert state["pos_embed"].shape == (1, 144, width)
    assert state["feature.0.weight"].shape == (width, 144 * width)


def test_attention_by_hand() -> None:
    torch.manual_seed(1)
    attention = Attention(16)
    x = torch.randn(3, 5, 16)
    queries, keys, values = (part.view(3, 5, 8, 2) for part in attention.qkv(x).chunk(3, dim=2))
    looks = torch.einsum("nqhd,nkhd->nhqk", queries, keys) / 2**0.5
    seen = torch.einsum("nhqk,nkhd->nqhd", looks.softmax(-1), values).reshape(3, 5, 16)
    torch.testing.assert_close(attention(x), attention.proj(seen))


def test_pixels_beyond_the_last_whole_patch_are_not_seen() -> None:
    torch.manual_seed(0)
    network = VisionTransformer(16, 1, dimension=8, size=(112, 112), dropout=0.0).eval()
    picture = torch.randn(1, 3, 112, 112)
    changed = picture.clone()
    changed[:, :, 108:], changed[:, :, :, 108:] = 0, 0
    assert torch.equal(network(picture), network(changed))
    changed[:, :, :, 107] = 0
    assert not torch.equal(network(picture), network(changed))


def test_masked_places_hold_the_token_and_others_what_the_blocks_saw() -> None:
    network = small(mask_ratio=0.5).train()
    network.mask_token.data.fill_(7)
    put_back = network._masked(torch.randn(4, 12, 16))
    masked = (put_back == 7).all(2)
    assert (masked.sum(1) == 6).all()
    assert len({tuple(row.tolist()) for row in masked}) > 1  # each picture has its own


def test_masking_under_half_precision() -> None:
    network = small(mask_ratio=0.5).train()
    with torch.autocast("cpu", torch.bfloat16):
        assert network(torch.randn(4, 3, 36, 27)).isfinite().all()


def test_with_nothing_masked_training_sees_what_evaluation_sees() -> None:
    network = small()
    features = network.feature
    network.feature = torch.nn.Identity()
    x = torch.randn(2, 3, 36, 27)
    assert torch.equal(network.train()(x), network.eval()(x))
    assert features(network(x)).shape == (2, 8)


def test_token_learns_only_where_something_is_masked() -> None:
    assert not small().mask_token.requires_grad
    network = small(mask_ratio=0.5).train()
    (network(torch.randn(4, 3, 36, 27)) * torch.randn(4, 8)).sum().backward()
    assert network.mask_token.grad is not None
    assert network.mask_token.grad.abs().sum() > 0


def test_drop_path_rises_to_the_share_asked_for() -> None:
    with torch.device("meta"):
        blocks = build("vit-tiny", dimension=8, drop_path=0.11).blocks
    shares = [block.drop_path.share for block in blocks]
    assert shares == pytest.approx([0.01 * number for number in range(12)])


@pytest.mark.parametrize("option", ["mask_ratio", "drop_path"])
def test_shares_out_of_range(option: str) -> None:
    with pytest.raises(InputError, match=f"{option}: 1.0 given"):
        small(**{option: 1.0})
