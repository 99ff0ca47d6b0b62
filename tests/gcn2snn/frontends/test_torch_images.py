"""Every image layer lowers to a description that computes what the layer computes, in both engines."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from gcn2snn import ConvertConfig, convert, ir
from gcn2snn.engines.arguments import bind
from gcn2snn.engines.interpreter import run_float
from gcn2snn.errors import ConversionError, InputError
from gcn2snn.frontends.read_model import lower


class Apply(nn.Module):
    """A function of the image as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, images):
        return self.function(images)


class Residual(nn.Module):
    """Identity, 1 x 1 and option-A shortcuts, concat and a functional mean."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 8, 3, 2, 1)
        self.down = nn.Conv2d(4, 8, 1, 2)
        self.same = nn.Conv2d(8, 8, 3, padding="same")
        self.last = nn.Linear(16, 3)

    def forward(self, images):
        x = functional.relu(self.conv(images))
        x = functional.relu(x + functional.pad(images[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2)))
        y = functional.relu(self.same(x) + self.down(images))
        return self.last(torch.cat([x, y], 1).mean((2, 3)))


LAYERS = {
    "stride and padding": nn.Conv2d(4, 6, 3, stride=2, padding=1),
    "pairs": nn.Conv2d(4, 6, (3, 5), stride=(2, 1), padding=(0, 2)),
    "same, even kernel": nn.Conv2d(4, 6, 4, padding="same"),
    "same, dilated": nn.Conv2d(4, 6, 3, padding="same", dilation=2),
    "valid": nn.Conv2d(4, 6, 3, padding="valid"),
    "groups": nn.Conv2d(4, 8, 3, groups=2, padding=1),
    "depthwise, dilated": nn.Conv2d(4, 4, 3, groups=4, dilation=2),
    "no bias": nn.Conv2d(4, 6, 3, bias=False),
    "asymmetric padding": nn.Sequential(nn.ZeroPad2d((0, 1, 2, 3)), nn.Conv2d(4, 6, 3, 2)),
    "functional padding": nn.Sequential(Apply(lambda x: functional.pad(x, (1, 0, 0, 2))), nn.MaxPool2d(2)),
    "batch norm": nn.BatchNorm2d(4),
    "batch norm without weights": nn.BatchNorm2d(4, affine=False),
    "max pool": nn.MaxPool2d(2),
    "max pool, ceil": nn.MaxPool2d(3, 2, ceil_mode=True),
    "max pool, padded and dilated": nn.MaxPool2d(3, 1, 1, dilation=2),
    "average pool": nn.AvgPool2d(3, 2, 1),
    "average pool, ceil, valid part": nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False),
    "adaptive average": nn.AdaptiveAvgPool2d((3, 1)),
    "adaptive average, None": nn.AdaptiveAvgPool2d((None, 3)),
    "adaptive maximum": nn.AdaptiveMaxPool2d(3),
    "mean over pixels": Apply(lambda x: x.mean((2, 3), keepdim=True)),
    "option A": Apply(lambda x: functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 1, 2))),
    "flatten": nn.Sequential(nn.Flatten(), nn.Linear(4 * 81, 3)),
    "residual": Residual(),
}


def _randomise(module: nn.Module) -> nn.Module:
    torch.manual_seed(3)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
    for parameter in module.parameters():
        parameter.data.normal_(0, 0.5)
    return module.eval()


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("name", LAYERS)
def test_description_equals_the_layer(name: str) -> None:
    model = _randomise(LAYERS[name])
    x = torch.randn(3, 4, 9, 9)
    network = lower(model, (x,), {})
    with torch.no_grad():
        torch.testing.assert_close(run_float(network, bind(network, (x,), {})), model(x))  # order of sums differs


@pytest.mark.parametrize("name", [name for name in LAYERS if "batch norm" not in name])
def test_engines_agree_in_double_precision(name: str) -> None:
    model = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(), LAYERS[name], nn.ReLU())
    model = _randomise(model).double()
    x = torch.randn(2, 4, 9, 9, dtype=torch.float64)
    snn = convert(model, x, ConvertConfig(timesteps=6, base=1.5))
    closed, temporal = (snn.simulate(x, engine=engine) for engine in ("closed", "temporal"))
    # A potential on a threshold may fall on either side by rounding; in 64 bits that does not happen here.
    torch.testing.assert_close(closed, temporal, rtol=1e-10, atol=1e-10)


def test_batch_norm_in_threshold_fires_like_folded_batch_norm() -> None:
    model = nn.Sequential(nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 3, 3)).double()
    _randomise(model)
    model[1].weight.data[0] = -0.7
    model[1].weight.data[1] = 0
    x = torch.randn(3, 4, 9, 9, dtype=torch.float64)
    folded, kept = (convert(model, x, ConvertConfig(batch_norm=kind)) for kind in ("weights", "threshold"))
    for name, spikes in folded.spikes(x).items():
        assert torch.equal(spikes.code, kept.spikes(x)[name].code)


def test_padding_goes_into_the_convolution() -> None:
    network = lower(_randomise(LAYERS["asymmetric padding"]), (torch.randn(1, 4, 9, 9),), {})
    assert network.of(ir.Conv)[0].padding == (0, 1, 2, 3)
    assert not network.of(ir.Pad)


REFUSED = {
    "padding mode": (nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"), "padding_mode='reflect'"),
    "reflection": (nn.ReflectionPad2d(1), "ReflectionPad2d"),
    "statistics": (nn.BatchNorm2d(4, track_running_stats=False), "no running statistics"),
    "transposed": (nn.ConvTranspose2d(4, 4, 3), "not a 2-D convolution"),
    "crop": (Apply(lambda x: functional.pad(x, (-1, 0))), "crops"),
    "constant": (Apply(lambda x: functional.pad(x, (1, 0), value=1.0)), "does not pad with zeros"),
    "indices": (Apply(lambda x: functional.max_pool2d(x, 2, return_indices=True)), "no indices"),
    "divisor": (nn.AvgPool2d(2, divisor_override=3), "is no mean"),
    "mean": (Apply(lambda x: x.mean(0)), "is over the rows"),
    "slice": (Apply(lambda x: x[0]), "takes a single row"),
    "upsample": (nn.Upsample(scale_factor=2), "enlarges"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_say_why(name: str) -> None:
    model, why = REFUSED[name]
    with pytest.raises(ConversionError, match=why):
        lower(model.eval(), (torch.randn(2, 4, 9, 9),), {})


def test_all_refusals_come_at_once() -> None:
    model = nn.Sequential(*(REFUSED[name][0] for name in ("padding mode", "statistics"))).eval()
    with pytest.raises(ConversionError, match="2 reason") as error:
        lower(model, (torch.randn(2, 4, 9, 9),), {})
    assert [refusal.path for refusal in error.value.refusals] == ["0", "1"]


def test_wrong_channel_count_is_an_input_error() -> None:
    with pytest.raises(InputError, match=r"\[\*, 4, height, width\]"):
        lower(LAYERS["valid"].eval(), (torch.randn(2, 3, 9, 9),), {})
