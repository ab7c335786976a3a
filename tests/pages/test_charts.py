"""Charts say what their numbers say, and say it without colour too."""

import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest

from lti_tool.web import charts


def parse(svg):
    return ET.fromstring(str(svg))


def texts(svg):
    return [" ".join(part.itertext()).strip() for part in parse(svg).iter() if part.tag in ("text", "span")]


def rects(svg, css):
    return [part for part in parse(svg).iter("rect") if css in part.get("class", "").split()]


def radar(values, targets=(None, None, None), labels=("A", "B", "C")):
    axes = [charts.Axis(label, value, target, f"{value}") for label, value, target in zip(labels, values, targets, strict=True)]
    return charts.radar(axes, maximum=4, title="T", description="D", name="r")


def test_every_chart_has_a_title_and_a_description_that_name_it():
    made = [
        radar([1, 2, 3]),
        charts.bars([charts.Bar("A", 1, "1")], lowest=0, highest=2, title="T", description="D", name="b"),
        charts.tracks([charts.Track("A", 1, 2, "1")], levels=["0", "1", "2"], title="T", description="D", name="t"),
        charts.stacked([charts.Share("A", 1, "level-0")], title="T", description="D", name="s"),
        charts.heatmap([("A", [charts.Cell(0.5, "50%")])], ["B"], title="T", description="D", name="h"),
        charts.sparkline([0, 1], lowest=-1, highest=1, title="T", description="D", name="l"),
    ]

    for svg in made:
        root = parse(svg)
        named = {part.get("id"): part.text for part in root.iter() if part.tag in ("title", "desc") and part.get("id")}
        assert root.get("role") == "img"
        assert [named[name] for name in root.get("aria-labelledby").split()] == ["T", "D"]
        assert "style=" not in str(svg)


def test_a_text_with_markup_in_it_stays_text():
    svg = radar([1, 2, 3], labels=("<script>alert(1)</script>", "B & C", '"D"'))

    assert "<script>" not in svg
    assert any("<script>alert(1)</script>" in text for text in texts(svg))


def test_the_corners_of_a_radar_lie_as_far_out_as_their_values():
    svg = radar([1, 2, 4])

    centre = (160.0, 168.0)
    dots = [(float(dot.get("cx")), float(dot.get("cy"))) for dot in parse(svg).iter("circle")]
    reach = [((x - centre[0]) ** 2 + (y - centre[1]) ** 2) ** 0.5 for x, y in dots]
    assert reach == pytest.approx([24, 48, 96], abs=0.2)


def test_the_target_of_a_radar_is_drawn_only_when_every_axis_has_one():
    assert len(re.findall('class="target"', radar([1, 2, 3], (2, 2, 2)))) == 1
    assert 'class="target"' not in radar([1, 2, 3], (2, None, 2))


def test_an_unknown_value_has_no_point_and_no_area():
    svg = radar([1, None, 3])

    assert len(list(parse(svg).iter("circle"))) == 2
    assert 'class="area"' not in svg


@pytest.mark.parametrize("n", [0, 2, 9])
def test_a_radar_refuses_a_number_of_axes_that_says_nothing(n):
    with pytest.raises(ValueError, match="three to eight"):
        charts.radar([charts.Axis("A", 1)] * n, maximum=4, title="T", description="D", name="r")


def test_bars_are_as_long_as_their_values_and_carry_them_as_text():
    rows = [charts.Bar("A", -3, "−3.00"), charts.Bar("B", 0, "0.00"), charts.Bar("C", 1.5, "1.50"), charts.Bar("D", None, "–")]

    svg = charts.bars(rows, lowest=-3, highest=3, title="T", description="D", name="b")

    assert [float(bar.get("width")) for bar in rects(svg, "bar")] == [0, 160, 240]
    assert [row.text for row in rows] == [text for text in texts(svg) if text not in "ABCD"]


def test_the_error_bar_spans_low_to_high_and_stays_within_the_chart():
    svg = charts.bars([charts.Bar("A", 2.9, "2.9", 2.4, 3.4)], lowest=-3, highest=3, title="T", description="D", name="b")

    whisker = next(part for part in parse(svg).iter("line") if part.get("class") == "error")
    assert (float(whisker.get("x1")), float(whisker.get("x2"))) == (288, 320)


def test_a_track_fills_the_steps_up_to_the_level_and_hatches_what_is_not_known():
    levels = ["0", "1", "2", "3", "4"]

    svg = charts.tracks(
        [charts.Track("A", 2, 3, "2"), charts.Track("B", None, None, "?")], levels=levels, title="T", description="D", name="t"
    )

    assert len(rects(svg, "reached")) == 2
    assert [part.get("fill") for part in rects(svg, "unknown")] == ["url(#t-hatch)"] * 4
    assert svg.count('class="flag"') == 1


def test_the_shares_of_a_stacked_bar_fill_it_in_proportion():
    shares = [
        charts.Share("Low", 10, "level-0"),
        charts.Share("None", 0, "level-1"),
        charts.Share("High", 25, "level-2"),
        charts.Share("?", 5, "unknown"),
    ]

    svg = charts.stacked(shares, title="T", description="D", name="s")

    drawn = rects(svg, "share")
    edges = [(float(part.get("x")), float(part.get("x")) + float(part.get("width"))) for part in drawn]
    assert [end - start for start, end in edges] == pytest.approx([80, 200, 40])
    assert all(one[1] == pytest.approx(two[0]) for one, two in pairwise(edges))
    assert [text for text in texts(svg) if text] == ["10", "25", "5"]
    assert drawn[-1].get("fill") == "url(#s-hatch)"


def test_nobody_at_all_is_an_empty_rail():
    svg = charts.stacked([charts.Share("Low", 0, "level-0")], title="T", description="D", name="s")

    assert not rects(svg, "share")
    assert len(rects(svg, "rail")) == 1


def test_a_hidden_heatmap_cell_has_its_text_and_no_tone_of_a_value():
    svg = charts.heatmap(
        [("Unit", [charts.Cell(None, "<5"), charts.Cell(1.0, "100%"), charts.Cell(0.0, "0%")])],
        ["A", "B", "C"],
        title="T",
        description="D",
        name="h",
    )

    assert [part.get("class") for part in rects(svg, "cell")] == ["cell unknown", "cell heat-4", "cell heat-0"]
    assert texts(svg)[-3:] == ["<5", "100%", "0%"]


def test_a_course_stays_within_its_frame_whatever_the_values():
    svg = charts.sparkline([-9, 0, 9], lowest=-3, highest=3, band=[(-10, -8), (-1, 1), (8, 10)], title="T", description="D", name="l")

    heights = [float(pair.split(",")[1]) for part in parse(svg) if part.get("points") for pair in part.get("points").split()]
    assert min(heights) == 4
    assert max(heights) == 76
