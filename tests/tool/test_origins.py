import pytest

from lti_tool.lti.message import origin_of


@pytest.mark.parametrize(
    "url",
    [
        "https://x; script-src *", "https://x;y", "https://x,y", "https://a\tb", "https://a.b/\npath", " https://a.b", "https://a.b/c d",
        "https://a.b\u00a0", "https://ตัวอย่าง.ไทย", "https://[::1%25a;b]", "https://[v1.x;y]", "https://a.b\\@c", "https://u@a.b", "https://a_b;",
        "https://a.b:99999", "https://'self'", "https://*", None, "",
    ],
)  # fmt: skip
def test_what_is_no_plain_host_has_no_origin(url):
    assert origin_of(url) is None


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://LMS.example.go.th:443/a?b#c", "https://lms.example.go.th"),
        ("http://127.0.0.1:8001/x", "http://127.0.0.1:8001"),
        ("https://[2001:DB8::1]:8443/", "https://[2001:db8::1]:8443"),
        ("https://xn--12co0c3b4eva.xn--o3cw4h/", "https://xn--12co0c3b4eva.xn--o3cw4h"),
    ],
)
def test_a_plain_host_keeps_its_origin(url, origin):
    assert origin_of(url) == origin
