from __future__ import annotations

import io
import pickle
import random
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from mien.errors import InputError
from mien.training.with_torch import checkpoints
from mien.training.with_torch.backbones import build
from mien.training.with_torch.checkpoints import FORMS, LoadedWeights, load_weights

SIZE = (32, 32)


def network(name: str = "mobilefacenet", seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return build(name, dimension=8, size=SIZE)


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    return network(seed=1).state_dict()


def saved(tmp_path: Path, content: Any, **how: Any) -> Path:
    path = tmp_path / "weights.pt"
    torch.save(content, path, **how)
    return path


def same(one: nn.Module, state: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, state[name]) for name, value in one.state_dict().items())


def refused(path: Path, *, form: str | None = None) -> str:
    """What is said of a file that is refused; the network it was meant for is as it was."""
    target = network()
    before = {name: value.clone() for name, value in target.state_dict().items()}
    with pytest.raises(InputError) as told:
        load_weights(target, path, form=form)
    assert same(target, before)
    assert str(told.value).startswith(str(path))
    return str(told.value)


def test_plain_state_dict(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    target = network()
    assert load_weights(target, saved(tmp_path, weights)) == LoadedWeights("plain", (), ())
    assert same(target, weights)


def test_file_of_the_old_kind(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    target = network()
    path = saved(tmp_path, OrderedDict(weights), _use_new_zipfile_serialization=False)
    assert load_weights(target, path).form == "plain"
    assert same(target, weights)


def test_our_own_checkpoint_gives_the_network_and_reports_the_rest(
    tmp_path: Path, weights: dict[str, torch.Tensor]
) -> None:
    state = {f"network.{name}": value for name, value in weights.items()} | {"loss.weight": torch.zeros(5, 8)}
    target = network()
    path = saved(tmp_path, {"epoch": 3, "state_dict": state, "optimizer_states": [{"lr": 0.1}]})
    assert load_weights(target, path) == LoadedWeights("mien", (), ("loss.weight",))
    assert same(target, weights)


def test_dataparallels_wrapper_is_taken_off(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    target = network()
    load_weights(target, saved(tmp_path, {f"module.{name}": value for name, value in weights.items()}))
    assert same(target, weights)


def test_xiaoccers_layout(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    target = network()
    path = saved(tmp_path, {"epoch": 68, "net_state_dict": weights})
    assert load_weights(target, path).form == "xiaoccer"
    assert same(target, weights)


def test_counters_may_be_missing(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    counted = [name for name in weights if name.endswith("num_batches_tracked")]
    path = saved(tmp_path, {name: value for name, value in weights.items() if name not in counted})
    assert load_weights(network(), path).missing == tuple(counted)


@pytest.mark.parametrize("wrapped", [False, True])
def test_insightfaces_iresnet(tmp_path: Path, wrapped: bool) -> None:
    state = network("iresnet18", seed=1).state_dict()
    content = (
        {"epoch": 2, "state_dict_backbone": {f"module.{k}": v for k, v in state.items()}} if wrapped else state
    )
    target = network("iresnet18")
    form = load_weights(target, saved(tmp_path, content)).form
    assert form == ("insightface-run" if wrapped else "insightface")
    assert same(target, state)


def test_facenet_pytorchs_classifier_is_reported(tmp_path: Path) -> None:
    torch.manual_seed(1)
    target, other = (build("inception-resnet-v1", dimension=8, size=(80, 80)) for _ in range(2))
    heads = {"logits.weight": torch.zeros(4, 8), "logits.bias": torch.zeros(4)}
    loaded = load_weights(target, saved(tmp_path, other.state_dict() | heads))
    assert loaded == LoadedWeights("facenet-pytorch", (), ("logits.weight", "logits.bias"))
    assert same(target, other.state_dict())


def test_torchvisions_trunk_leaves_our_head_as_it_began(tmp_path: Path) -> None:
    old, target = network("mobilenetv2", seed=1), network("mobilenetv2")
    head = target.head.linear.conv.weight.clone()
    trunk = {name: value for name, value in old.state_dict().items() if name.startswith("features.")}
    loaded = load_weights(target, saved(tmp_path, trunk | {"classifier.1.weight": torch.zeros(1000, 1280)}))
    assert loaded.form == "torchvision"
    assert loaded.unexpected == ("classifier.1.weight",)
    assert {name.split(".")[0] for name in loaded.missing} == {"head"}
    assert torch.equal(target.head.linear.conv.weight, head)
    assert same(target.features, old.features.state_dict())


def test_our_own_trunk_and_head_are_both_loaded(tmp_path: Path) -> None:
    old, target = network("mobilenetv2", seed=1), network("mobilenetv2")
    assert load_weights(target, saved(tmp_path, old.state_dict())).missing == ()
    assert same(target, old.state_dict())


def test_torchvisions_swin_sees_the_face_with_every_pixel_doubled(tmp_path: Path) -> None:
    torch.manual_seed(1)
    target = build("swin-tiny", dimension=8)
    state = {k: torch.randn_like(v) for k, v in target.state_dict().items() if not k.startswith("head.")}
    patches = torch.randn(96, 3, 4, 4)
    index = {"features.1.0.attn.relative_position_index": torch.zeros(2401, dtype=torch.int64)}
    loaded = load_weights(target, saved(tmp_path, state | {"features.0.0.weight": patches} | index))
    assert loaded.unexpected == tuple(index)
    face = torch.randn(1, 3, 112, 112)
    doubled = nn.functional.interpolate(face, scale_factor=2, mode="nearest")
    published = nn.functional.conv2d(doubled, patches, state["features.0.0.bias"], stride=4)
    torch.testing.assert_close(target.features[0][0](face), published, rtol=1e-4, atol=1e-4)


def test_timms_old_head_is_left_when_asked(tmp_path: Path) -> None:
    target = nn.Sequential(OrderedDict(stem=nn.Linear(3, 4), fc=nn.Linear(4, 2)))
    content = {"stem.weight": torch.ones(4, 3), "stem.bias": torch.ones(4), "fc.weight": torch.ones(9, 4)}
    path = saved(tmp_path, content)
    loaded = load_weights(target, path, form="timm")
    assert loaded == LoadedWeights("timm", ("fc.weight", "fc.bias"), ("fc.weight",))
    with pytest.raises(InputError, match=r"lacks fc\.bias"):
        load_weights(target, path)


def test_half_precision_becomes_the_networks(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    target = network()
    halves = {name: value.half() if value.is_floating_point() else value for name, value in weights.items()}
    load_weights(target, saved(tmp_path, halves))
    assert target.conv1.conv.weight.dtype == torch.float32
    torch.testing.assert_close(target.conv1.conv.weight.detach(), halves["conv1.conv.weight"].float())


def test_another_shape_is_named(tmp_path: Path) -> None:
    torch.manual_seed(0)
    path = saved(tmp_path, build("mobilefacenet", dimension=16, size=SIZE).state_dict())
    message = refused(path)
    assert (
        "in another shape than this network linear1.conv.weight (16, 512, 1, 1) for (8, 512, 1, 1)" in message
    )
    assert "its name, dimension and size" in message


def test_missing_names_are_told_the_first_few(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    path = saved(tmp_path, {k: v for k, v in weights.items() if not k.startswith("conv2.")})
    message = refused(path)
    assert (
        "lacks conv2.conv.weight, conv2.bn.weight, conv2.bn.bias, conv2.bn.running_mean and 2 more" in message
    )


def test_a_deeper_networks_file_does_not_pass_for_a_shallower_ones(tmp_path: Path) -> None:
    path = saved(tmp_path, network("iresnet34").state_dict())
    target = network("iresnet18")
    with pytest.raises(InputError, match=r"has, and this network does not, layer1\.2\.bn1\.weight"):
        load_weights(target, path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite(tmp_path: Path, weights: dict[str, torch.Tensor], value: float) -> None:
    spoilt = dict(weights)
    spoilt["conv2.bn.weight"] = torch.full_like(weights["conv2.bn.weight"], value)
    assert "not finite, conv2.bn.weight;" in refused(saved(tmp_path, spoilt))


@pytest.mark.parametrize("value", ["a word", 3, torch.eye(512).to_sparse()])
def test_values_that_are_no_plain_numbers(tmp_path: Path, weights: dict[str, torch.Tensor], value: Any) -> None:
    assert "not as plain numbers, conv2.bn.weight;" in refused(
        saved(tmp_path, weights | {"conv2.bn.weight": value})
    )


def test_nothing_known_in_the_file(tmp_path: Path) -> None:
    assert "no weights of any known form (mien, xiaoccer," in refused(saved(tmp_path, {}))
    assert "it holds nothing" in refused(saved(tmp_path, {}))
    assert "a list, a dict of weights by name wanted" in refused(saved(tmp_path, [torch.zeros(2)]))


def test_a_form_that_the_file_has_not(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    message = refused(saved(tmp_path, weights), form="mien")
    assert "no weights of the form 'mien'; it holds 'conv1.conv.weight', 'conv1.bn.weight'" in message


def test_unknown_form_lists_the_known(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    with pytest.raises(InputError, match=r"'caffe' is not known; known are mien, xiaoccer, .*, timm"):
        load_weights(network(), saved(tmp_path, weights), form="caffe")
    assert list(FORMS)[-2:] == ["plain", "timm"]  # plain takes any names, so what follows is never guessed


class Burglar:
    """Unpickled by a careless reader, it writes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.mark), "w")


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_the_file_is_not_run(tmp_path: Path, weights: dict[str, torch.Tensor], zipped: bool) -> None:
    mark = tmp_path / "mark"
    path = saved(tmp_path, weights | {"extra": Burglar(mark)}, _use_new_zipfile_serialization=zipped)
    message = refused(path)
    assert not mark.exists()
    assert "open, and loading that would run code" in message
    assert "weights_only" not in message  # torch's own message says how to run it
    torch.load(path, weights_only=False)["extra"].close()
    assert mark.exists()  # the trap was armed


def test_a_bare_pickle_with_code_is_not_run(tmp_path: Path) -> None:
    path, mark = tmp_path / "bare.pt", tmp_path / "mark"
    path.write_bytes(pickle.dumps(Burglar(mark), protocol=2))
    refused(path)
    assert not mark.exists()


def test_torchscript_is_called_by_its_name(tmp_path: Path, weights: dict[str, torch.Tensor]) -> None:
    """The archive's mark alone: making a real one warns that TorchScript is on its way out."""
    path = saved(tmp_path, weights)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("weights/constants.pkl", b"")
    assert "TorchScript program, not weights" in refused(path)


def test_a_zip_that_unpacks_to_too_much(
    tmp_path: Path, weights: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path, weights)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("weights/data/99999", bytes(20_000_000))
    monkeypatch.setattr(checkpoints, "LIMIT", 10_000_000)
    assert "more than the 10000000 that are read" in refused(path)


def test_a_file_that_is_too_large_is_not_read(
    tmp_path: Path, weights: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path, weights)
    monkeypatch.setattr(checkpoints, "LIMIT", 1000)
    assert "larger than the 1000 bytes" in refused(path)


def test_a_view_larger_than_its_numbers_is_refused_by_its_shape(
    tmp_path: Path, weights: dict[str, torch.Tensor]
) -> None:
    huge = torch.zeros(1).expand(2**40)  # four bytes in the file
    assert "in another shape than this network conv2.bn.weight" in refused(
        saved(tmp_path, weights | {"conv2.bn.weight": huge})
    )


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    assert "cannot be read" in refused(tmp_path / "absent.pt")
    assert "not a plain file" in refused(tmp_path)


@pytest.mark.parametrize("zipped", [True, False])
def test_cut_files_are_refused(tmp_path: Path, zipped: bool) -> None:
    whole = written({"a": torch.arange(50.0), "b": torch.ones(3)}, zipped)
    path = tmp_path / "cut.pt"
    for length in range(0, len(whole) - 1, max(len(whole) // 30, 1)):
        path.write_bytes(whole[:length])
        refused(path)


@pytest.mark.parametrize("zipped", [True, False])
def test_damaged_files_load_or_are_refused(tmp_path: Path, zipped: bool) -> None:
    target = nn.Linear(5, 3)
    whole = written(target.state_dict(), zipped)
    path, dice = tmp_path / "damaged.pt", random.Random(7)
    refusals = 0
    for _ in range(150):
        bytes_ = bytearray(whole)
        for _ in range(dice.randint(1, 4)):
            bytes_[dice.randrange(len(bytes_))] = dice.randrange(256)
        path.write_bytes(bytes_)
        try:
            load_weights(target, path)
        except InputError:
            refusals += 1
    assert refusals > 0
    assert all(value.isfinite().all() for value in target.state_dict().values())


def written(content: dict[str, Any], zipped: bool) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, _use_new_zipfile_serialization=zipped)
    return stream.getvalue()


def test_bytes_of_no_kind(tmp_path: Path) -> None:
    for content in (b"", b"PK\x03\x04" + bytes(60), struct.pack("<q", 2**62), b"\x80\x02}q\x00."):
        path = tmp_path / "odd.pt"
        path.write_bytes(content)
        refused(path)
