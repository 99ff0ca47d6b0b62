from dataclasses import replace

from gcn2snn.config import ConvertConfig
from gcn2snn.passes.settings import SETTINGS, Setting, candidates


def test_everything_open_compares_all_settings_and_each_once():
    assert candidates(ConvertConfig()) == list(SETTINGS)
    assert len(set(SETTINGS)) == len(SETTINGS) == 8


def test_what_is_given_is_in_every_candidate_and_none_comes_twice():
    given = candidates(ConvertConfig(base=1.5, correct="none"))
    assert {setting.base for setting in given} == {"given"}
    assert {(setting.scale, setting.per) for setting in given} == {
        ("mse", "channel"),
        ("max", "channel"),
        ("max", "layer"),
    }
    assert len(given) == 3
    assert candidates(ConvertConfig.paper()) == [Setting("given", "max", "layer", "none")]
    assert {setting.group for setting in candidates(ConvertConfig(group=4))} == {4}


def test_few_rows_leave_out_what_is_fitted_to_a_channel():
    few = candidates(ConvertConfig(), many_rows=False)
    assert {(setting.per, setting.correct) for setting in few} == {("layer", "none")}


def test_accuracy_first_adds_groups_that_a_code_has_room_for():
    plain = candidates(ConvertConfig())
    assert candidates(ConvertConfig(), accuracy_first=True) == plain + [
        replace(setting, group=size) for size in (2, 4) for setting in SETTINGS[:2]
    ]
    assert {s.group for s in candidates(ConvertConfig(timesteps=100), accuracy_first=True)} == {1, 2}
    for timesteps, groups in ((63, {1, 2, 4}), (64, {1, 2}), (127, {1, 2}), (128, {1})):
        assert {s.group for s in candidates(ConvertConfig(timesteps=timesteps), accuracy_first=True)} == groups
    assert candidates(ConvertConfig(group=2), accuracy_first=True) == candidates(ConvertConfig(group=2))


def test_a_setting_says_itself_in_words():
    assert str(Setting("own", "mse", "channel", "mean", 2)) == (
        "own bases, least error per channel, means corrected, groups of 2"
    )
    assert str(Setting("given", "max", "layer", "none")) == "maxima per layer"
